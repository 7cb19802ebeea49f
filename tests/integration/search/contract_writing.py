"""The contract of an engine as one who writes to it sees it: claim, stage, commit, rebuild, refuse, let go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from federation.documents import FACETS
from federation.index import Index, Query, Reached, Terms
from schema.errors import Busy
from tests.integration.search.corpus import records
from tests.integration.search.engines import EPOCH, Engine, contract, documents, put

MADE = [contract(number) for number in range(1, 8)]


def _rebuild_in_vain(index: Index) -> None:
    with index.rebuilding() as sink:
        sink.stage(documents(MADE), [])
        sink.commit(Reached(EPOCH, 7))
        raise ZeroDivisionError


class WritingContract:
    """What `Index` and `Sink` promise to a writer. A subclass gives the fixture `engines`: makes an empty place."""

    whole = True
    """Whether a commit is seen all at once by others, not one part a moment after another."""

    @pytest.fixture
    def engine(self, engines: Callable[[], Engine]) -> Engine:
        """Return a place of its own for one test."""
        return engines()

    def test_an_index_never_committed_to_is_busy(self, engine: Engine) -> None:
        """Before the first commit nothing is found and nothing is said: `Busy`, and reached is None."""
        index = engine.open()
        for claimed in (False, True):
            if claimed:
                assert index.claim() is not None
            with pytest.raises(Busy):
                index.search(Query())
            assert index.reached() is None
            assert index.stamp() == ""

    def test_an_empty_log_makes_an_empty_index(self, engine: Engine) -> None:
        """A commit of nothing is a commit: searches are answered, with nothing."""
        index = engine.open()
        put(index, [], first=1)
        hits = index.search(Query(facets=("publisher",)))
        assert (hits.rows, hits.count, hits.next) == ((), 0, None)
        assert (hits.facets["publisher"].items, hits.facets["publisher"].other) == ((), 0)
        assert index.reached() == Reached(EPOCH, 0)
        assert index.count() == 0

    def test_what_is_staged_is_seen_when_it_is_committed(self, engine: Engine) -> None:
        """Nobody sees what is staged, the writer included; after the commit all see it, with how far it reaches."""
        index, other = engine.open(), engine.open()
        put(index, MADE[:2])
        sink = index.claim()
        assert sink is not None
        sink.stage(documents(MADE[2:4], 3), [MADE[0].id])
        for one in (index, other):
            one.refresh()
            assert sorted(one.search(Query()).rows) == [1, 2]
            assert one.reached() == Reached(EPOCH, 2)
        sink.commit(Reached(EPOCH, 5))
        for one in (index, other):
            one.refresh()
            assert sorted(one.search(Query()).rows) == [2, 3, 4]
            assert one.reached() == Reached(EPOCH, 5)
            assert one.count() == 3

    def test_what_was_not_committed_is_forgotten_on_release(self, engine: Engine) -> None:
        """A writer that lets go leaves nothing behind of what it staged; the next begins from the last commit."""
        index, other = engine.open(), engine.open()
        put(index, MADE[:2])
        sink = index.claim()
        assert sink is not None
        sink.stage(documents(MADE[2:4], 3), [MADE[0].id])
        index.release()
        assert sorted(index.search(Query()).rows) == [1, 2]
        put(other, MADE[4:5], first=5)
        assert sorted(other.search(Query()).rows) == [1, 2, 5]

    def test_there_is_one_writer(self, engine: Engine) -> None:
        """While one process is the writer no other is, however often it asks; when it lets go, another can be."""
        first, second = engine.open(), engine.open()
        assert first.claim() is not None
        assert first.claim() is not None
        assert second.claim() is None
        assert second.claim() is None
        first.release()
        assert second.claim() is not None
        assert first.claim() is None
        second.close()
        assert first.claim() is not None

    def test_a_reader_sees_what_the_writer_commits(self, engine: Engine) -> None:
        """An index that is not the writer's shows each commit once it has looked again, and takes over its number."""
        writer, reader = engine.open(), engine.open()
        last = put(writer, MADE[:3])
        assert reader.claim() is None
        assert reader.search(Query()).count == 3
        last = put(writer, MADE[3:5], first=last + 1)
        reader.refresh()
        assert (reader.search(Query()).count, reader.reached()) == (5, Reached(EPOCH, last))
        writer.close()
        put(reader, MADE[5:6], first=last + 1)
        assert reader.search(Query()).count == 6

    def test_a_document_stands_in_the_place_of_the_one_with_its_id(self, engine: Engine) -> None:
        """Put again, a record is found as it was last said, once; what it no longer says finds nothing."""
        index = engine.open()
        put(index, [contract(1, "Zeppelins", stage="active"), contract(2)])
        put(index, [contract(1, "Balloons", stage="ended")], first=3)
        assert index.search(Query(words="zeppelins")).count == 0
        assert index.search(Query(words="balloons")).rows == (3,)
        assert index.search(Query(filters=(Terms("stage", ("active",)),))).count == 0
        assert index.count() == index.search(Query()).count == 2

    def test_the_last_word_of_a_commit_counts(self, engine: Engine) -> None:
        """Within a commit what is staged later stands: out after in is out, in after out is in, twice in is once."""
        index = engine.open()
        put(index, MADE[:2])
        sink = index.claim()
        assert sink is not None
        sink.stage(documents([contract(9), contract(2, "Old")], 3), [])
        sink.stage([], [contract(9).id, contract(2).id])
        sink.stage(documents([contract(2, "Middle")], 5), [])
        sink.stage(documents([contract(2, "New")], 6), [])
        sink.commit(Reached(EPOCH, 6))
        assert sorted(index.search(Query()).rows) == [1, 6]
        assert index.search(Query(words="new")).count == 1
        assert index.search(Query(words="middle old")).count == 0

    def test_what_is_gone_comes_back_when_it_is_said_again(self, engine: Engine) -> None:
        """A tombstone takes a record out, one for what was never there changes nothing, and neither is for ever."""
        index = engine.open()
        put(index, MADE)
        put(index, [], first=9, gone=[MADE[0].id, MADE[1].id, "http://moot.test/id/GB-LAE-EXA/contract/none"])
        assert sorted(index.search(Query()).rows) == [3, 4, 5, 6, 7]
        put(index, [MADE[0]], first=9)
        assert sorted(index.search(Query()).rows) == [3, 4, 5, 6, 7, 9]

    def test_a_replay_changes_nothing(self, engine: Engine) -> None:
        """The same changes again, all of them or some, in other batches, by another process: the same answers."""
        made = records(Random(3), 40)
        index = engine.open()
        put(index, made)
        put(index, [], first=42, gone=[made[5].id, made[6].id])
        pages = [Query(limit=100, facets=FACETS), Query(words="parking", sort="end", limit=100, facets=FACETS)]
        before = [index.search(page) for page in pages]
        index.close()
        again = engine.open()
        for first, last in ((0, 40), (10, 25), (30, 40)):
            sink = again.claim()
            assert sink is not None
            sink.stage(documents(made[first:last], first + 1), [made[5].id, made[6].id])
            sink.commit(Reached(EPOCH, 41))
        assert [again.search(page) for page in pages] == before
        assert again.count() == 38

    def test_the_stamp_changes_with_the_answers(self, engine: Engine) -> None:
        """A commit of something new gives another stamp, so does a rebuild; looking again does not."""
        index = engine.open()
        put(index, MADE[:2])
        stamps = [index.stamp()]
        index.refresh()
        index.search(Query())
        assert index.stamp() == stamps[0] != ""
        put(index, MADE[2:3], first=3)
        stamps.append(index.stamp())
        with index.rebuilding() as sink:
            sink.stage(documents(MADE[:3]), [])
            sink.commit(Reached(EPOCH, 3))
        stamps.append(index.stamp())
        assert len(set(stamps)) == 3

    def test_a_refused_index_answers_nothing(self, engine: Engine) -> None:
        """What is of another database is `Busy` and has reached nothing, until another index takes its place."""
        index, other = engine.open(), engine.open()
        put(index, MADE[:2])
        other.refresh()
        for one in (index, other):
            one.refuse()
            one.refresh()
            with pytest.raises(Busy):
                one.search(Query())
            assert one.reached() is None
        with index.rebuilding() as sink:
            sink.stage(documents(MADE[2:5], 3), [])
            sink.commit(Reached("second", 5))
        other.refresh()
        for one in (index, other):
            assert sorted(one.search(Query()).rows) == [3, 4, 5]
            assert one.reached() == Reached("second", 5)

    def test_a_rebuild_takes_the_old_ones_place_at_its_end(self, engine: Engine) -> None:
        """While a fresh index is filled, commits and all, the old one serves; then all are served by the new one."""
        index, other = engine.open(), engine.open()
        put(index, MADE[:3])
        with other.rebuilding() as sink:
            for first in (1, 4):
                sink.stage(documents(MADE[first + 1 : first + 4], first + 2), [])
                sink.commit(Reached(EPOCH, first + 4))
                for one in (index, other):
                    one.refresh()
                    assert sorted(one.search(Query()).rows) == [1, 2, 3]
        for one in (other, index):
            one.refresh()
            assert sorted(one.search(Query()).rows) == [3, 4, 5, 6, 7]
            assert one.reached() == Reached(EPOCH, 8)

    def test_the_writer_goes_on_in_the_rebuilt_index(self, engine: Engine) -> None:
        """A rebuild by an operator ends beside a server that writes; the server's next commit is to the new index."""
        server, operator = engine.open(), engine.open()
        put(server, MADE[:2])
        with operator.rebuilding() as sink:
            put(server, MADE[2:3], first=3)
            sink.stage(documents(MADE[:3]), [])
            sink.commit(Reached(EPOCH, 3))
        operator.close()
        put(server, MADE[3:4], first=4)
        assert sorted(server.search(Query()).rows) == [1, 2, 3, 4]
        assert sorted(engine.open().search(Query()).rows) == [1, 2, 3, 4]

    def test_a_rebuild_that_fails_leaves_the_old_index(self, engine: Engine) -> None:
        """An error halfway through a rebuild is the caller's, and the index that served serves on."""
        index = engine.open()
        put(index, MADE[:3])
        with pytest.raises(ZeroDivisionError):
            _rebuild_in_vain(index)
        assert sorted(index.search(Query()).rows) == [1, 2, 3]
        put(index, MADE[3:4], first=4)
        assert sorted(engine.open().search(Query()).rows) == [1, 2, 3, 4]

    def test_an_index_can_be_rebuilt_where_there_was_none(self, engine: Engine) -> None:
        """The first build may be a rebuild."""
        index = engine.open()
        with index.rebuilding() as sink:
            sink.stage(documents(MADE), [])
            sink.commit(Reached(EPOCH, 7))
        assert index.search(Query()).count == index.count() == 7

    def test_a_closed_index_is_kept(self, engine: Engine) -> None:
        """What was committed is there for the next process, with how far it reaches."""
        index = engine.open()
        put(index, MADE)
        index.close()
        again = engine.open()
        again.refresh()
        assert again.reached() == Reached(EPOCH, 7)
        assert again.search(Query()).count == 7

    def test_identities_are_those_of_a_span_of_numbers(self, engine: Engine) -> None:
        """(id, kind, change number) of what stands in the index at these numbers, both ends included."""
        index = engine.open()
        put(index, MADE)
        put(index, [], first=9, gone=[MADE[3].id])
        wanted = [(one.id, "contract", number) for number, one in enumerate(MADE, 1) if number != 4]
        assert sorted(index.identities(0, 100)) == sorted(wanted)
        assert sorted(index.identities(2, 5)) == sorted(one for one in wanted if 2 <= one[2] <= 5)
        assert list(index.identities(4, 4)) == []

    def test_any_id_and_any_value_can_be_held(self, engine: Engine) -> None:
        """Ids and values of any length and with any characters are found, replaced and taken out like others."""
        ids = [
            "http://moot.test/id/GB-LAE-EXA/contract/" + end
            for end in ("x" * 3_000, "%C3%A9~#?&/\"'\\", "é 🏛", "#reached")
        ]
        odd = [
            replace(
                contract(n, stage=f'odd "{id_[-5:]}" \\ \n é'),
                id=id_,
                data={**contract(n).data, "stage": f"s{n} \"é\\\n'"},
            )
            for n, id_ in enumerate(ids)
        ]
        index = engine.open()
        put(index, odd)
        assert sorted(index.identities(0, 9)) == sorted((one.id, "contract", n) for n, one in enumerate(odd, 1))
        assert index.search(Query(filters=(Terms("stage", ("s2 \"é\\\n'",)),))).rows == (3,)
        put(index, [replace(odd[0], data={**odd[0].data, "title": "y" * 50_000 + " zebra"})], first=5)
        assert index.search(Query(words="zebra")).rows == (5,)
        put(index, [], first=7, gone=ids)
        assert index.count() == 0

    def test_readers_are_answered_while_a_writer_commits(self, engine: Engine) -> None:
        """Searches from several threads never fail; each commit is seen whole, and for good, where `whole` says so."""
        writer, reader = engine.open(), engine.open()
        put(writer, [contract(n) for n in range(10)])
        seen: list[list[int]] = [[], [], []]
        done = threading.Event()

        def look(counts: list[int]) -> None:
            while not done.is_set():
                reader.refresh()
                hits = reader.search(Query(words="parking", facets=("kind",)))
                counts.append(hits.count)

        threads = [threading.Thread(target=look, args=[counts]) for counts in seen]
        for thread in threads:
            thread.start()
        for first in range(11, 111, 10):
            put(writer, [contract(n) for n in range(first, first + 10)], first=first)
        done.set()
        for thread in threads:
            thread.join()
        for counts in seen:
            assert counts
            assert counts[-1] <= 110
            assert all(count % 10 == 0 for count in counts) or not self.whole
            assert counts == sorted(counts) or not self.whole
        reader.refresh()
        assert reader.search(Query()).count == 110
