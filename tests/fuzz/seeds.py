"""Where fuzzing starts from: good inputs of each target, made here, and the bad ones that once found a fault.

What found a fault is kept as a file in `tests/fuzz/corpus/{target}/`, named after what it broke.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import orjson

from tests.fuzz.targets import FEED, NODE, OTHER
from tests.unit.exchange.making import csv_of, row, xlsx_of

CORPUS = Path(__file__).parent / "corpus"
LICENCE = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
_TIME = "2026-11-02T09:00:00Z"


def _item(number: int, node: str, place: str, kind: str, data: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    code = place.rpartition("/id/")[2]
    item: dict[str, Any] = {"kind": kind, "id": f"{place}/{kind}/C-{number}", "modified": number}
    item["origin"] = {"node": node, "publisher": code, "seq": number, "time": _TIME}
    item |= {"state": "deleted"} if data is None else {"state": "updated", "data": {"reference": f"C-{number}"} | data}
    return item | more


def _page(*items: dict[str, Any], after: int = 9) -> bytes:
    url = FEED.replace("=0", f"={after}")
    return orjson.dumps({"next": url, "items": items, "license": LICENCE, "epoch": "k3v9x2"})


def _feed_pages() -> list[bytes]:
    own, other = "https://exa.example/id/GB-LAE-EXA", "https://oth.example/id/GB-LAE-OTH"
    contract = {"title": "Planning system", "value": {"amount": 120000, "currency": "GBP"}, "endDate": "2029-10-31"}
    hop = [{"node": NODE, "harvested": _TIME}]
    relayed = _item(7, OTHER, other, "tool", {"name": "PlanWise", "vendor": "Acme"}, via=hop)
    gone = _item(8, NODE, own, "contract", None, reason="moved", movedTo=f"{own}/contract/C-9")
    odd = _item(3, NODE, own, "event", {"deep": [[[{"é": 1.5e300}]]], "no": None})
    return [
        _page(_item(1, NODE, own, "contract", contract), odd, gone),
        _page(relayed, _item(8, OTHER, other, "skill", None, reason="dropped", via=hop)),
        _page(after=0),
        b'{"next":"https://exa.example/v1/changes?afterChangeNumber=0","items":[],"license":"x","latest":3}',
    ]


def _manifests() -> list[bytes]:
    publisher = {
        "name": "Exampleshire County Council", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}],
        "idPrefix": "https://exa.example/id/GB-LAE-EXA/", "relation": "own", "region": "Wessex",
        "location": {"lat": 51.5, "lon": -1.2}, "successors": [{"id": "GB-LAE-WES", "vestingDate": "2027-04-01"}],
    }  # fmt: skip
    feed = {
        "url": "https://exa.example/v1/changes",
        "protocol": "rpde",
        "ordering": "changeNumber",
        "minPollSeconds": 5,
    }
    key = {"kty": "OKP", "crv": "Ed25519", "kid": "2026-1", "x": "A" * 43, "exp": _TIME}
    found = {
        "folkmoot": "1.0", "role": "node", "id": NODE, "epoch": "k3v9x2", "publishers": [publisher], "feeds": [feed],
        "contact": {"name": "Team", "email": "team@exa.example"}, "license": LICENCE, "languages": ["en"],
        "keys": [key], "software": {"name": "folkmoot", "version": "0.1.0"},
    }  # fmt: skip
    members = {"items": [{"id": NODE, "manifest": found}], "next": "https://moot.example/v1/nodes?cursor=2"}
    return [orjson.dumps(one) for one in (found, found | {"feeds": [feed | {"layout": "files"}]}, members)]


def _tables() -> list[bytes]:
    lga = csv_of([row(), row(ContractReference="EXA-2", EndDate="TBC", ContractValue="£ 1.2m - (3728)")])
    plain = "reference,title,value.amount,suppliers.0.name,endDate\r\nA/1,Bins,0,Acme;Borough,31/12/30\r\n,Roads,,,\r\n"
    tools = "name;vendor;users;openStandards\nPlanWise;Acme;12;a|b\n"
    return [
        b"\x02" + lga.encode(),
        b"\x02" + b"\xef\xbb\xbf" + lga.replace(",", ";").encode(),
        b"\x02" + lga.encode("utf-16"),
        b"\x02" + plain.replace("Bins", "Bins £5").encode("cp1252"),
        b"\x03" + tools.encode(),
        b"\x01" + b"reference,title,phase,start,budget.min\nR1,Forms,alpha,2026-05,1e3\n",
        b"\x00" + b"name,identifiers.0.scheme,identifiers.0.id\nExampleshire County Council,GB-LAE,EXA\n",
    ]


def _notices() -> list[bytes]:
    release = {
        "uri": "https://x.example/1", "releases/0/publishedDate": "2026-01-02T03:04:05Z", "releases/0/ocid": "ocds-1",
        "releases/0/tender/id": "T1", "releases/0/tender/title": "Bins", "releases/0/tender/value/amount": "5",
        "releases/0/awards/0/title": "Bins", "releases/0/awards/0/value/amount": "4.50",
        "releases/0/awards/0/suppliers/0/name": "Acme", "releases/0/tender/items/0/classification/scheme": "CPV",
        "releases/0/awards/0/contractPeriod/endDate": "2027-01-01T00:00:00Z", "releases/0/buyer/name": "Exampleshire",
        "releases/0/tender/items/0/classification/id": "72000000-5", "releases/0/awards/1/title": "Lorries",
    }  # fmt: skip
    names = "Notice ID,Buyer Name,Supplier Name,Contract End Date,Award Title,Award Value,Classification Code"
    data = [
        {"reference": "C1", "title": "Bins", "suppliers": [{"name": "Acme"}], "replaces": ["C0"], "deep": {"a": [1]}}
    ]
    return [
        b"\x00" + csv_of([release]).encode(),
        b"\x01" + orjson.dumps(data),
        b"\x01" + orjson.dumps({"items": data}),
        b"\x02"
        + orjson.dumps(data[0])
        + b"\n"
        + orjson.dumps({"title": "No reference", "endDate": "2030-01-01"})
        + b"\n",
        b"\x03" + f"{names}\nN1,Exampleshire,Acme,31/03/2027,Bins,12.50,72000000\n".encode(),
    ]


def _workbooks() -> list[bytes]:
    head = list(row())
    book = xlsx_of({"Register": [head, ["EXA-1", "Bins", "Acme", date(2025, 4, 1), date(2027, 3, 31), 12000]]})
    cells = b'<c r="B2"><f>A1</f><v>3</v></c><c r="AA10" t="e"><v>#N/A</v></c><c r="C3"/>'
    relations = b'<sheet name="A" r:id="rId1"/><Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
    return [b"\x00" + book, b"\x01" + cells, b"\x02" + relations, b"\x03a\tb\n\nc\td\n#Two\ne\tf"]


def _queries() -> list[bytes]:
    asked = (
        "q=%22planning+system%22+-bins&facets=publisher,cpv&sort=-end&limit=3",
        "publisher=GB-LAE-EXA&endsAfter=2026-01-01&endsBefore=2029-01-01&valueMin=-5&valueMax=1e6",
        "supplier=GB-COH-01234567&cpv=48&stage=active&signed=false&updatedSince=2026-11-02T09:00:00%2B01:00",
        "afterChangeNumber=3&kind=contract",
        "id=http://node.test/id/GB-LAE-EXA/tool/T%252F1%20%C3%BC",
        "cursor=WyJhIiwxLDIsM10&format=csv",
        "kind=tool&kind=contract&format=atom&q=caf%C3%A9",
        "region=Wessex&service=485&tool=PlanWise&format=ics",
        "sort=-end&limit=2",
        "state=active",
        "q=planning&format=csv",
        "endsBefore=2029-01-01&format=csv",
    )
    return [bytes([place]) + text.encode() for place, text in enumerate(asked)]


_MADE = {
    "feed-page": _feed_pages,
    "manifest": _manifests,
    "csv": _tables,
    "xlsx": _workbooks,
    "ocds": _notices,
    "query-string": _queries,
}


def kept(target: str) -> dict[str, bytes]:
    """The inputs that once found a fault, by the names of their files."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*")) if path.is_file()}


def seeds(target: str) -> list[bytes]:
    """All that a target's fuzzing starts from."""
    return [*_MADE[target](), *kept(target).values()]
