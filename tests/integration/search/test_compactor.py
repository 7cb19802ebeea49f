"""An index in many parts, or with words of what was withdrawn, is made anew beside the one that serves, apart."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from federation import apart, compact_child, compactor, erasure, log, scan, staging, tantivy_index
from federation.compactor import Compactor
from federation.database import DatabaseFault, Reading, clock
from federation.follow import rebuild
from federation.index import Query, Reached
from federation.search import folder
from federation.staging import Renumbered, Walk
from federation.tantivy_index import TantivyIndex
from federation.verify import verify
from schema.errors import Busy
from tests.integration.search.conftest import World
from tests.integration.search.corpus import NODE, Made, publish, records
from tests.services import NOW
from tests.waiting import until

ASKED = Query(words="parking", facets=("publisher", "cpv"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an index of a few records be large enough."""
    monkeypatch.setattr(tantivy_index, "LEAST", 10)


def parts(index: TantivyIndex) -> int:
    """In how many parts the index lies."""
    return int(index._latest().searcher.num_segments)


def scatter(world: World, name: str = "s", commits: int = 5, each: int = 10) -> None:
    """Publish so many records in so many commits."""
    for number in range(commits):
        more = [replace(one, id=f"{one.id}-{name}{number}") for one in records(Random(f"{name}{number}"), each)]
        publish(world.database, more)
        world.follower.catch_up()


def made_anew(world: World) -> None:
    """Make the index anew, as an operator does."""
    other = TantivyIndex(world.index.root)
    rebuild(world.database, other)
    other.close()
    world.follower.catch_up()


def test_an_index_is_scattered_when_much_came_piece_by_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while its parts are few, nor while fewer than a quarter of its records changed since it was made in one go.

    Another process is told the same, and one that is small never is scattered.
    """
    assert (parts(world.index), world.index.scattered()) == (1, False)
    scatter(world)
    assert (parts(world.index), world.index.scattered()) == (6, True)
    with monkeypatch.context() as large:
        large.setattr(tantivy_index, "LEAST", 10_000)
        assert not world.index.scattered()
    made_anew(world)
    assert (parts(world.index), world.index.scattered()) == (1, False)
    scatter(world, "few", 5, each=5)
    assert (parts(world.index), world.index.scattered()) == (6, False)
    reader = TantivyIndex(world.index.root)
    assert not reader.scattered()  # nothing is known of an index that was never looked at
    reader.refresh()
    assert not reader.scattered()
    scatter(world, "many", 1, each=60)
    reader.refresh()
    assert (reader.scattered(), world.index.scattered()) == (True, True)
    reader.close()


def test_a_note_that_was_torn_is_none(world: World) -> None:
    """An index whose note of its making cannot be read counts as one that came piece by piece."""
    made_anew(world)
    serving = folder.current(world.index.root)
    assert serving is not None
    (serving / "whole").write_text("")
    world.index.close()
    scatter(world, each=1)
    assert world.index.scattered()


def run(world: World, met: Callable[[], object], look: float = 0.05) -> list[Any]:
    """Run the worker until something holds. Gives what it logged."""
    worker = Compactor(world.database, world.index, world.index.root, look=look)

    async def working() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(worker.run(stop))
        await asyncio.to_thread(until, met)
        stop.set()
        await task

    with capture_logs() as told:
        asyncio.run(asyncio.wait_for(working(), 60))
    return [one for one in told if one["log_level"] in ("info", "warning", "error")]


def test_a_scattered_index_is_made_anew_while_it_serves(world: World) -> None:
    """The same is found before and after, one part is left, and the server goes on writing to the new folder."""
    scatter(world)
    before, serving = world.index.search(ASKED), folder.current(world.index.root)

    def done() -> bool:
        assert world.index.search(ASKED).count == before.count
        world.follower.catch_up()
        return folder.current(world.index.root) != serving

    told = run(world, done)
    world.follower.catch_up()
    assert not [one for one in told if one["log_level"] != "info"]
    assert parts(world.index) == 1
    after = world.index.search(ASKED)
    assert (set(after.rows), after.count, after.facets) == (set(before.rows), before.count, before.facets)
    scatter(world, "later", 1)
    assert verify(world.database, world.index).differences == 0
    assert not world.index.scattered()


def test_nothing_is_made_anew_while_the_log_moves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks the log must have been at rest, and an index that is not scattered is left alone."""
    begun: list[float] = []
    monkeypatch.setattr(Compactor, "_make", lambda _self: begun.append(time.monotonic()))
    run(world, iter([False] * 20 + [True]).__next__, look=0.01)
    assert not begun
    scatter(world)
    moving = iter(range(1_000))
    monkeypatch.setattr(world.index, "reached", lambda: Reached("e", next(moving)))
    run(world, iter([False] * 20 + [True]).__next__, look=0.01)
    assert not begun
    monkeypatch.undo()
    monkeypatch.setattr(tantivy_index, "LEAST", 10)
    monkeypatch.setattr(Compactor, "_make", lambda _self: begun.append(time.monotonic()))
    run(world, lambda: begun, look=0.01)
    assert begun


