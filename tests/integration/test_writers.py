"""Writers of one process wait in line: each has its turn, and whoever fails lets the next one in."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

import migrations
from federation import database as room
from federation.database import Database, DatabaseFault, WriteSession

_RAISE = text("UPDATE counter SET n = n + 1")


def _raise(session: WriteSession) -> None:
    session.connection().execute(_RAISE)


def _held(base: Database) -> int:
    with base.read() as session:
        return int(session.connection().execute(text("SELECT n FROM counter")).scalar_one())


def test_every_writer_has_its_turn(database: Database) -> None:
    """Of many that write at once, some of which fail on the way, each that did not fail is there."""

    def write(number: int) -> None:
        with suppress(ZeroDivisionError), database.write() as session:
            _raise(session)
            if number % 3 == 0:
                raise ZeroDivisionError

    before = _held(database)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, range(90)))
    assert _held(database) == before + 60


def test_who_waits_in_line_is_let_in_by_who_leaves(database: Database) -> None:
    """A session that wrote nothing holds nobody up; one that wrote does so until it ends, well or not."""
    inside, leave, done = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with suppress(ZeroDivisionError), database.write() as session:
            _raise(session)
            inside.set()
            assert leave.wait(20)
            raise ZeroDivisionError

    def second() -> None:
        with database.write(), database.write() as session:  # the outer one asks for nothing
            _raise(session)
        done.set()

    before, threads = _held(database), [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(20)
    threads[1].start()
    assert not done.wait(0.3)
    leave.set()
    assert done.wait(20)
    for thread in threads:
        thread.join()
    assert _held(database) == before + 1


def test_who_is_refused_by_another_process_leaves_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another holds is `database is locked` when the time is up, and the next writer finds it free."""
    monkeypatch.setattr(room, "BUSY_SECONDS", 0.2)
    url = f"sqlite:///{tmp_path / 'f.db'}"
    migrations.upgrade(url)
    base, other = Database(url), sqlite3.connect(tmp_path / "f.db", isolation_level=None)
    try:
        before = _held(base)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(DatabaseFault, match="locked"), base.write() as session:
                _raise(session)
        other.execute("ROLLBACK")
        with base.write() as session:
            _raise(session)
        assert _held(base) == before + 1
    finally:
        other.close()
        base.dispose()
