"""T18: the indexer killed at any instant leaves an index that the log brings to the truth: 0 differences."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from federation import log, publishers
from federation.database import Database
from folkmoot.commands import index
from tests.proof import figure, sized
from tests.proofs import chaos, hatched
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER
from tests.waiting import until

pytestmark = [pytest.mark.proof]
KILLS = max(2, sized(200, 400) // 2)
"""On each of the two databases."""
REFERENCES, BATCH = 3_000, 40


def _draft(reference: int, title: str, *, gone: bool) -> log.Draft:
    data = None if gone else orjson.dumps({"reference": f"C-{reference}", "title": title})
    return log.Draft(f"{PREFIX}contract/C-{reference}", "contract", PUBLISHER, data, "ended" if gone else None)


def _write(url: str, done: threading.Event) -> None:
    """Publish, change and withdraw contracts without end."""
    base, chance, turn = Database(url), random.Random(18), 0
    while not done.wait(0.02):
        turn += 1
        chosen = chance.sample(range(REFERENCES), BATCH)
        drafts = [_draft(one, f"Grounds maintenance {turn}", gone=chance.random() < 0.15) for one in chosen]
        with base.write() as session:
            log.append(session, drafts, node=f"{NODE}/.well-known/folkmoot", now=NOW)
    base.dispose()


def _reached(folder: Path) -> int:
    """How far the last commit of an indexer came; 0 before the first."""
    path = folder / "reached"
    return int(path.read_text()) if path.exists() else 0


def test_t18_an_index_survives_any_kill(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After kill -9 of the indexer at random instants while changes are written, verify finds nothing."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    folder, chance, done = tmp_path / "data" / "index", random.Random(81), threading.Event()
    writer = threading.Thread(target=_write, args=(database_url, done), daemon=True)
    writer.start()
    commits = {0}
    try:
        within = 0.25
        for _ in range(KILLS):
            process = chaos.forked(hatched.follow, database_url, str(folder), str(tmp_path / "reached"))
            time.sleep(chance.uniform(0.0, within))
            chaos.killed(process)
            came = _reached(tmp_path)
            # However busy the machine is, about half of them shall live to see a commit.
            within = min(within * 1.3, 10.0) if came in commits else max(within * 0.8, 0.1)
            commits.add(came)
    finally:
        done.set()
        writer.join()
    with database.read() as session:
        latest = log.latest(session)
    process = chaos.forked(hatched.follow, database_url, str(folder), str(tmp_path / "reached"))
    try:
        until(lambda: _reached(tmp_path) == latest, 60, "the index has caught up")
    finally:
        chaos.killed(process)
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path / "data"))
    told = CliRunner().invoke(index.app, ["verify", "--json"])
    found = orjson.loads(told.stdout)
    on = f"{database.dialect}, {KILLS} kills of the indexer ({len(commits) - 1} after a commit), {latest:,} changes"
    figure("T18", f"{on}: differences found by index verify", found["differences"], goal="0")
    assert (told.exit_code, found["differences"]) == (0, 0), found
    assert sum(found["records"].values()) > BATCH
    assert len(commits) > 1, "no indexer ever came to a commit: the kills were all too early"