def test_nothing_is_made_anew_that_the_log_has_left_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that does not move while the log does is not at rest: its follower is at work, or cannot."""
    begun: list[float] = []
    monkeypatch.setattr(Compactor, "_make", lambda _self: begun.append(time.monotonic()))
    scatter(world)
    publish(world.database, [replace(one, id=one.id + "-behind") for one in records(Random(3), 5)])
    run(world, iter([False] * 20 + [True]).__next__, look=0.01)
    assert not begun
    world.follower.catch_up()
    run(world, lambda: begun, look=0.01)


SECRET = "quillfeather"  # a person who does not exist


def withdrawn(world: World) -> Made:
    """Publish a record of a sole trader among others, and withdraw it. Gives it."""
    one, *others = (replace(one, id=one.id + "-more") for one in records(Random(5), 20))
    data = {"title": f"Care by {SECRET}", "suppliers": [{"name": f"Ermintrude {SECRET}"}]}
    one = replace(one, id=f"{one.id}-trader", kind="contract", data=data)
    publish(world.database, [one, *others])
    world.follower.catch_up()
    assert world.index.search(Query(words=SECRET)).count == 1
    with world.database.write() as session:
        draft = log.Draft(one.id, one.kind, one.publisher, None, "personal-data")
        done = log.append(session, [draft], node=NODE, now=NOW)
        erasure.here(session, one.id, done.numbers[one.id], node=NODE, now=clock(session))
    world.follower.catch_up()
    assert world.index.search(Query(words=SECRET)).count == 0
    return one


def kept(world: World) -> list[Path]:
    """The files of the index in which the person stands."""
    files = [path for path in world.index.root.rglob("*") if path.is_file()]
    return [path for path in files if SECRET.encode() in path.read_bytes().lower()]


def test_t37_what_was_withdrawn_goes_from_the_files_of_the_index(world: World) -> None:
    """Its words stand in the files after the tombstone, though nobody finds them; then the index is made anew, once."""
    withdrawn(world)
    assert kept(world)
    before, serving = world.index.count(), folder.current(world.index.root)

    def done() -> bool:
        world.follower.catch_up()
        return folder.current(world.index.root) != serving

    told = run(world, done)
    assert not [one for one in told if one["log_level"] != "info"]
    world.follower.catch_up()
    for path in folder_of_before(world):
        folder.remove(path)
    assert not kept(world)
    assert (world.index.count(), verify(world.database, world.index).differences) == (before, 0)
    serving = folder.current(world.index.root)
    scatter(world, "later", 1, each=1)
    assert not run(world, iter([False] * 20 + [True]).__next__, look=0.01)
    assert folder.current(world.index.root) == serving


def folder_of_before(world: World) -> list[Path]:
    """What the writer takes away within a minute."""
    serving = folder.current(world.index.root)
    return [path for path in world.index.root.iterdir() if path.is_dir() and path != serving]


def test_t37_an_index_that_is_withdrawn_from_while_it_is_made_is_made_once_more(world: World) -> None:
    """What was staged before its tombstone came stands in the new files too: what counts is when the making began."""
    real, steps = Walk._step, list[Walk]()

    def step(walk: Walk) -> bool:
        steps.append(walk)
        if len(steps) == 1:
            withdrawn(world)
        return real(walk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Walk, "_step", step)
        began = world.index.reached()
        other = TantivyIndex(world.index.root)
        rebuild(world.database, other)
        other.close()
    world.follower.catch_up()
    reached = world.index.reached()
    assert began is not None
    assert reached is not None
    assert reached.begun == began.number < reached.number
    with world.database.read() as session:
        assert erasure.later(session, reached.begun) is not None
        assert erasure.later(session, reached.number) is None


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("patience", [timedelta(hours=1), timedelta(0)])
def test_t37_a_log_that_is_never_at_rest_keeps_it_for_an_hour(
    world: World, monkeypatch: pytest.MonkeyPatch, patience: timedelta
) -> None:
    """What is withdrawn waits for a log at rest, but no longer than that."""
    begun: list[float] = []
    monkeypatch.setattr(compactor, "PATIENCE", patience)
    monkeypatch.setattr(Compactor, "_make", lambda _self: begun.append(time.monotonic()))
    withdrawn(world)
    moving = iter(range(1_000))
    monkeypatch.setattr(world.index, "reached", lambda: Reached("e", next(moving)))
    run(world, iter([False] * 20 + [True]).__next__ if patience else lambda: begun, look=0.01)
    assert bool(begun) is not bool(patience)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_after_a_making_the_index_is_left_alone_for_twenty_times_as_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A making takes a twentieth of the time at most, whatever is withdrawn meanwhile."""
    begun: list[float] = []

    def make(_self: Compactor) -> None:
        begun.append(time.monotonic())
        time.sleep(0.1)

    monkeypatch.setattr(Compactor, "_make", make)
    withdrawn(world)
    run(world, lambda: len(begun) > 1, look=0.01)
    assert begun[1] - begun[0] >= 0.1 * 21


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_database_that_is_away_is_asked_again_at_the_next_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has told so itself: no line says that the index cannot be made, and no hour is waited."""
    begun: list[float] = []
    monkeypatch.setattr(Compactor, "_make", lambda _self: begun.append(time.monotonic()))
    scatter(world)
    real, failed = erasure.later, list[int]()

    def later(session: Reading, number: int) -> Any:
        if len(failed) < 3:
            failed.append(number)
            raise DatabaseFault("It is away.")
        return real(session, number)

    monkeypatch.setattr(erasure, "later", later)
    told = run(world, lambda: begun, look=0.01)
    assert (len(failed), [one["log_level"] for one in told]) == (3, ["info"])


def test_what_took_the_server_with_it_is_not_tried_again_at_its_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try that nobody ended, because the server was gone before, counts as one that failed: for an hour."""
    begun: list[float] = []
    monkeypatch.setattr(Compactor, "_make", lambda _self: begun.append(time.monotonic()))
    scatter(world)
    note = world.index.root / "begun"
    note.touch()
    run(world, iter([False] * 20 + [True]).__next__, look=0.01)
    assert not begun
    an_hour_ago = time.time() - compactor.AFTER_FAILURE - 1
    os.utime(note, (an_hour_ago, an_hour_ago))
    run(world, lambda: begun and not note.exists(), look=0.01)


