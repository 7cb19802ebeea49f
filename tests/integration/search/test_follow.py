"""The index follows the log: changes, tombstones, other epochs, other schemas, other processes."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from threading import enumerate as enumerate_threads

import orjson
import pytest
from sqlalchemy import text

from federation import follow, lists, log, scan, staging
from federation.database import Database, Reading
from federation.documents import Document
from federation.follow import Follower, rebuild
from federation.index import Index, Query, Reached, Terms
from federation.scan import Rows
from federation.search import folder
from federation.search.store import Store
from federation.tantivy_index import TantivyIndex
from federation.verify import verify
from schema.errors import Busy
from tests.integration.search.conftest import World
from tests.integration.search.corpus import NODE, organisation, publish, records, withdraw
from tests.services import NOW
from tests.waiting import until


def test_the_index_is_the_database(world: World) -> None:
    """Right after catching up, every live record stands in the index at its change number, and nothing else."""
    compared = verify(world.database, world.index)
    assert compared.differences == 0
    assert compared.records.total() == len(world.made) == world.index.count()


def test_a_change_replaces_and_a_tombstone_removes(world: World) -> None:
    """A record stands once in the index: as it was last said, or not at all when it was withdrawn."""
    one, other = [made for made in world.made.values() if made.kind == "contract"][:2]
    publish(world.database, [replace(one, data=one.data | {"title": "Unheard-of zeppelins"})])
    withdraw(world.database, [other])
    world.follower.catch_up()
    assert world.ids(Query(words="zeppelin", sort="relevance")) == [one.id]
    assert world.index.search(Query()).count == len(world.made) - 1
    assert verify(world.database, world.index).differences == 0


def test_catching_up_twice_changes_nothing(world: World) -> None:
    """Following a log that stands still commits nothing: the index's stamp stays."""
    stamp = world.index.stamp()
    assert world.follower.catch_up() == world.follower.catch_up()
    assert world.index.stamp() == stamp


def test_a_folder_that_has_seen_much_is_opened_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes and who reads open the folder anew from time to time: nothing is lost, and the writer goes on."""
    monkeypatch.setattr("federation.search.store.WORN", 3)
    reader = TantivyIndex(world.index.root)
    stores: dict[TantivyIndex, list[weakref.ref[Store]]] = {world.index: [], reader: []}
    one = next(made for made in world.made.values() if made.kind == "contract")
    for turn in range(20):
        publish(world.database, [replace(one, data=one.data | {"title": f"Zeppelin {turn}"})])
        world.follower.catch_up()
        reader.refresh()
        for index, met in stores.items():
            assert index.search(Query(words=f"zeppelin {turn}", sort="relevance")).count == 1
            if index._store is not None and (not met or met[-1]() is not index._store):
                met.append(weakref.ref(index._store))
        assert reader.claim() is None
    gc.collect()
    for met in stores.values():
        assert len(met) > 3
        assert [store() is None for store in met] == [True] * (len(met) - 1) + [False]
    assert verify(world.database, world.index).differences == 0
    reader.close()


def test_who_looks_takes_no_writer_away_in_the_middle_of_a_walk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two commits of one walk others look at the index, however much the folder has seen: the walk goes on."""
    monkeypatch.setattr("federation.search.store.WORN", 2)
    sink, reached = world.index.claim(), world.index.reached()
    assert sink is not None
    assert reached is not None
    for number in range(5):
        sink.stage([], [f"https://gone.example/{number}"])
        sink.commit(reached)
        world.index.refresh()


def _orphans(root: Path) -> set[str]:
    """Files of parts that the folder consists of no more, once nobody is at work."""
    path = folder.current(root)
    assert path is not None
    parts = {
        part["segment_id"].replace("-", "") for part in orjson.loads((path / "meta.json").read_bytes())["segments"]
    }
    return {file.name for file in path.iterdir() if re.match("[0-9a-f]{32}", file.name) and file.stem[:32] not in parts}


