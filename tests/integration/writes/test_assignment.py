"""What a writer may not slip in: members of the envelope, lax types, null where absence is meant."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schema.kinds import PLURALS
from tests.integration.writes.conftest import Moot
from tests.services import NODE, PREFIX, PUBLISHER
from tests.unit.schema.test_strict import LEAST, planted, slips

Json = Any
WHERE = f"{PREFIX}contract/EXA-C-1"
ENVELOPE: dict[str, Json] = {
    "id": "https://elsewhere.example/id/GB-LAE-OTH/contract/1", "kind": "tool", "state": "deleted", "modified": 1,
    "publisher": "GB-LAE-OTH", "origin": {"node": "https://elsewhere.example/.well-known/folkmoot", "seq": 1},
    "via": [{"node": "https://elsewhere.example/.well-known/folkmoot"}], "signature": "valid", "marks": ["retired"],
    "reason": "personal-data", "movedTo": "https://elsewhere.example/", "deleted": True, "node_id": 1, "rank": 0,
    "number": 9, "seq": 9, "__proto__": {"admin": True}, "scopes": ["*"],
}  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_t23_members_of_the_envelope_are_only_data(moot: Moot, contract: dict[str, Json], method: str) -> None:
    """A body that carries id, origin, state or rank keeps them as unknown members of `data` and decides nothing."""
    token = moot.token()
    slipped = contract | ENVELOPE
    if method == "POST":
        said = moot.post(token, slipped)
    else:
        tag = moot.post(token, contract).headers["etag"]
        said = moot.call(method, WHERE, token, slipped, If_Match=tag)
    found = said.json()
    assert (found["id"], found["kind"], found["data"]) == (WHERE, "contract", slipped)
    assert (found["origin"]["publisher"], found["origin"]["node"]) == (PUBLISHER, f"{NODE}/.well-known/folkmoot")
    assert (found["origin"]["seq"], "via" in found, "marks" in found) == (moot.latest(), False, False)
    (item,) = [one for one in moot.http.get("/v1/changes").json()["items"] if one["id"] == WHERE]
    assert (item["state"], item["modified"], item["kind"]) == ("updated", moot.latest(), "contract")
    assert moot.http.get(WHERE, headers={"Accept": "application/json"}).status_code == 200


EXTRA = ("id=5", "publisher=GB-LAE-OTH", "state=deleted", "kind=tool", "seq=1", "force=true", "_method=DELETE")


def test_t23_extra_parameters_are_refused(moot: Moot, contract: dict[str, Json]) -> None:
    """A parameter that a writing route does not read, or one given twice, is 422, and nothing is published."""
    token, before = moot.token(), moot.latest()
    for query in EXTRA:
        said = moot.call("POST", f"/v1/contracts?publisher={PUBLISHER}&{query}", token, contract)
        assert (said.status_code, moot.latest()) == (422, before), query


def test_t23_lax_values_are_refused_and_change_nothing(moot: Moot) -> None:
    """Each member at the top of a kind, given as another type, is 422 with a pointer, and the log stands still."""
    token, before = moot.token(), moot.latest()
    for kind, plural in PLURALS.items():
        top = [(at[0], value) for at, value in slips(kind) if len(at) == 1]
        for name, value in top[::4]:
            said = moot.post(token, planted(kind, (name,), value), plural)
            assert said.status_code == 422, (kind, name, value, said.text)
            assert any(fault.get("pointer", "").startswith(f"/{name}") for fault in said.json()["errors"])
    assert moot.latest() == before


NULLS: list[tuple[Json, int, Json]] = [
    ({"endDate": None}, 200, {"endDate": None}),
    ({}, 200, {}),
    ({"endDate": None, "title": "Bins"}, 200, {"endDate": None, "title": "Bins"}),
    ({"localNote": {"kept": None}}, 200, {"localNote": {}}),
    ({"localNote": None}, 200, {"localNote": None}),
    ({"never": None}, 200, {}),
    ({"value": {"amount": None}}, 200, {"value": {"currency": "GBP"}}),
    ({"value": None}, 200, {"value": None}),
    ({"new": {"a": None, "b": {"c": None}}}, 200, {"new": {"b": {}}}),
    ({"new": [None, {"a": None}]}, 200, {"new": [None, {"a": None}]}),
    ({"title": None}, 422, {}),
    ({"reference": None}, 422, {}),
    ({"suppliers": [None]}, 422, {}),
    ({"suppliers": [{"name": None}]}, 422, {}),
    ({"endDate": ""}, 422, {}),
    ({"endDate": 20291031}, 422, {}),
    ({"fixedCost": 0}, 422, {}),
    ({"fixedCost": "false"}, 422, {}),
    ({"value": {"amount": "120000"}}, 422, {}),
    ({"value": {"amount": False}}, 422, {}),
    ({"value": 120000}, 422, {}),
    ({"reference": "OTHER"}, 422, {}),
    (None, 422, {}),
    (["title"], 422, {}),
]


def test_t23_null_takes_out_and_absence_leaves(moot: Moot, contract: dict[str, Json]) -> None:
    """In a patch null takes a member out and what is not named stays; nothing else is taken for either."""
    token = moot.token()
    for number, (patch, status, changed) in enumerate(NULLS):
        before = contract | {"reference": f"N-{number}"}
        made = moot.post(token, before)
        where, latest = made.headers["location"], moot.latest()
        said = moot.call("PATCH", where, token, orjson.dumps(patch), If_Match=made.headers["etag"])
        wanted = {name: member for name, member in (before | changed).items() if member is not None}
        entry = moot.entry(where)
        assert entry is not None
        assert entry.data is not None
        assert (said.status_code, orjson.loads(entry.data)) == (status, wanted), patch
        assert moot.latest() == latest + (wanted != before), patch


def test_t23_null_in_a_whole_record_is_refused(moot: Moot, contract: dict[str, Json]) -> None:
    """Outside of a patch null is no way to say that a member is absent: 422 at its place, for POST and for PUT."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    for member in ("endDate", "value", "suppliers", "department", "title"):
        made = moot.post(token, contract | {"reference": "EXA-C-2", member: None})
        put = moot.call("PUT", WHERE, token, contract | {member: None}, If_Match=tag)
        for said in (made, put):
            assert (said.status_code, said.json()["errors"][0]["pointer"]) == (422, f"/{member}")


def test_t23_every_kind_has_its_slips() -> None:
    """Each kind is tried with at least fifty slips, so that the table cannot become empty unseen."""
    assert all(sum(1 for _ in slips(kind)) >= 50 for kind in LEAST)