def test_what_an_operator_rebuilt_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process takes the place of no other index than the one that served when it began, and leaves nothing."""
    scatter(world)
    real, chosen = Walk.to_the_end, list[Path | None]()

    def overtaken(walk: Walk) -> int:
        if not chosen:
            chosen.append(None)
            made_anew(world)
            chosen[0] = folder.current(world.index.root)
        return real(walk)

    url = world.database.reader.url.render_as_string(hide_password=False)
    asked = orjson.dumps({"url": url, "folder": str(world.index.root)})
    with monkeypatch.context() as child:
        child.setattr(Walk, "to_the_end", overtaken)
        child.setattr(os, "nice", lambda _by: None)
        child.setattr(compact_child, "end_with_parent", lambda: None)
        child.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(asked)))
        with pytest.raises(Busy, match="Another index serves"):
            compact_child.main()
    assert folder.current(world.index.root) == chosen[0]
    assert len([path for path in world.index.root.iterdir() if path.is_dir() and not (path / "whole").exists()]) == 1


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """What works for a server that was killed ends within seconds."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "orphan.py").write_text(
        "import pathlib, time\nfrom federation import apart\n"
        "def main():\n    apart._LOOK = 0.05\n    apart.end_with_parent()\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(__import__('os').getpid()))\n    time.sleep(60)\n"
    )
    program = (
        f"import sys, subprocess; sys.path[:0] = [{str(room)!r}, {str(Path(apart.__file__).parent.parent)!r}]\n"
        "from federation import apart\n"
        f"subprocess.Popen([sys.executable, '-c', 'import sys; sys.path[:0] = ' + repr(sys.path[:2]) + '; "
        "from orphan import main; main()'], start_new_session=True)\n"
        f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'pid')!r}).exists(): time.sleep(0.02)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


