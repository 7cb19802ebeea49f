"""The audit log: every write is noted with who did it, in the transaction that did it, without content."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.testing import capture_logs

from federation import audit, importer, publishers, register, tokens
from federation.database import Database
from federation.wishes import File, Wish
from schema.tables import Audit
from tests.integration.writes.conftest import OTHER, Moot
from tests.services import NODE, NOW, PREFIX, PUBLISHER

WHERE = f"{PREFIX}contract/EXA-C-1"


def rows(database: Database) -> list[Audit]:
    """Give the whole log."""
    with database.read() as session:
        return list(audit.every(session))


def sha256(data: Any) -> str:
    """Give the digest of a record's data as it is stored."""
    return hashlib.sha256(orjson.dumps(data)).hexdigest()


def test_every_write_through_the_api_is_noted(moot: Moot, contract: dict[str, Any]) -> None:
    """Create, replace, patch and delete each leave one row: who, what, digests before and after, which request."""
    token, known = moot.token(), len(rows(moot.services.database))
    tag = moot.post(token, contract, X_Request_ID="request-one").headers["etag"]
    changed = {**contract, "title": "Planning and building control"}
    tag = moot.call("PUT", WHERE, token, changed, If_Match=tag).headers["etag"]
    tag = moot.call("PATCH", WHERE, token, {"department": "Place"}, If_Match=tag).headers["etag"]
    moot.call("DELETE", f"{WHERE}?reason=ended", token, If_Match=tag)
    made, replaced, patched, deleted = rows(moot.services.database)[known:]
    assert [one.action for one in (made, replaced, patched, deleted)] == ["create", "update", "update", "delete"]
    assert (made.before, made.after, made.request) == (None, sha256(contract), "request-one")
    assert (replaced.before, replaced.after) == (made.after, sha256(changed))
    assert (patched.before, patched.after) == (replaced.after, sha256({**changed, "department": "Place"}))
    assert (deleted.before, deleted.after) == (patched.after, None)
    for one in (made, replaced, patched, deleted):
        assert (one.actor, one.token_id, one.name, one.record, one.kind) == ("token", 1, "a test", WHERE, "contract")
        assert (one.publisher, one.time, len(one.request) >= 8) == (PUBLISHER, NOW, True)


def test_a_token_sent_as_the_name_of_a_request_is_not_kept(moot: Moot, contract: dict[str, Any]) -> None:
    """The log cannot be mended, so what might be a token is no name: a new one is made, and answered with."""
    token = moot.token()
    said = moot.post(token, contract, X_Request_ID=token)
    assert said.status_code == 201
    assert (said.headers["x-request-id"] != token, rows(moot.services.database)[-1].request) == (
        True,
        said.headers["x-request-id"],
    )


def test_what_was_not_done_is_not_noted(moot: Moot, contract: dict[str, Any]) -> None:
    """A refusal, a repeat under one key and equal data leave no row, but for a token that reaches for another's."""
    token = moot.token()
    tag = moot.post(token, contract, Idempotency_Key="one").headers["etag"]
    known = len(rows(moot.services.database))
    assert moot.post(token, contract, Idempotency_Key="one").status_code == 201
    assert moot.call("PUT", WHERE, token, contract, If_Match=tag).status_code == 200
    assert moot.call("PUT", WHERE, token, {"reference": "EXA-C-1"}, If_Match=tag).status_code == 422
    assert moot.post(moot.token(OTHER), contract).status_code == 403
    assert [one.action for one in rows(moot.services.database)[known:]] == ["token.create", "token.barred"]


def test_an_import_is_noted_for_who_asked_for_it(moot: Moot) -> None:
    """Each record of an import through the API is noted for its token and request; one by command for the operator."""
    database, secret = moot.services.database, moot.token()
    body = b"reference,title\nA,One\nB,Two\n"
    path = f"/v1/imports?publisher={PUBLISHER}&kind=contract"
    said = moot.call("POST", path, secret, body, Content_Type="text/csv", X_Request_ID="import-one")
    assert said.status_code == 202
    assert importer.turn(database, node=moot.services.node, now=NOW)
    file = File(b"reference,title\nA,One\n", "a.csv", "contract", PUBLISHER)
    register.run(database, file, Wish(confirm_removals=True), node=moot.services.node, now=NOW)
    told = [(one.action, one.actor, one.token_id, one.request) for one in rows(database) if one.kind == "contract"]
    by_token = ("create", "token", 1, "import-one")
    assert told == [by_token, by_token, ("delete", "operator", None, "")]


def test_what_an_operator_does_is_noted(moot: Moot) -> None:
    """Publishers and tokens that are made, changed, rotated and ended are noted for the account that did it."""
    with moot.services.database.write() as session:
        made = tokens.create(session, publisher=PUBLISHER, name="x", now=NOW)
        new = tokens.rotate(session, made.id, NOW)
        tokens.revoke(session, new.id, NOW)
        publishers.change(session, OTHER, public_url=NODE, members={}, relation="hosted", now=NOW)
    told = [(one.actor, one.action, one.record) for one in rows(moot.services.database) if not one.kind]
    who = audit.operator().name
    assert who
    assert told == [
        ("operator", "publisher.add", f"{PUBLISHER} as own"),
        ("operator", "publisher.add", f"{OTHER} as own"),
        ("operator", "token.create", "token 1"),
        ("operator", "token.rotate", "token 1 to 2"),
        ("operator", "token.revoke", "token 2"),
        ("operator", "publisher.set", f"{OTHER} as hosted"),
    ]
    assert {one.name for one in rows(moot.services.database)} == {who}


