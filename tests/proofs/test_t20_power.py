"""T20: the power goes at any moment of a write: the database opens, and all that was acknowledged is there.

How close to the application: `federation.database.Database` itself, its SQLAlchemy engines with their pragmas and
`BEGIN IMMEDIATE`, and `federation.log.append` write, on SQLite's own code in WAL mode. Beneath them apsw takes the
place of Python's `sqlite3` module (`tests/proofs/apsw_driver.py`) and a made-up disk the place of the real one
(`tests/proofs/power.py`). After the cut the files are read with the ordinary driver.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from sqlalchemy import create_engine, event, text

import migrations
from federation import database, log, publishers
from federation.database import Database
from tests.proof import figure, sized
from tests.proofs import apsw_driver
from tests.proofs.power import Power
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER

pytestmark = [pytest.mark.proof]
CUTS = sized(300, 2_000)
NORMAL_CUTS = sized(100, 100)
Acknowledged = dict[str, int]
"""By id, the number under which a record was acknowledged last."""


@pytest.fixture
def clean(tmp_path: Path) -> bytes:
    """Give the file of a database that publishes for one body."""
    path = tmp_path / "clean.db"
    migrations.upgrade(f"sqlite:///{path}")
    base = Database(f"sqlite:///{path}")
    with base.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    base.dispose()
    return path.read_bytes()


def _on_apsw(monkeypatch: pytest.MonkeyPatch, vfs: str, synchronous: str) -> None:
    """Let `Database` open its files through a VFS; with another `synchronous`, to show what that costs."""

    def create(url: str, **options: Any) -> Any:
        return create_engine(url, module=apsw_driver.module(vfs), **options)

    monkeypatch.setattr(database, "create_engine", create)
    if synchronous == "FULL":
        return
    prepare = database._prepare_sqlite

    def weaker(engine: Any, *, readonly: bool) -> None:
        prepare(engine, readonly=readonly)

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA synchronous={synchronous}")

    monkeypatch.setattr(database, "_prepare_sqlite", weaker)


def _write_until_dark(base: Database, chance: random.Random) -> tuple[Acknowledged, Acknowledged]:
    """Publish, change and withdraw until the power goes; gives what was acknowledged, and what was under way."""
    known: Acknowledged = {}
    for turn in range(10_000):
        drafts = []
        for reference in chance.sample(range(40), chance.randint(1, 6)):
            data = orjson.dumps({"reference": f"C-{reference}", "title": f"{turn} " + "x" * chance.randint(1, 3_000)})
            gone = chance.random() < 0.1
            drafts.append(
                log.Draft(f"{PREFIX}contract/C-{reference}", "contract", PUBLISHER, None if gone else data, "ended")
            )
        numbers: Acknowledged = {}
        try:
            with base.write() as session:
                numbers = log.append(session, drafts, node=f"{NODE}/.well-known/folkmoot", now=NOW).numbers
        except Exception:  # noqa: BLE001 - the dark comes in many forms
            return known, numbers
        known |= numbers
    raise AssertionError("the power never went")


def _moment(chance: random.Random) -> int:
    """After how many writes and syncs the power goes: some come early, some amid the log's return to the database."""
    return chance.randint(20, 900) if chance.random() < 0.9 else chance.randint(900, 6_000)


def _cut(
    clean: bytes, folder: Path, cut: int, monkeypatch: Callable[[], Any], synchronous: str = "FULL"
) -> tuple[int, bool, bool]:
    """Cut once. Gives how many acknowledged writes are lost, whether the file is sound, whether a write is in part."""
    chance = random.Random(f"{synchronous}{cut}")
    path = folder / f"{synchronous}-{cut}.db"
    path.write_bytes(clean)
    power = Power(f"power-{synchronous}-{cut}", _moment(chance), chance)
    with monkeypatch() as patch:
        _on_apsw(patch, power.name, synchronous)
        base = Database(f"sqlite:///{path}")
        known, under_way = _write_until_dark(base, chance)
        with suppress(Exception):
            base.dispose()
    del base
    gc.collect()
    power.restore()
    power.unregister()
    return _found(path, known, under_way)


def _found(path: Path, known: Acknowledged, under_way: Acknowledged) -> tuple[int, bool, bool]:
    """Open the file as the application does and look at what is there."""
    opened = Database(f"sqlite:///{path}")
    try:
        with opened.read() as session:
            sound = session.connection().execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            held = {entry.id: entry.number for entry in log.after(session, 0, limit=10_000)}
            latest = log.latest(session)
    except Exception as error:  # noqa: BLE001
        print(f"{path.name} does not open: {error}")
        return len(known), False, False
    finally:
        opened.dispose()
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
    lost = sum(held.get(name, 0) < number for name, number in known.items())
    landed = [held.get(name) == number for name, number in under_way.items()]
    return lost, sound and latest >= max(held.values()), any(landed) and not all(landed)


def test_t20_what_was_acknowledged_survives_the_cut(
    clean: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no cut is an acknowledged write lost, a database broken, or a transaction there in part."""
    lost = broken = parts = 0
    for cut in range(CUTS):
        missing, sound, part = _cut(clean, tmp_path, cut, monkeypatch.context)
        lost, broken, parts = lost + missing, broken + (not sound), parts + part
    on = f"{CUTS:,} power cuts (WAL, synchronous=FULL, SQLite {apsw.sqlite_lib_version()})"
    figure(
        "T20",
        f"{on}: acknowledged writes lost / databases broken / transactions in part",
        f"{lost} / {broken} / {parts}",
        goal="0 / 0 / 0",
    )
    assert (lost, broken, parts) == (0, 0, 0)


def test_t20_the_cut_would_be_felt(clean: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With synchronous=NORMAL the same disk loses acknowledged writes: what FULL is there for."""
    results = [_cut(clean, tmp_path, cut, monkeypatch.context, "NORMAL") for cut in range(NORMAL_CUTS)]
    felt = sum(missing > 0 for missing, _sound, _part in results)
    figure(
        "T20",
        f"{NORMAL_CUTS} power cuts with synchronous=NORMAL instead: cuts that lost acknowledged writes",
        felt,
        goal="above 0: the simulator bites",
    )
    assert felt > NORMAL_CUTS // 4
    assert all(sound for _missing, sound, _part in results)