def test_no_file_is_left_behind_by_opening_a_folder_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when a folder has seen much, nor when a reader takes over from a writer that is gone."""
    monkeypatch.setattr("federation.search.store.WORN", 10)
    reader = TantivyIndex(world.index.root)
    reader.refresh()
    one = next(made for made in world.made.values() if made.kind == "contract")
    for follower in (world.follower, Follower(world.database, reader)):
        for turn in range(60):
            publish(world.database, [replace(one, data=one.data | {"title": f"Zeppelin {turn}"})])
            follower.catch_up()
        follower.index.close()
        assert len(_orphans(world.index.root)) == 0
    assert verify(world.database, world.index).differences == 0


def test_a_publisher_that_moves_takes_its_records_along(world: World) -> None:
    """When an organisation record changes its region or name, all records of the publisher are found by the new one."""
    own = next(one for one in world.made.values() if one.kind == "organisation" and one.publisher == "GB-LAE-EXA")
    records_of = sum(one.publisher == "GB-LAE-EXA" for one in world.made.values())
    publish(world.database, [replace(own, data=organisation("GB-LAE-EXA", "Zedshire", "Anglia"))])
    world.follower.catch_up()
    assert world.index.search(Query(filters=(Terms("region", ("anglia",)),))).count == records_of
    assert world.index.search(Query(filters=(Terms("region", ("wessex",)),))).count == 0
    assert world.index.search(Query(words="zedshire", sort="relevance")).count == records_of
    withdraw(world.database, [own])
    world.follower.catch_up()
    assert world.index.search(Query(filters=(Terms("region", ("anglia",)),))).count == 0
    assert verify(world.database, world.index).differences == 0


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_any_batch_size_gives_the_same_index(world: World, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Organisation records that change while the log is walked reach the documents of earlier batches too."""
    own = next(one for one in world.made.values() if one.kind == "organisation" and one.publisher == "GB-LAE-MID")
    publish(world.database, [replace(own, data=organisation("GB-LAE-MID", "Middleton", "Anglia"))])
    monkeypatch.setattr(scan, "BATCH", batch)
    monkeypatch.setattr(staging, "COMMIT", batch * 2)
    rebuild(world.database, world.index)
    records_of = sum(one.publisher == "GB-LAE-MID" for one in world.made.values())
    assert world.index.search(Query(filters=(Terms("region", ("anglia",)),))).count == records_of
    assert verify(world.database, world.index).differences == 0