def test_t21_a_token_that_reaches_too_far_is_noted_once_an_hour(moot: Moot, contract: dict[str, Any]) -> None:
    """Whose token it was and for what it reached, in the log of its own publisher; what it sent is written nowhere."""
    database, far, narrow = moot.services.database, moot.token(OTHER), moot.token(kinds=["tool"])
    before = moot.latest()
    for to in (PUBLISHER, PUBLISHER, "GB-LAE-ZZZ"):
        assert moot.post(far, contract, to=to).status_code == 403
    assert moot.call("DELETE", WHERE + "?reason=error", narrow, X_Request_ID="reach-far-one").status_code == 403
    told = [one for one in rows(database) if one.action == "token.barred"]
    assert [(one.actor, one.token_id, one.publisher, one.record) for one in told] == [
        ("token", 1, OTHER, f"contract of {PUBLISHER}"),
        ("token", 2, PUBLISHER, f"contract of {PUBLISHER}"),
    ]
    assert told[1].request == "reach-far-one"
    assert moot.latest() == before
    seen = moot.call("GET", "/v1/audit", far).json()["items"]
    assert [one["record"] for one in seen if one["action"] == "token.barred"] == [f"contract of {PUBLISHER}"]
    with database.read() as session:
        error = tokens.OutOfReach(tokens.check(session, far, NOW), "no\x00body", "tool", "x")
        assert all(token.last_used is not None for token in tokens.every(session)), "to be barred is to be used"
    for later, noted in ((timedelta(minutes=59), 2), (timedelta(hours=1), 3), (timedelta(hours=1, minutes=1), 3)):
        with database.write() as session:
            tokens.barred(session, error, NOW + later)
        assert sum(one.action == "token.barred" for one in rows(database)) == noted
    assert rows(database)[-1].record == "tool of what is no publisher"


def test_t21_what_cannot_be_noted_is_barred_all_the_same(
    moot: Moot, contract: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that takes no note, full or locked, changes nothing in the answer."""
    far = moot.token(OTHER)

    def locked(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", None, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(tokens, "barred", locked)
    with capture_logs() as logs:
        assert moot.post(far, contract).status_code == 403
    assert [line["error"] for line in logs if line["event"].endswith("is not noted")] == ["database is locked"]


@pytest.mark.parametrize("change", ["UPDATE audit SET name = 'nobody'", "DELETE FROM audit"])
def test_nothing_in_it_is_ever_changed(moot: Moot, change: str) -> None:
    """The database itself refuses to change a row of the log or to take one out."""
    before = [audit.shown(one) for one in rows(moot.services.database)]
    with pytest.raises(DBAPIError, match="never changed"), moot.services.database.write() as session:
        session.connection().execute(text(change))
    assert [audit.shown(one) for one in rows(moot.services.database)] == before


def test_it_holds_no_content_and_no_token(moot: Moot, contract: dict[str, Any]) -> None:
    """Nothing that a record said, and nothing of a token, stands anywhere in the log."""
    token = moot.token()
    tag = moot.post(token, {**contract, "description": "CANARY-CONTENT"}).headers["etag"]
    moot.call("PATCH", WHERE, token, {"description": "CANARY-AGAIN"}, If_Match=tag)
    told = orjson.dumps([audit.shown(one) for one in rows(moot.services.database)]).decode()
    assert "CANARY" not in told
    assert contract["title"] not in told
    assert token not in told
    assert token[4:20] not in told


def test_a_token_reads_the_log_of_its_own_publisher(moot: Moot, contract: dict[str, Any]) -> None:
    """`GET /v1/audit` gives a token the writes of its publisher and kinds, page by page, and no operator's account."""
    token, other, narrow = moot.token(), moot.token(OTHER), moot.token(kinds=["tool"])
    for number in range(3):
        moot.post(token, {**contract, "reference": f"C-{number}"})
    moot.post(token, {"reference": "T", "name": "PlanRight"}, "tools")
    moot.post(other, {"reference": "X", "name": "Other"}, "tools", to=OTHER)
    items, path = [], "/v1/audit?limit=2"
    while path:
        said = moot.call("GET", path, token).json()
        assert len(said["items"]) <= 2
        items += said["items"]
        path = (said["next"] or "").removeprefix(NODE)
    assert [one["action"] for one in items if one.get("kind") == "contract"] == ["create"] * 3
    assert {one["publisher"] for one in items} == {PUBLISHER}
    assert {one.get("name") for one in items if one["actor"] == "operator"} == {None}
    assert [one["record"] for one in moot.call("GET", "/v1/audit", narrow).json()["items"]] == [f"{PREFIX}tool/T"]
    only = moot.call("GET", f"/v1/audit?record={PREFIX}contract/C-1", token).json()["items"]
    assert [one["record"] for one in only] == [f"{PREFIX}contract/C-1"]
    assert {one["publisher"] for one in moot.call("GET", "/v1/audit", other).json()["items"]} == {OTHER}
    assert moot.call("GET", "/v1/audit", None).status_code == 401
    assert moot.call("GET", "/v1/audit?cursor=x", token).status_code == 422


@pytest.mark.parametrize("more", ["", "&limit=1"])
def test_nothing_was_written_of_an_id_with_a_nul(moot: Moot, contract: dict[str, Any], more: str) -> None:
    """An id that no database takes in a question is one of which nothing is known; what else is asked is judged."""
    token = moot.token()
    moot.post(token, contract)
    said = moot.call("GET", f"/v1/audit?record=%00{more}", token)
    assert (said.status_code, said.json()) == (200, {"items": [], "next": None})
    assert moot.call("GET", "/v1/audit?record=%00&cursor=x", token).status_code == 422
    assert moot.call("GET", "/v1/audit?record=%00", None).status_code == 401