def test_a_walk_ends_where_the_log_is_numbered_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was staged may stand under ids that are no more: nothing is committed, and the old index serves on."""
    serving, epochs = folder.current(world.index.root), iter(["first", "second"])
    monkeypatch.setattr(scan, "BATCH", 50)
    monkeypatch.setattr(staging, "COMMIT", 50)
    with monkeypatch.context() as moved:
        moved.setattr(scan, "epoch", lambda _session: next(epochs))
        with pytest.raises(Renumbered):
            rebuild(world.database, TantivyIndex(world.index.root))
    assert folder.current(world.index.root) == serving
    world.follower.catch_up()
    assert verify(world.database, world.index).differences == 0


def test_the_writer_is_not_taken_from_who_writes(world: World) -> None:
    """Whoever looks at the index while its writer stages stays with the old folder; the next claim goes over."""
    sink = world.index.claim()
    assert sink is not None
    other = TantivyIndex(world.index.root)
    rebuild(world.database, other)
    other.close()
    reached, before = world.index.reached(), world.index._opened().path
    assert reached is not None
    world.index.refresh()
    sink.stage([], ["nobody"])
    sink.commit(reached)
    assert world.index._opened().path == before != folder.current(world.index.root)
    assert world.index.claim() != sink
    assert (folder.current(world.index.root), world.index.reached()) == (world.index._opened().path, reached)
    assert verify(world.database, world.index).differences == 0


def test_a_disk_without_room_and_a_process_that_fails_are_told_in_a_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is begun that would fill the disk; what failed waits for an hour, and the old index serves."""
    scatter(world)
    before, serving = world.index.search(ASKED), folder.current(world.index.root)
    told: list[Any] = []
    with monkeypatch.context() as full:
        usage = shutil.disk_usage(world.index.root)
        full.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_000))
        told += run(world, iter([False] * 30 + [True]).__next__, look=0.01)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/bin/false")
        told += run(world, iter([False] * 30 + [True]).__next__, look=0.01)
    assert [one["event"] for one in told] == ["the search index cannot be made anew"] * 2
    assert "its disk has 1,000 bytes left; expected" in told[0]["error"]
    assert "compact_child ended with 1" in told[1]["error"]
    assert (world.index.search(ASKED), folder.current(world.index.root)) == (before, serving)


def test_a_server_that_stops_does_not_wait_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The process is ended at once, and the old index serves."""
    scatter(world)
    serving, begun = folder.current(world.index.root), tmp_path / "begun"
    room = tmp_path / "slow" / "federation"
    room.mkdir(parents=True)
    (room / "__init__.py").touch()
    (room / "compact_child.py").write_text(
        f"import pathlib, time\ndef main():\n    pathlib.Path({str(begun)!r}).touch()\n    time.sleep(3600)\n"
    )
    monkeypatch.setattr(apart, "_ROOT", room.parent)
    began = time.monotonic()
    told = run(world, begun.exists)
    assert time.monotonic() - began < 20
    assert not told
    assert folder.current(world.index.root) == serving
