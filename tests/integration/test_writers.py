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


def test_writers_meet_in_line_and_not_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite's own lock would refuse at once, a second writer of this process still has its turn."""
    monkeypatch.setattr(room, "BUSY_SECONDS", 0)
    url = f"sqlite:///{tmp_path / 'f.db'}"
    migrations.upgrade(url)
    base = Database(url)
    monkeypatch.setattr(room, "BUSY_SECONDS", 20)
    before, inside = _held(base), threading.Event()

    def second() -> None:
        assert inside.wait(20)
        with base.write() as session:
            _raise(session)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with base.write() as session:
            _raise(session)
            inside.set()
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        waiting.result(20)
    assert _held(base) == before + 2
    base.dispose()


def test_who_waits_too_long_is_told_that_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that never ends holds the others up for their time and no longer, and the line goes on after it."""
    monkeypatch.setattr(room, "BUSY_SECONDS", 0.2)
    url = f"sqlite:///{tmp_path / 'f.db'}"
    migrations.upgrade(url)
    base = Database(url)

    def second() -> None:
        with base.write() as session:
            _raise(session)

    with ThreadPoolExecutor(1) as pool:
        with base.write() as session:
            _raise(session)
            with pytest.raises(DatabaseFault, match="locked"):
                pool.submit(second).result(20)
        pool.submit(second).result(20)
    base.dispose()


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
        monkeypatch.setattr(room, "BUSY_SECONDS", 0)  # nobody may be in the line now
        with base.write() as session:
            _raise(session)
        assert _held(base) == before + 1
    finally:
        other.close()
        base.dispose()
