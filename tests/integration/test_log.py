"""The change log under writers that come at the same time, and under any history of edits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count as counting
from multiprocessing import get_context
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation import log, publishers
from federation.database import Database
from schema.change import LARGE_PAGE, PAGE_BYTES, PAGE_SIZE, check_page, read_item
from tests.proof import figure, sized
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER

NODE_ID = f"{NODE}/.well-known/folkmoot"
WRITERS, BATCH = 8, 20


def start(database: Database) -> None:
    """Publish for the one publisher, so that the log has its change 1."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)


def draft(reference: str, title: str | None, reason: str | None = None) -> log.Draft:
    """A contract as it shall be; a tombstone without a title."""
    data = None if title is None else orjson.dumps({"reference": reference, "title": title})
    return log.Draft(f"{PREFIX}contract/{reference}", "contract", PUBLISHER, data, reason)


def append(database: Database, drafts: Sequence[log.Draft]) -> log.Appended:
    """Append in a transaction of its own."""
    with database.write() as session:
        return log.append(session, drafts, node=NODE_ID, now=NOW)


def step(database: Database, url: str) -> tuple[str, list[Any]]:
    """Read one page as a crawler does: give where to go on, and its items."""
    number = int(url.rpartition("=")[2])
    with database.read() as session:
        made = log.page(session, number, public_url=NODE, epoch="e", license_url="l")
    page = check_page(made.body, url)
    return page.next, [read_item(item) for item in page.items]


@pytest.mark.parametrize(("count", "size"), [(1_100, 400), (1_100, 3_100), (60, 224_000)])
@pytest.mark.parametrize("kind", [None, "contract"])
def test_a_page_ends_before_a_reader_would_refuse_it(
    database: Database, count: int, size: int, kind: str | None
) -> None:
    """Whatever its records weigh, a page is under the caps of its readers, and who follows `next` sees each once."""
    start(database)
    append(database, [draft(f"C-{number:04d}", "x" * size) for number in range(count)])
    seen: list[str] = []
    number, ended = 0, False
    with database.read() as session:
        while not ended:
            page = log.page(session, number, public_url=NODE, epoch="e", license_url="l", kind=kind)
            assert len(page.body) < LARGE_PAGE
            items = orjson.loads(page.body)["items"]
            assert page.full == (len(items) == PAGE_SIZE or sum(map(_weight, items)) >= PAGE_BYTES)
            seen += [item["id"] for item in items]
            number, ended = page.last, page.ended
    assert len(seen) == len(set(seen)) == count + (kind is None)


def _weight(item: dict[str, Any]) -> int:
    return len(item["id"]) + len(orjson.dumps(item["data"])) + len(orjson.dumps(item["origin"]))


def write_many(url: str, writer: int, changes: int) -> int:
    """One of the writers, with connections of its own: changes in small transactions, some of them tombstones."""
    database = Database(url)
    made = 0
    for turn in counting():
        if made >= changes:
            break
        size = min(1 + (turn * 7 + writer) % BATCH, changes - made)  # from one change to twenty, never in step
        drafts = [draft(f"{writer}-{turn}-{each}", "new") for each in range(size)]
        if turn % 5 == 4:
            drafts[0] = draft(f"{writer}-{turn - 1}-0", None, "error")
        made += len(append(database, drafts).numbers)
    database.dispose()
    return made


def follow(database: Database, done: threading.Event) -> dict[str, list[int]]:
    """Follow `next` while the writers write, and to the end after them: by id, the numbers that were seen."""
    seen: dict[str, list[int]] = {}
    url = f"{NODE}/v1/changes?afterChangeNumber=0"
    while True:
        last_round = done.is_set()
        onward, items = step(database, url)
        for item in items:
            seen.setdefault(item.id, []).append(item.modified)
        if onward == url:
            if last_round:
                return seen
            done.wait(0.005)
        url = onward