def test_a_follower_behind_commits_seldom(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is behind goes in by one commit, where neither so many changes nor so much time ask for more."""
    monkeypatch.setattr(scan, "BATCH", 5)
    commits: list[int] = []
    real = Store.commit

    def commit(store: Store, reached: Reached) -> None:
        commits.append(reached.number)
        real(store, reached)

    monkeypatch.setattr(Store, "commit", commit)
    index = TantivyIndex(tmp_path / "another")
    Follower(world.database, index).catch_up()
    with world.database.read() as session:
        assert commits == [log.latest(session)]
    monkeypatch.setattr(staging, "COMMIT", 10)
    Follower(world.database, TantivyIndex(tmp_path / "third")).catch_up()
    assert {after - before for before, after in pairwise([0, *commits[1:-1]])} == {10}
    monkeypatch.undo()
    assert verify(world.database, index).differences == 0


class _Told:
    """Notes what is staged as new."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.new: dict[str, bool] = {}
        real = Store.stage

        def stage(store: Store, documents: Iterable[Document], gone: Iterable[str], *, new: bool = False) -> None:
            made = list(documents)
            self.new |= {one.id: new for one in made}
            real(store, made, gone, new=new)

        monkeypatch.setattr(Store, "stage", stage)


def test_only_what_the_index_may_hold_is_looked_for_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A record with a row above all that the index ever held is new to it; this is known after a new start too."""
    index = TantivyIndex(tmp_path / "another")
    Follower(world.database, index).catch_up()
    index.close()
    told = _Told(monkeypatch)
    one = next(made for made in world.made.values() if made.kind == "contract")
    fresh = [replace(one, id=f"{one.id}-{turn}") for turn in range(3)]
    publish(world.database, [*fresh, replace(one, data=one.data | {"title": "Unheard-of zeppelins"})])
    again = TantivyIndex(tmp_path / "another")
    follower = Follower(world.database, again)
    follower.catch_up()
    assert told.new == {one.id: False} | {made.id: True for made in fresh}
    publish(world.database, [replace(fresh[0], data=one.data | {"title": "Zeppelins again"})])
    follower.catch_up()
    assert told.new[fresh[0].id] is False
    assert verify(world.database, again).differences == 0


def test_an_index_that_does_not_know_its_highest_row_looks_for_every_record(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where an earlier version committed no row, nothing is taken for new, and every record still stands once."""
    index = TantivyIndex(tmp_path / "another")
    follower = Follower(world.database, index)
    follower.catch_up()
    sink, reached = index.claim(), index.reached()
    assert sink is not None
    assert reached is not None
    sink.commit(replace(reached, row=None))
    told = _Told(monkeypatch)
    one = next(made for made in world.made.values() if made.kind == "contract")
    publish(world.database, [replace(one, id=f"{one.id}-new")])
    follower.catch_up()
    assert told.new == {f"{one.id}-new": False}
    assert verify(world.database, index).differences == 0


def test_what_was_staged_before_a_fault_is_not_committed_later(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A walk that breaks off in the middle is begun again, and no record then stands twice."""
    monkeypatch.setattr(scan, "BATCH", 20)
    index = TantivyIndex(tmp_path / "another")
    follower = Follower(world.database, index)
    real, calls = scan.after, iter(range(99))

    def breaks(session: Reading, number: int, limit: int) -> Rows:
        if next(calls) == 3:
            raise OSError("the disk is away")
        return real(session, number, limit)

    monkeypatch.setattr(scan, "after", breaks)
    with pytest.raises(OSError, match="away"):
        follower.catch_up()
    follower.catch_up()
    assert verify(world.database, index).differences == 0
    assert index.count() == len(world.made)


def test_kinds_that_are_not_known_are_passed_over(world: World) -> None:
    """A record of an unknown kind stays in the log and out of the index."""
    draft = log.Draft("http://moot.test/id/GB-LAE-EXA/bridge/1", "bridge", "GB-LAE-EXA", orjson.dumps({"title": "B"}))
    with world.database.write() as session:
        log.append(session, [draft], node=NODE, now=NOW)
    world.follower.catch_up()
    assert world.index.count() == len(world.made)
    assert verify(world.database, world.index).differences == 0


def test_an_index_of_another_epoch_is_rebuilt(world: World) -> None:
    """A restored database has a new epoch: what the index held of the old one is thrown away."""
    gone = next(one for one in world.made.values() if one.kind == "tool")
    with world.database.write() as session:
        session.connection().execute(text("UPDATE meta SET value = 'another' WHERE key = 'epoch'"))
        session.connection().execute(text("DELETE FROM record WHERE id = :id"), {"id": gone.id})
    world.follower.catch_up()
    assert world.index.reached() == Reached("another", 123)
    assert world.index.count() == len(world.made) - 1
    assert verify(world.database, world.index).differences == 0


def test_an_index_of_another_database_answers_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is rebuilt such an index is `Busy`, in the process that writes and in others: rows would mislead."""
    second = TantivyIndex(world.index.root)
    reader = Follower(world.database, second)
    reader.catch_up()
    with world.database.write() as session:
        session.connection().execute(text("UPDATE meta SET value = 'another' WHERE key = 'epoch'"))
    reader.catch_up()
    with pytest.raises(Busy):
        second.search(Query())
    real = follow.rebuild

    def observed(database: Database, index: Index) -> int:
        with pytest.raises(Busy):
            index.search(Query())
        return real(database, index)

    monkeypatch.setattr(follow, "rebuild", observed)
    world.follower.catch_up()
    reader.catch_up()
    assert second.search(Query()).count == world.index.search(Query()).count == len(world.made)
    second.close()


def test_an_index_whose_rebuild_broke_off_is_begun_afresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rebuild that failed nothing of the other database is left, and the index serves again."""
    gone = next(one for one in world.made.values() if one.kind == "tool")
    with world.database.write() as session:
        session.connection().execute(text("UPDATE meta SET value = 'another' WHERE key = 'epoch'"))
        session.connection().execute(text("DELETE FROM record WHERE id = :id"), {"id": gone.id})

    def full(_database: Database, _index: Index) -> int:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(follow, "rebuild", full)
        with pytest.raises(OSError, match="space"):
            world.follower.catch_up()
    world.follower.catch_up()
    assert world.index.search(Query()).count == world.index.count() == len(world.made) - 1
    assert verify(world.database, world.index).differences == 0


def test_an_index_ahead_of_its_log_is_rebuilt(world: World) -> None:
    """An index that knows changes which the log never had is of another database, whatever its epoch says."""
    with world.database.write() as session:
        session.connection().execute(text("DELETE FROM record WHERE number > 50"))
        session.connection().execute(text("UPDATE counter SET n = 50"))
    assert world.follower.catch_up() == 50
    assert world.index.count() == 50


def test_a_deleted_folder_is_built_again(world: World) -> None:
    """The index is derived: without its folder it comes back, complete."""
    world.index.close()
    shutil.rmtree(world.index.root)
    world.follower.catch_up()
    assert verify(world.database, world.index).differences == 0
    assert world.index.count() == len(world.made)


def test_a_new_schema_version_rebuilds_the_index(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index folder of another schema version is not opened but replaced, and cleared away."""
    old = folder.current(world.index.root)
    assert old is not None
    world.index.close()
    monkeypatch.setattr(folder, "VERSION", 999)
    monkeypatch.setattr(folder, "_YOUNG", -1.0)
    world.follower.catch_up()
    new = folder.current(world.index.root)
    assert new is not None
    assert new.name.startswith("v999-")
    assert not old.exists()
    assert verify(world.database, world.index).differences == 0


def test_one_process_writes_and_another_reads_and_takes_over(world: World) -> None:
    """A second index on the folder serves what the first commits, and writes when the first is gone."""
    second = TantivyIndex(world.index.root)
    reader = Follower(world.database, second)
    assert second.claim() is None
    assert reader.catch_up() == 123
    publish(world.database, records(Random(5), 1))
    assert reader.catch_up() == 123
    world.follower.catch_up()
    assert reader.catch_up() == world.follower.catch_up()
    assert second.search(Query()).count == world.index.search(Query()).count
    world.index.close()
    publish(world.database, [replace(one, id=one.id + "-y") for one in records(Random(6), 1)])
    latest = reader.catch_up()
    with world.database.read() as session:
        assert latest == log.latest(session)
    second.close()


def test_a_rebuild_by_another_process_goes_on_while_serving(world: World) -> None:
    """While `index rebuild` fills a new folder the server answers from the old one; then it follows in the new one."""
    operator = TantivyIndex(world.index.root)
    old = folder.current(world.index.root)
    with operator.rebuilding() as fresh:
        assert world.index.search(Query()).count == len(world.made)
        publish(world.database, [replace(one, id=one.id + "-z") for one in records(Random(6), 3)])
        world.follower.catch_up()
        staging.Walk(world.database, fresh, None).to_the_end()
    assert world.index.search(Query()).count == len(world.made) + 3
    world.follower.catch_up()
    assert folder.current(world.index.root) != old
    operator.close()
    publish(world.database, [replace(one, id=one.id + "-zz") for one in records(Random(6), 2)])
    world.follower.catch_up()
    assert world.index.search(Query()).count == len(world.made) + 5
    assert verify(world.database, world.index).differences == 0


def test_a_rebuild_that_fails_leaves_the_old_index(world: World) -> None:
    """An error halfway through a rebuild takes the new folder away, not the one that serves."""
    with pytest.raises(ZeroDivisionError), world.index.rebuilding():
        raise ZeroDivisionError
    assert world.index.search(Query()).count == len(world.made)
    assert [path.name for path in world.index.root.iterdir() if path.is_dir()] == [
        str(folder.current(world.index.root)).rpartition("/")[2]
    ]


def test_a_folder_that_nothing_was_put_into_is_cleared_away(world: World) -> None:
    """A rebuild that was killed before it wrote anything leaves an empty folder: the next writer takes it away."""
    empty, young = folder.fresh(world.index.root), folder.fresh(world.index.root)
    hour_ago = time.time() - 3_600
    os.utime(empty, (hour_ago, hour_ago))
    assert world.index.claim() is not None
    serving = folder.current(world.index.root)
    assert {path for path in world.index.root.iterdir() if path.is_dir()} == {serving, young}
    assert world.index.search(Query()).count == len(world.made)


def test_only_who_claimed_a_folder_writes_to_it(world: World) -> None:
    """Documents that are put into an index by a process that is not its writer are refused, and nothing is changed."""
    serving = folder.current(world.index.root)
    assert serving is not None
    stranger = Store(serving)
    with pytest.raises(RuntimeError, match="only the process that claimed the index writes to it"):
        stranger.stage([], ["http://moot.test/x"])
    with pytest.raises(RuntimeError, match="only the process that claimed the index writes to it"):
        stranger.commit(Reached("e", 1))
    assert not stranger.claim(), "another has"
    assert world.index.search(Query()).count == len(world.made)


def test_an_index_that_is_not_open_marks_no_words(tmp_path: Path) -> None:
    """Where no folder is open yet, what needs one is busy, and may be asked again in a moment."""
    index = TantivyIndex(tmp_path / "none")
    with pytest.raises(Busy) as busy:
        index.matcher("parking")
    assert busy.value.detail == "The search index is not open yet. Try again in a moment."
    index.close()


def test_the_thread_follows_and_is_nudged(world: World) -> None:
    """A started follower sees what is published without being asked, and stops when it is told to."""
    world.follower.start()
    publish(world.database, [replace(one, id=one.id + "-t") for one in records(Random(8), 4)])
    world.follower.nudge()
    deadline = time.monotonic() + 20
    while world.index.search(Query()).count < len(world.made) + 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    world.follower.stop()
    assert not any(thread.name == "index-follower" for thread in enumerate_threads())


def test_the_thread_rests_after_a_commit_whoever_nudges(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where changes keep coming the index is committed for many at once; an end cuts the rest short."""
    monkeypatch.setattr(follow, "REST", 600)
    publish(world.database, [replace(one, id=one.id + "-r") for one in records(Random(8), 2)])
    world.follower.start()
    until(lambda: world.index.search(Query()).count == len(world.made) + 2)
    publish(world.database, [replace(one, id=one.id + "-s") for one in records(Random(8), 2)])
    world.follower.nudge()
    time.sleep(0.3)
    assert world.index.search(Query()).count == len(world.made) + 2
    world.follower.stop()
    assert not any(thread.name == "index-follower" for thread in enumerate_threads())


def test_a_follower_outlives_a_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while following is told in `problem`; the next round goes on from the last commit."""
    monkeypatch.setattr(staging, "document", _fail)
    publish(world.database, [replace(one, id=one.id + "-f") for one in records(Random(9), 3)])
    world.follower.start()
    until(lambda: "no space" in world.follower.problem)
    assert world.index.search(Query()).count == len(world.made)
    monkeypatch.undo()
    world.follower.nudge()
    until(lambda: world.index.search(Query()).count == len(world.made) + 3)
    assert world.follower.problem == ""
    assert verify(world.database, world.index).differences == 0


def _fail(*_: object) -> None:
    raise OSError("no space left")


def test_verify_finds_what_differs(world: World) -> None:
    """A record that the index lacks is missing, one that the database lacks is too many; each is counted by kind."""
    contract = next(one for one in world.made.values() if one.kind == "contract")
    tool = next(one for one in world.made.values() if one.kind == "tool")
    sink = world.index.claim()
    assert sink is not None
    sink.stage([], [contract.id])
    reached = world.index.reached()
    assert reached is not None
    sink.commit(reached)
    world.index.close()
    with world.database.write() as session:
        session.connection().execute(text("DELETE FROM record WHERE id = :id"), {"id": tool.id})
    compared = verify(world.database, world.index)
    assert (compared.missing, compared.extra) == ({"contract": 1}, {"tool": 1})
    assert compared.differences == 2
    assert any(contract.id in line for line in compared.lines())
    assert compared.told()["differences"] == 2


def test_verify_waits_for_the_writer_only_so_long(world: World) -> None:
    """Where another process writes the index and is behind, verify says so instead of counting differences."""
    second = TantivyIndex(world.index.root)
    publish(world.database, records(Random(5), 1))
    with pytest.raises(Busy, match="behind"):
        verify(world.database, second, patience=0.3)
    second.close()


def test_an_index_that_was_never_built_is_busy(tmp_path: Path) -> None:
    """A search before the first commit is refused as `Busy`, not answered with nothing."""
    index = TantivyIndex(tmp_path / "index")
    with pytest.raises(Busy):
        index.search(Query())
    assert index.claim() is not None
    with pytest.raises(Busy):
        index.search(Query())
    index.close()


def test_an_empty_database_makes_an_empty_index(database: Database, tmp_path: Path) -> None:
    """Before anything is published a search finds nothing; the first publication is found."""
    index = TantivyIndex(tmp_path / "index")
    follower = Follower(database, index)
    assert follower.catch_up() == 0
    assert index.search(Query(facets=("publisher",))).count == 0
    follower.stop()


_CHILD = """
import sys
from pathlib import Path
from federation import scan, staging
from federation.database import Database
from federation.follow import Follower
from federation.tantivy_index import TantivyIndex
scan.BATCH, staging.COMMIT = 20, 40
follower = Follower(Database(sys.argv[1]), TantivyIndex(Path(sys.argv[2])))
follower.start()
print("following", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_loses_nothing(database_url: str, world: World) -> None:
    """After `kill -9` at any moment of following, the next process goes on and the index equals the database."""
    world.index.close()
    random = Random(13)
    for turn in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, database_url, str(world.index.root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], env={**os.environ},
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == b"following\n"
        made = [replace(one, id=f"{one.id}-{turn}") for one in records(random, 400)]
        for start in range(0, 400, 100):
            publish(world.database, made[start : start + 100])
            time.sleep(random.random() * 0.05)
        withdraw(world.database, made[:50])
        time.sleep(random.random() * 0.3)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert child.stdin is not None
        child.stdin.close()
    world.follower.catch_up()
    compared = verify(world.database, world.index)
    assert compared.differences == 0
    assert compared.records.total() == world.index.count() == len(world.made) + 3 * 350


@pytest.mark.parametrize("unseen", [True, False])
def test_a_record_that_changes_while_the_index_is_built_stands_once(
    world: World, *, unseen: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A walk from zero takes nothing out for what it sees first, and does for what changes under its feet."""
    monkeypatch.setattr(scan, "BATCH", 20)
    monkeypatch.setattr(staging, "COMMIT", 40)
    real, left = scan.after, [one for one in world.made.values() if one.kind == "contract"]

    def meanwhile(session: Reading, number: int, limit: int) -> Rows:
        rows = real(session, number, limit)
        if len(left) > 3 and rows:
            one, gone = left.pop(0), left.pop(0)
            publish(world.database, [replace(one, data=one.data | {"title": f"Zeppelin {number}"})])
            withdraw(world.database, [gone])
        return rows

    monkeypatch.setattr(scan, "after", meanwhile)
    index = TantivyIndex(tmp_path / "another")
    if unseen:
        rebuild(world.database, index)
    else:
        Follower(world.database, index).catch_up()
    monkeypatch.undo()
    Follower(world.database, index).catch_up()
    assert verify(world.database, index).differences == 0
    with world.database.read() as session:
        live = len(lists.find(session, index, Query(words="zeppelin", limit=100)).items)
    assert index.search(Query(words="zeppelin")).count == live > 2
    assert index.count() == sum(1 for _ in index.identities(0, 10**6))
    index.close()


def test_a_folder_that_cannot_be_locked_is_no_other_writer(tmp_path: Path) -> None:
    """A disk that fails is told as that: it is not taken for another process that writes, which one waits for."""
    (tmp_path / "index").mkdir()
    first, second = Store(tmp_path / "index"), Store(tmp_path / "index")
    assert (first.claim(), second.claim()) == (True, False)
    first.close()
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(ValueError, match="IoError"):
        second.claim()
