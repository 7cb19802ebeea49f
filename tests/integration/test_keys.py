"""This node's own keys: what is signed, when a key appears, rotation and revocation, by call and by command."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from federation import keys, log, publishers, signing
from federation.database import Database, table
from federation.sign import Ring, payload
from folkmoot.commands import keys as command
from schema.change import Item, check_page, read_item
from schema.errors import Conflict, Misconfigured, NotFound
from schema.tables import Audit, History, SigningKey
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER

NODE_ID = f"{NODE}/.well-known/folkmoot"


def _start(database: Database, *, sign: bool) -> None:
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW, sign=sign)


def _append(database: Database, reference: str, *, reason: str | None = None) -> None:
    data = None if reason else orjson.dumps({"reference": reference, "title": "A title", "value": {"amount": 12000.0}})
    draft = log.Draft(f"{PREFIX}contract/{reference}", "contract", PUBLISHER, data, reason)
    with database.write() as session:
        log.append(session, [draft], node=NODE_ID, now=NOW)


def _items(database: Database) -> list[Item]:
    with database.read() as session:
        page = log.page(session, 0, public_url=NODE, epoch="e", license_url="https://example.org/licence")
    return [read_item(raw) for raw in check_page(page.body, f"{NODE}/v1/changes?afterChangeNumber=0").items]


def _states(database: Database) -> list[str]:
    """What a reader makes of each item, by the keys of the manifest."""
    with database.read() as session:
        ring = Ring(signing.published(session))
    return [_state(ring, item) for item in _items(database)]


def _state(ring: Ring, item: Item) -> str:
    said = payload(
        record_id=item.id,
        kind=item.kind,
        data=item.data,
        reason=item.reason,
        moved_to=item.moved_to,
        origin=item.origin_bytes,
    )
    return ring.judge(item.origin.sig, said, item.origin.time)


def _shown(database: Database) -> list[dict[str, Any]]:
    with database.read() as session:
        return signing.published(session)


def test_a_new_node_signs_from_the_first_change_on(database: Database) -> None:
    """The organisation record, records and tombstones all bear a signature that the manifest's key verifies."""
    _start(database, sign=True)
    _append(database, "C-1")
    _append(database, "C-2")
    _append(database, "C-2", reason="ended")
    assert _states(database) == ["valid"] * 3
    assert [key["kid"] for key in _shown(database)] == [f"{NOW:%Y}-1"]


def test_a_node_may_sign_nothing(database: Database) -> None:
    """Where signing is off, nothing bears a signature and the manifest names no key."""
    _start(database, sign=False)
    _append(database, "C-1")
    assert (_states(database), _shown(database)) == (["absent"] * 2, [])


def test_a_first_key_says_everything_again(database: Database) -> None:
    """`keys new` signs each live record and tombstone under a new number, before the key is shown, without history."""
    _start(database, sign=False)
    for reference in ("C-1", "C-2"):
        _append(database, reference)
    _append(database, "C-2", reason="error")
    before = _items(database)
    with database.write() as session:
        signer, changes = keys.new(session, node=NODE_ID, now=NOW)
    after = _items(database)
    assert (changes, signer.kid, _states(database)) == (3, f"{NOW:%Y}-1", ["valid"] * 3)
    assert [item.id for item in after] == [item.id for item in before]
    assert min(item.modified for item in after) > max(item.modified for item in before)
    assert [item.origin.seq for item in after] == [item.modified for item in after]
    with database.read() as session:
        kept = session.connection().execute(select(func.count()).select_from(table(History))).scalar_one()
    assert kept == 1  # the contract before it was withdrawn
    with database.write() as session, pytest.raises(Conflict, match="signs already"):
        keys.new(session, node=NODE_ID, now=NOW)


def test_a_rotation_keeps_what_was_signed(database: Database) -> None:
    """The old key endorses the new one and retires; its signatures hold, its private part is gone."""
    _start(database, sign=True)
    _append(database, "C-1")
    with database.write() as session:
        old, signer = keys.rotate(session, now=NOW)
    _append(database, "C-2")
    first, second = _shown(database)
    assert (first["kid"], second["kid"], "exp" in first, "exp" in second) == (old, signer.kid, True, False)
    assert Ring([{name: value for name, value in first.items() if name != "exp"}]).endorses(second)
    assert _states(database) == ["valid"] * 3
    with database.read() as session:
        seeds = session.connection().execute(select(table(SigningKey).c.seed).order_by("kid")).scalars().all()
    assert [seed is None for seed in seeds] == [True, False]


def test_a_revocation_signs_all_again(database: Database) -> None:
    """A key that is revoked verifies nothing; all is said again under one that nobody's stolen key could endorse."""
    _start(database, sign=True)
    _append(database, "C-1")
    with database.write() as session:
        stolen = keys.signs(session)
        assert stolen is not None
        signer, changes = keys.revoke(session, stolen, "stolen", node=NODE_ID, now=NOW)
    first, second = _shown(database)
    assert (first["reason"], "revoked" in first, "endorsement" in second, changes) == ("stolen", True, False, 2)
    assert (second["kid"], _states(database)) == (signer.kid, ["valid"] * 2)
    with database.read() as session:
        log_of_writes = table(Audit).c
        rows = session.connection().execute(select(log_of_writes.action, log_of_writes.record))
        noted = [(row.action, row.record) for row in rows]
    kept = [one for one in noted if one[0].startswith("keys.")]
    assert kept == [("keys.new", stolen), ("keys.revoke", stolen), ("keys.new", signer.kid)]
    with database.write() as session, pytest.raises(Conflict, match="revoked already"):
        keys.revoke(session, stolen, "again", node=NODE_ID, now=NOW)
    with database.write() as session, pytest.raises(NotFound):
        keys.revoke(session, "none", "x", node=NODE_ID, now=NOW)


def test_nothing_to_rotate(database: Database) -> None:
    """A node without a key is told how to make one."""
    _start(database, sign=False)
    with database.write() as session, pytest.raises(NotFound, match="folkmoot keys new"):
        keys.rotate(session, now=NOW)


def test_keys_by_command(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """new, list, rotate and revoke say what they did, and never show a private part."""
    _start(database, sign=False)
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", NODE)
    run = CliRunner()
    assert "not signed" in run.invoke(command.app, ["list"]).output
    made = run.invoke(command.app, ["new"])
    assert (made.exit_code, "1 change signed" in made.output) == (0, True)
    assert "stays good" in run.invoke(command.app, ["rotate"]).output
    shown = orjson.loads(run.invoke(command.app, ["list", "--json"]).output)
    assert [key["state"] for key in shown] == ["retired", "active"]
    assert {name for key in shown for name in key} == {"kid", "thumbprint", "state", "since", "until"}
    revoked = run.invoke(command.app, ["revoke", shown[1]["kid"], "--reason", "lost"])
    assert "its operator confirms it" in " ".join(revoked.output.split())
    assert run.invoke(command.app, ["list"]).output.count("\n") == 3


def test_keys_of_another_public_url(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is signed as the word of a node under whose address nothing was published."""
    _start(database, sign=False)
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", "https://moved.example")
    refused = CliRunner().invoke(command.app, ["new"]).exception
    assert isinstance(refused, Misconfigured)
    assert refused.detail.startswith(f"This node has published as {NODE}, and FOLKMOOT_PUBLIC_URL is https://moved")
    assert _states(database) == ["absent"]