def missed_or_doubled(pool: Executor, database_url: str, changes: int) -> tuple[int, set[int], int]:
    """Let 8 writers write while a reader follows. Gives changes written, numbers never seen, numbers seen twice."""
    database, done = Database(database_url), threading.Event()
    start(database)
    found: list[dict[str, list[int]]] = []
    reader = threading.Thread(target=lambda: found.append(follow(database, done)))
    reader.start()
    try:
        with pool:
            parts = [pool.submit(write_many, database_url, writer, changes // WRITERS) for writer in range(WRITERS)]
            written = sum(part.result() for part in parts)
    finally:
        done.set()
        reader.join()
    numbers = sorted(number for each in found[0].values() for number in each)
    with database.read() as session:
        current = {entry.number for entry in log.after(session, 0, limit=10**9)}
        latest = log.latest(session)
    database.dispose()
    assert latest == written + 1
    return written, current - set(numbers), len(numbers) - len(set(numbers))


def test_t19_a_reader_misses_nothing_while_eight_write(database_url: str) -> None:
    """5,000 changes by 8 writers: the reader that follows next sees each current number, and none twice."""
    assert missed_or_doubled(ThreadPoolExecutor(WRITERS), database_url, 5_000) == (5_000, set(), 0)


@pytest.mark.prove
def test_t19_a_reader_misses_nothing_of_a_great_many(database_url: str) -> None:
    """50,000 changes (500,000 for a release) by 8 processes: none missed, none twice."""
    changes = sized(50_000, 500_000)
    pool = ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn"))
    written, missed, doubled = missed_or_doubled(pool, database_url, changes)
    on = f"{database_url.partition(':')[0].partition('+')[0]}, {WRITERS} writers, {written:,} changes"
    figure("T19", f"{on}: missed / seen twice by who follows the feed", f"{len(missed)} / {doubled}", goal="0 / 0")
    assert (written, missed, doubled) == (changes, set(), 0)


def test_the_organisation_record_is_change_1(database: Database) -> None:
    """The first thing that a log says is who publishes."""
    start(database)
    with database.read() as session:
        (first,) = log.after(session, 0)
    assert (first.number, first.kind, first.id) == (1, "organisation", f"{PREFIX}organisation/{PUBLISHER}")


def test_equal_data_is_no_change(database: Database) -> None:
    """The same members in another order and spacing are the same data: no number is used."""
    start(database)
    append(database, [draft("A", "one")])
    same = log.Draft(f"{PREFIX}contract/A", "contract", PUBLISHER, b'{ "title" : "one", "reference":"A" }')
    assert append(database, [same]).unchanged == [same.id]
    assert append(database, [draft("A", "two")]).numbers == {same.id: 3}
    with database.read() as session:
        assert log.latest(session) == 3


def test_one_is_not_true_and_1_is_not_1_0(database: Database) -> None:
    """Values that Python takes for equal are different data."""
    start(database)
    made = [b'{"reference":"A","n":1}', b'{"reference":"A","n":true}', b'{"reference":"A","n":1.0}']
    for data in made:
        assert append(database, [log.Draft(f"{PREFIX}contract/A", "contract", PUBLISHER, data)]).numbers


def test_a_tombstone_takes_the_records_place_and_its_history_is_kept(database: Database) -> None:
    """A record stands once, at its latest number; what is not there cannot be withdrawn."""
    start(database)
    append(database, [draft("A", "one"), draft("B", "one")])
    gone = append(database, [draft("A", None, "ended"), draft("Z", None, "ended")])
    assert gone.deleted == [f"{PREFIX}contract/A"]
    assert gone.unchanged == [f"{PREFIX}contract/Z"]
    assert append(database, [draft("A", None, "error")]).unchanged == [f"{PREFIX}contract/A"]
    with database.read() as session:
        found = log.after(session, 1)
    assert [(entry.id[-1], entry.number, entry.reason) for entry in found] == [("B", 3, None), ("A", 4, "ended")]


def test_a_withdrawn_record_can_be_published_again(database: Database) -> None:
    """After its tombstone the same id is a new creation, with the tombstone's reason gone."""
    start(database)
    append(database, [draft("A", "one")])
    append(database, [draft("A", None, "error")])
    assert append(database, [draft("A", "one")]).created == [f"{PREFIX}contract/A"]
    with database.read() as session:
        (entry,) = log.after(session, 1)
    assert (entry.number, entry.reason, entry.data is not None) == (4, None, True)


def test_what_is_rolled_back_uses_no_number(database: Database) -> None:
    """A transaction that fails leaves neither records nor a gap."""
    start(database)

    def fail() -> None:
        with database.write() as session:
            log.append(session, [draft("A", "one")], node=NODE_ID, now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert append(database, [draft("B", "one")]).numbers == {f"{PREFIX}contract/B": 2}


EDITS = st.lists(
    st.tuples(st.sampled_from("ABCDEF"), st.sampled_from([None, "one", "two"]), st.booleans()), min_size=1, max_size=40
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(edits=EDITS, size=st.integers(1, 4))
def test_any_history_read_page_by_page_gives_the_final_state(
    database: Database, edits: list[tuple[str, str | None, bool]], size: int
) -> None:
    """Whatever is edited, between pages too, a reader that follows next ends with what the log holds."""
    with database.read() as session:
        begun = log.latest(session)
    if not begun:
        start(database)
        begun = 1
    held: dict[str, str | None] = {}
    cursor = begun

    def read_one() -> bool:
        nonlocal cursor
        with database.read() as session:
            found = log.after(session, cursor, limit=size)
        for entry in found:
            held[entry.id] = None if entry.data is None else orjson.loads(entry.data)["title"]
        cursor = found[-1].number if found else cursor
        return bool(found)

    touched: set[str] = set()
    for reference, title, read_between in edits:
        done = append(database, [draft(reference, title, "error" if title is None else None)])
        touched |= set(done.numbers)
        if read_between:
            read_one()
    while read_one():
        pass
    with database.read() as session:
        truth = {
            id_: None if entry.data is None else orjson.loads(entry.data)["title"]
            for id_, entry in log.entries(session, touched).items()
        }
    assert held == truth
