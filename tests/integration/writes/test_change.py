"""PUT, PATCH and DELETE at a record's id."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from federation import keys, publishers, writes
from federation.database import WriteSession
from federation.erasure import REST
from federation.identity import WELL_KNOWN, prefixes_of, read_manifest
from federation.writes import merge_patch
from schema.errors import Conflict
from tests.integration.writes.conftest import Moot
from tests.services import NODE, NOW, PREFIX, PUBLISHER

WHERE = f"{PREFIX}contract/EXA-C-1"
ORGANISATION = f"{PREFIX}organisation/GB-LAE-EXA"


def test_replacing_needs_the_current_version(moot: Moot, contract: dict[str, Any]) -> None:
    """428 without If-Match, 412 with a stale or weak one, 200 with the current; then the old one is stale."""
    token = moot.token()
    first = moot.post(token, contract).headers["etag"]
    changed = {**contract, "title": "Planning and building control"}
    assert moot.call("PUT", WHERE, token, changed).status_code == 428
    assert moot.call("PUT", WHERE, token, changed, If_Match='"999-x"').status_code == 412
    assert moot.call("PUT", WHERE, token, changed, If_Match=f"W/{first}").status_code == 412
    done = moot.call("PUT", WHERE, token, changed, If_Match=first)
    assert (done.status_code, done.json()["data"]) == (200, changed)
    assert done.headers["etag"] != first
    assert moot.call("PUT", WHERE, token, contract, If_Match=first).status_code == 412


def test_equal_data_is_no_change(moot: Moot, contract: dict[str, Any]) -> None:
    """A PUT of what is there already gives 200 and no new change number."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    before = moot.latest()
    spaced = orjson.dumps(contract, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    said = moot.call("PUT", WHERE, token, spaced, If_Match=tag)
    assert (said.status_code, said.headers["etag"], moot.latest()) == (200, tag, before)


@pytest.mark.parametrize("relation", ["own", "unofficial"])
def test_a_write_is_answered_as_a_read_is(moot: Moot, contract: dict[str, Any], relation: str) -> None:
    """Body and tag of a POST, PUT or PATCH are those of a GET: with what the signature says, and with marks."""
    with moot.services.database.write() as session:
        keys.new(session, node=NODE + WELL_KNOWN, now=NOW)
        publishers.change(session, PUBLISHER, public_url=NODE, members={}, now=NOW, relation=relation)
    token = moot.token()
    said = moot.post(token, contract)
    for method, change in (("PUT", {**contract, "title": "Planning"}), ("PATCH", {"title": "Building control"})):
        assert said.json()["signature"] == "valid"
        assert said.json().get("marks", []) == [relation] * (relation == "unofficial")
        assert _read(moot) == (said.content, said.headers["etag"])
        said = moot.call(method, WHERE, token, change, If_Match=said.headers["etag"])
    assert _read(moot) == (said.content, said.headers["etag"])


def _read(moot: Moot) -> tuple[bytes, str]:
    read = moot.http.get(WHERE)
    return read.content, read.headers["etag"]


def test_id_and_body_must_agree(moot: Moot, contract: dict[str, Any]) -> None:
    """A body with another reference than the id's is 422 at /reference, for PUT and for PATCH."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    put = moot.call("PUT", WHERE, token, {**contract, "reference": "EXA-C-2"}, If_Match=tag)
    patch = moot.call("PATCH", WHERE, token, {"reference": "EXA-C-2"}, If_Match=tag)
    for said in (put, patch):
        assert (said.status_code, said.json()["errors"][0]["pointer"]) == (422, "/reference")


def test_a_merge_patch_changes_what_it_names(moot: Moot, contract: dict[str, Any]) -> None:
    """Null takes a member out, an object merges, what is not named stays (RFC 7396)."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    patch = {"endDate": None, "value": {"amount": 130000.5}, "department": "Place"}
    said = moot.call("PATCH", WHERE, token, patch, If_Match=tag)
    expected = {k: v for k, v in contract.items() if k != "endDate"}
    expected |= {"value": {"amount": 130000.5, "currency": "GBP"}, "department": "Place"}
    assert (said.status_code, said.json()["data"]) == (200, expected)


@pytest.mark.parametrize("patch", [{"title": None}, {"value": {"amount": "much"}}, [], "x", 5])
def test_a_patch_that_breaks_the_schema_changes_nothing(moot: Moot, contract: dict[str, Any], patch: Any) -> None:
    """What the patched record would be is judged as a whole: 422, and the record stays."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    assert moot.call("PATCH", WHERE, token, patch, If_Match=tag).status_code == 422
    entry = moot.entry(WHERE)
    assert entry is not None
    assert entry.data == orjson.dumps(contract)


def test_a_patch_says_its_media_type(moot: Moot, contract: dict[str, Any]) -> None:
    """Plain JSON is no merge patch: 415, and Accept-Patch says what is."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    said = moot.call("PATCH", WHERE, token, {}, If_Match=tag, Content_Type="application/json")
    assert (said.status_code, said.headers["accept-patch"]) == (415, "application/merge-patch+json")


def test_a_deleted_record_leaves_a_tombstone_with_its_reason(moot: Moot, contract: dict[str, Any]) -> None:
    """DELETE answers 204; the id then answers 410 with the reason; a second DELETE is 410 too."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    assert moot.call("DELETE", f"{WHERE}?reason=ended", token).status_code == 428
    assert moot.call("DELETE", f"{WHERE}?reason=ended", token, If_Match=tag).status_code == 204
    gone = moot.http.get(WHERE)
    assert (gone.status_code, gone.json()["reason"]) == (410, "ended")
    assert moot.call("DELETE", f"{WHERE}?reason=ended", token, If_Match=tag).status_code == 410
    refused = moot.call("PUT", WHERE, token, contract, If_Match=tag)
    assert refused.status_code == 410
    assert (refused.json()["origin"], "movedTo" in refused.json()) == (gone.json()["origin"], False)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?reason=",
        "?reason=dropped",
        "?reason=moved",
        "?reason=ended&movedTo=https://x.example/id",
        "?reason=moved&movedTo=x",
    ],
)
def test_a_deletion_says_a_reason_that_a_publisher_may_give(moot: Moot, contract: dict[str, Any], query: str) -> None:
    """The reason is one of five, `moved` and only that names the new id; else 422 and the record stays."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    assert moot.call("DELETE", WHERE + query, token, If_Match=tag).status_code == 422
    assert moot.http.get(WHERE).status_code == 200


def test_a_moved_record_says_where(moot: Moot, contract: dict[str, Any]) -> None:
    """The tombstone of a moved record carries its new id."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    there = "https://moot.wessex.example/id/GB-LAE-WES/contract/1"
    assert moot.call("DELETE", f"{WHERE}?reason=moved&movedTo={there}", token, If_Match=tag).status_code == 204
    assert moot.http.get(WHERE).json()["movedTo"] == there


def test_personal_data_leaves_no_trace(moot: Moot, contract: dict[str, Any]) -> None:
    """Erasure purges the record's history and the answers stored for its keys; a repeat is told 410."""
    token = moot.token()
    secret = {**contract, "title": "Care of Ann Invented"}
    tag = moot.post(token, secret, Idempotency_Key="k1").headers["etag"]
    tag = moot.call("PUT", WHERE, token, {**secret, "department": "Care"}, If_Match=tag, Idempotency_Key="k2").headers[
        "etag"
    ]
    assert moot.call("DELETE", f"{WHERE}?reason=personal-data", token, If_Match=tag).status_code == 204
    with moot.services.database.read() as session:
        for table, column in (("history", "data"), ("idempotency", "body"), ("record", "data")):
            cells = session.connection().execute(text(f"SELECT {column} FROM {table}")).scalars()  # noqa: S608
            assert not [cell for cell in cells if cell and b"Invented" in bytes(cell)], table
    assert moot.post(token, secret, Idempotency_Key="k1").status_code == 410


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_unused_space_is_written_over_as_the_guide_says(moot: Moot, contract: dict[str, Any]) -> None:
    """The words for SQLite in docs/host-a-node.md leave nothing of an erased record in the files of a server."""
    guide = (Path(__file__).parents[3] / "docs" / "host-a-node.md").read_text()
    words = re.search(r'sqlite3 \S+ "(VACUUM[^"]*)"', guide)
    assert words is not None
    token, secret = moot.token(), {**contract, "title": "Care of Ann Invented"}
    moot.post(token, secret)
    moot.call("DELETE", f"{WHERE}?reason=personal-data", token, If_Match="*")
    file = Path(moot.services.database.reader.url.database or "")
    files = (file, file.with_name(f"{file.name}-wal"))
    assert any(b"Ann Invented" in one.read_bytes() for one in files)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        for statement in words[1].split(";"):
            other.execute(statement).fetchall()
    assert not any(b"Ann Invented" in one.read_bytes() for one in files)


def test_what_is_withdrawn_can_be_withdrawn_as_personal_data(moot: Moot, contract: dict[str, Any]) -> None:
    """A tombstone of another reason gives way to `personal-data` once, guarded, keyed and audited as any deletion."""
    token = moot.token()
    tag = moot.post(token, {**contract, "title": "Care of Ann Invented"}, Idempotency_Key="k1").headers["etag"]
    assert moot.call("DELETE", f"{WHERE}?reason=withdrawn", token, If_Match=tag).status_code == 204
    again, before = f"{WHERE}?reason=personal-data", moot.latest()
    assert moot.call("DELETE", again, token).status_code == 428
    assert moot.call("DELETE", again, token, If_Match=tag).status_code == 412
    assert moot.call("DELETE", f"{WHERE}?reason=error", token, If_Match="*").status_code == 410
    assert moot.call("PUT", WHERE, token, contract, If_Match="*").status_code == 410
    assert moot.latest() == before
    for _ in range(2):
        assert moot.call("DELETE", again, token, If_Match="*", Idempotency_Key="k2").status_code == 204
    assert moot.latest() == before + 1
    assert moot.http.get(WHERE).json()["reason"] == "personal-data"
    with moot.services.database.read() as session:
        for table, column in (("history", "data"), ("idempotency", "body"), ("record", "data")):
            cells = session.connection().execute(text(f"SELECT {column} FROM {table}")).scalars()  # noqa: S608
            assert not [cell for cell in cells if cell and b"Invented" in bytes(cell)], table
        told = text("SELECT number FROM audit WHERE action = 'delete' ORDER BY id")
        assert session.connection().execute(told).scalars().all() == [before, before + 1]
    assert moot.call("DELETE", again, token, If_Match="*").status_code == 410


def test_what_was_withdrawn_as_personal_data_rests_for_a_day(moot: Moot, contract: dict[str, Any]) -> None:
    """Published again sooner it would hide its withdrawal from who has not called since: 409, with the time."""
    token = moot.token()
    moot.post(token, {**contract, "title": "Care of Ann Invented"})
    assert moot.call("DELETE", f"{WHERE}?reason=personal-data", token, If_Match="*").status_code == 204
    said = moot.post(token, contract)
    assert said.status_code == 409
    assert "It can be published again from 2026-11-03T09:00:00Z on" in said.json()["detail"]
    assert moot.post(token, {**contract, "reference": "EXA-C-1a"}).status_code == 201
    body = orjson.dumps(contract)
    with moot.services.database.write() as session:
        with pytest.raises(Conflict):
            writes.create(_desk(moot, session, NOW + REST - timedelta(seconds=1)), "GB-LAE-EXA", "contract", body)
        old = orjson.dumps({**contract, "title": "Care of Ann Invented"})
        with pytest.raises(Conflict, match="This is what was withdrawn"):
            writes.create(_desk(moot, session, NOW + REST), "GB-LAE-EXA", "contract", old)
        assert writes.create(_desk(moot, session, NOW + REST), "GB-LAE-EXA", "contract", body).data is not None
    for method, change in (("PUT", orjson.loads(old)), ("PATCH", {"title": "Care of Ann Invented"})):
        said = moot.call(method, WHERE, token, change, If_Match="*")
        assert (said.status_code, "This is what was withdrawn" in said.json()["detail"]) == (409, True)
    assert moot.call("PATCH", WHERE, token, {"title": "Care"}, If_Match="*").status_code == 200


def _desk(moot: Moot, session: WriteSession, now: datetime) -> writes.Desk:
    return writes.Desk(session, moot.services.node, now)


def test_the_organisation_record_changes_but_stays(moot: Moot) -> None:
    """PATCH changes it, another identifier is 422, DELETE is 409: a feed is never empty."""
    token = moot.token(kinds=["organisation"])
    tag = moot.http.get(ORGANISATION, headers={"Accept": "application/json"}).headers["etag"]
    done = moot.call("PATCH", ORGANISATION, token, {"url": "https://new.exampleshire.example/"}, If_Match=tag)
    assert done.status_code == 200
    tag = done.headers["etag"]
    other = {"identifiers": [{"scheme": "GB-LAE", "id": "NEW"}]}
    assert moot.call("PATCH", ORGANISATION, token, other, If_Match=tag).status_code == 422
    assert moot.call("DELETE", f"{ORGANISATION}?reason=error", token, If_Match=tag).status_code == 409


@pytest.mark.parametrize("first", [{"scheme": "X", "id": "a b"}, {"scheme": "GB-COH", "id": "01234567"}])
def test_whatever_a_record_names_first_the_manifest_names_the_publisher(moot: Moot, first: dict[str, str]) -> None:
    """No publisher's own record can make the node's manifest unreadable, or its prefix another's."""
    token = moot.token(kinds=["organisation"])
    tag = moot.http.get(ORGANISATION, headers={"Accept": "application/json"}).headers["etag"]
    identifiers = {"identifiers": [first, {"scheme": "GB-LAE", "id": "EXA"}]}
    assert moot.call("PATCH", ORGANISATION, token, identifiers, If_Match=tag).status_code == 200
    manifest = read_manifest(moot.http.get(WELL_KNOWN).content, NODE + WELL_KNOWN)
    assert prefixes_of(manifest)[PREFIX] == "GB-LAE-EXA"
    (told,) = [one for one in manifest.publishers if one.id_prefix == PREFIX]
    assert len(told.identifiers) == 2


@pytest.mark.parametrize("path", ["contract/none", "contract/%FF", "contract/a/b", "nokind/x", "contract/..%2F"])
def test_what_is_not_there_is_not_found(moot: Moot, path: str) -> None:
    """An id that was never published is 404, in whatever shape it comes."""
    assert moot.call("PUT", f"{NODE}/id/GB-LAE-EXA/{path}", moot.token(), {}, If_Match="*").status_code == 404


def test_of_writers_with_the_same_version_one_wins(moot: Moot, contract: dict[str, Any]) -> None:
    """Twenty PUTs at once with one If-Match: one 200, nineteen 412, one change."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    before = moot.latest()

    def put(turn: int) -> int:
        said = moot.call("PUT", WHERE, token, {**contract, "title": f"Version {turn}"}, If_Match=tag)
        return int(said.status_code)

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(put, range(20)))
    assert statuses == [200] + [412] * 19
    assert moot.latest() == before + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
)


@given(JSON, JSON)
def test_a_merge_patch_applied_twice_is_applied_once(target: Any, patch: Any) -> None:
    """Merging is idempotent, and leaves no null where the patch merges objects."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def test_merge_patch_does_what_the_rfc_shows() -> None:
    """The cases of RFC 7396, appendix A."""
    cases: list[tuple[Any, Any, Any]] = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for target, patch, expected in cases:
        assert merge_patch(target, patch) == expected
