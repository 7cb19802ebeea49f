"""POST to a kind's list."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from federation import log, publishers, writes
from federation.database import Database
from schema.errors import Invalid
from tests.integration.writes.conftest import OTHER, Moot
from tests.services import EXAMPLESHIRE, NOW, PREFIX, PUBLISHER

EACH = {
    "roadmap-items": {"reference": "R 1/ä", "title": "Online forms"},
    "contracts": {"reference": "C1", "title": "Bins"},
    "tools": {"reference": "T1", "name": "PlanRight"},
    "assets": {"reference": "A1", "name": "Form"},
    "skills": {"reference": "S1", "name": "Service design"},
}


@pytest.mark.parametrize("plural", EACH)
def test_each_kind_is_published_and_read_back(moot: Moot, plural: str) -> None:
    """201 names the record's id in Location, and the id gives the data back under the same ETag."""
    made = moot.post(moot.token(), EACH[plural], plural)
    assert made.status_code == 201, made.text
    read = moot.http.get(made.headers["location"], headers={"Accept": "application/json"})
    assert read.status_code == 200
    assert read.json()["data"] == EACH[plural]
    assert read.headers["etag"] == made.headers["etag"]
    assert made.json() == read.json()


def test_the_id_is_prefix_kind_and_encoded_reference(moot: Moot) -> None:
    """The id is the publisher's prefix, the kind, and the reference percent-encoded in upper-case hex."""
    made = moot.post(moot.token(), EACH["roadmap-items"], "roadmap-items")
    assert made.headers["location"] == f"{PREFIX}roadmap-item/R%201%2F%C3%A4"


def test_unknown_members_are_kept_as_sent(moot: Moot, contract: dict[str, Any]) -> None:
    """What the schema does not know is stored and served by meaning as it was sent."""
    made = moot.post(moot.token(), contract)
    entry = moot.entry(made.headers["location"])
    assert entry is not None
    assert entry.data == orjson.dumps(contract)


def test_the_same_reference_twice_is_a_conflict(moot: Moot, contract: dict[str, Any]) -> None:
    """A live record is not overwritten by a second POST: 409, and nothing changes."""
    token = moot.token()
    moot.post(token, contract)
    before = moot.latest()
    assert moot.post(token, {**contract, "title": "Another"}).status_code == 409
    assert moot.latest() == before


def test_a_withdrawn_reference_can_be_published_again(moot: Moot, contract: dict[str, Any]) -> None:
    """After a tombstone the same reference may be used again, at the same id."""
    token = moot.token()
    made = moot.post(token, contract)
    where = made.headers["location"]
    assert moot.call("DELETE", f"{where}?reason=error", token, If_Match=made.headers["etag"]).status_code == 204
    again = moot.post(token, contract)
    assert (again.status_code, again.headers["location"]) == (201, where)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"reference":"X","title":"\xff"}', 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"title":"No reference"}', 422),
        (b'{"reference":"X"}', 422),
        (b'{"reference":"X","title":""}', 422),
        (b'{"reference":"X","title":"Y","value":{"amount":"5"}}', 422),
        (b'{"reference":"X","title":"Y","fixedCost":0}', 422),
        (b'{"reference":"..","title":"Y"}', 422),
        (b'{"reference":"X","title":"a\\u0000b"}', 422),
        (b'{"reference":"X","title":"Y","title":"Z"}', 422),
        (b'{"reference":"X","title":"Y","more":"' + b"x" * 230_000 + b'"}', 422),
    ],
)
def test_what_cannot_be_read_or_breaks_the_schema_changes_nothing(moot: Moot, body: bytes, status: int) -> None:
    """Malformed bytes are 400, data against the schema is 422; neither leaves a trace in the log."""
    before = moot.latest()
    said = moot.post(moot.token(), body)
    assert said.status_code == status, said.text
    assert said.headers["content-type"] == "application/problem+json"
    assert moot.latest() == before


@pytest.mark.parametrize("media", ["text/plain", "application/merge-patch+json", "application/json; charset=latin-1"])
def test_other_media_types_are_refused(moot: Moot, contract: dict[str, Any], media: str) -> None:
    """A body that is not JSON by its own account is 415."""
    assert moot.post(moot.token(), contract, Content_Type=media).status_code == 415


def test_unknown_parameters_are_refused(moot: Moot, contract: dict[str, Any]) -> None:
    """A parameter that nobody reads is 422 on writing routes too."""
    said = moot.call("POST", "/v1/contracts?publisher=GB-LAE-EXA&dryrun=true", moot.token(), contract)
    assert said.status_code == 422


def test_a_publisher_has_one_organisation_record(moot: Moot) -> None:
    """The organisation's own record is there already (409), and another body's cannot be published here (422)."""
    token = moot.token()
    own = {"name": "Exampleshire", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}
    assert moot.post(token, own, "organisations").status_code == 409
    assert (
        moot.post(token, {**own, "identifiers": [{"scheme": "GB-LAE", "id": "NEW"}]}, "organisations").status_code
        == 422
    )


def test_each_publisher_has_its_own_prefix(moot: Moot, contract: dict[str, Any]) -> None:
    """The publisher's prefix decides the id, so that two may use one reference."""
    one, other = moot.post(moot.token(), contract), moot.post(moot.token(OTHER), contract, to=OTHER)
    assert one.headers["location"].replace("EXA/", "OTH/", 1) == other.headers["location"]


def test_a_reference_that_makes_too_long_an_id_is_refused(database: Database) -> None:
    """Below a long address a long reference makes no id that others take: it is refused at its place, not logged."""
    host = ".".join(["a" * 50] * 4)
    with database.write() as session:
        publishers.add(session, public_url=f"https://{host}.example", organisation=EXAMPLESHIRE, now=NOW)
        desk = writes.Desk(session, publishers.node_id(f"https://{host}.example"), NOW)
        body = orjson.dumps({"reference": "\N{GRINNING FACE}" * 200, "title": "Bins"})
        with pytest.raises(Invalid) as refused:
            writes.create(desk, PUBLISHER, "contract", body)
        assert log.latest(session) == 1
        short = orjson.dumps({"reference": "\N{GRINNING FACE}" * 150, "title": "Bins"})
        assert len(writes.create(desk, PUBLISHER, "contract", short).id) <= 2600
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.rule, fault.message) == ("/reference", "id", "The reference is too long for an id.")
    assert fault.expected == "a reference that makes an id of at most 2600 characters"
