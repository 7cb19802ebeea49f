"""OpenSearch beneath the contract: late writers, leases, leftovers, words, vague counts, and nodes that are killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Self

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from federation.database import Database
from federation.follow import Follower, rebuild
from federation.index import Query, Reached, Terms
from federation.opensearch import facets, indices, store
from federation.opensearch.address import Address, read
from federation.opensearch.store import Store
from federation.opensearch_index import OpenSearchIndex
from federation.search.fields import analyser
from federation.verify import verify
from schema.errors import Busy
from tests.integration.search.corpus import found, organisation, publish, records, withdraw
from tests.integration.search.engines import EPOCH, contract, documents, put
from tests.opensearch.cluster import Cluster
from tests.waiting import until

pytestmark = pytest.mark.prove
SECONDS = 30.0


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def engine_name() -> str:
    """Return the one database that these tests need: the engine is what is tried here."""
    return "sqlite"


@pytest.fixture
def address(cluster_address: Callable[[str], Address]) -> Address:
    """Return the address of a new index."""
    return cluster_address(f"own-{secrets.token_hex(4)}")


@pytest.fixture
def open_index(address: Address) -> Iterator[Callable[..., OpenSearchIndex]]:
    """Yield what opens the index once more, as another process would."""
    with ExitStack() as opened:

        def make(**options: object) -> OpenSearchIndex:
            index = OpenSearchIndex(address, **options)  # type: ignore[arg-type]
            opened.callback(index.close)
            return index

        yield make


Open = Callable[..., OpenSearchIndex]


def test_the_index_follows_the_log(database: Database, open_index: Open) -> None:
    """Changes, tombstones, a publisher that moves and a database that was restored: the index is what the log says."""
    made = [*found(database), *records(Random(7), 120)]
    publish(database, made[3:])
    index = open_index()
    follower = Follower(database, index)
    assert follower.catch_up() == len(made)
    own = made[0]
    publish(database, [replace(own, data=organisation(own.publisher, "Zedshire", "Anglia"))])
    withdraw(database, made[10:20])
    follower.catch_up()
    of_it = [one for one in made if one.publisher == own.publisher and one not in made[10:20]]
    assert index.search(Query(filters=(Terms("region", ("anglia",)),))).count == len(of_it)
    compared = verify(database, index)
    assert (compared.differences, compared.records.total()) == (0, len(made) - 10)
    with database.write() as session:
        session.connection().execute(text("UPDATE meta SET value = 'another' WHERE key = 'epoch'"))
    follower.catch_up()
    reached = index.reached()
    assert reached is not None
    assert reached.epoch == "another"
    assert rebuild(database, open_index()) == reached.number
    assert verify(database, index).differences == 0


def test_a_late_writer_changes_nothing(open_index: Open) -> None:
    """A writer that was paused until another took its place writes no more; what it still sends is too old to count."""
    clock = Clock()
    first, second = open_index(clock=clock), open_index(clock=clock)
    put(first, [contract(1), contract(2)])
    late = first.claim()
    assert late is not None
    late.stage(documents([contract(1, "Late")], 3), [contract(2).id])
    assert second.claim() is None
    clock.now += SECONDS + 1
    assert second.claim() is not None
    put(second, [contract(1, "New"), contract(3)], first=4)
    with pytest.raises(Busy, match="Another process writes"):
        late.commit(Reached(EPOCH, 3))
    assert isinstance(late, Store)
    blind = Store(late.cluster, late.index, insist=lambda: None, done=lambda _: None)
    blind.stage(documents([contract(1, "Late")], 3), [contract(2).id, contract(3).id])
    with pytest.raises(Busy, match="changed by another"):
        blind.commit(Reached(EPOCH, 3))
    second.refresh()
    assert second.search(Query(words="late")).count == 0
    assert sorted(second.search(Query()).rows) == [4, 5]
    assert second.reached() == Reached(EPOCH, 5)


def test_a_lease_is_taken_when_its_holder_stands_still(open_index: Open) -> None:
    """Whoever renews keeps the lease however long others watch; who does not loses it after its whole length."""
    clock = Clock()
    first, second = open_index(clock=clock), open_index(clock=clock)
    assert first.claim() is not None
    for _ in range(5):
        clock.now += SECONDS / 2
        assert first.claim() is not None
        assert second.claim() is None
    clock.now += SECONDS - 1
    assert second.claim() is None
    clock.now += 2
    assert second.claim() is not None
    assert first.claim() is None


def test_what_a_killed_rebuild_left_is_taken_away(open_index: Open) -> None:
    """An index that nobody serves from goes when nobody has written to it for a while; one that is filled stays."""
    clock = Clock()
    index = open_index(clock=clock, left_seconds=600)
    put(index, [contract(1)])
    left, filled = indices.fresh(index.cluster), indices.fresh(index.cluster)
    sink = Store(index.cluster, filled, insist=lambda: None, done=lambda _: None)
    for step in range(15):
        clock.now += 61
        sink.stage(documents([contract(step)], step + 1), [])
        sink.commit(Reached(EPOCH, step + 1))
        assert index.claim() is not None
    held = index.cluster.ask("GET", f"/{index.address.name}-v*")
    assert filled in held
    assert left not in held
    assert len(held) == 2
    with pytest.raises(Busy):
        put_into(index, left)
    assert left not in index.cluster.ask("GET", f"/{index.address.name}-v*")


def put_into(index: OpenSearchIndex, name: str) -> None:
    """Write to an index of this name as a rebuild would."""
    sink = Store(index.cluster, name, insist=lambda: None, done=lambda _: None)
    sink.stage(documents([contract(1)]), [])
    sink.commit(Reached(EPOCH, 1))


def test_more_than_is_kept_is_sent_before_the_commit(open_index: Open) -> None:
    """What does not fit in memory goes ahead, unseen; what then stands at a later version is settled at the commit."""
    index = open_index()
    put(index, [contract(n, "Old") for n in range(50)])
    seen = index.claim()
    assert isinstance(seen, Store)
    ahead = Store(index.cluster, seen.index, insist=lambda: None, done=lambda _: None)
    ahead.stage(documents([contract(7, "Ahead")], 900), [])
    list(ahead._send(900))  # another writer, killed before it said how far it had come
    small = Store(index.cluster, seen.index, insist=lambda: None, done=index._committed, kept=10)
    small.stage(documents([contract(n, "New") for n in range(50)], 51), [contract(99).id])
    assert [len(body or b"") > 0 for body in small._staged.values()] == [True]
    assert index.search(Query(words="new")).count == 0
    small.commit(Reached(EPOCH, 1_000))
    assert index.search(Query(words="new")).count == 50
    assert index.search(Query(words="ahead old")).count == 0


def test_what_a_full_cluster_refuses_is_sent_again(open_index: Open) -> None:
    """A cluster that has no room for a request at this moment (429) is asked once more, and then it is an error."""
    index = open_index()
    put(index, [contract(1)])
    made = [contract(n, "Later " + "word " * 200) for n in range(200)]
    room(index, "5kb")
    with pytest.raises(Busy, match="429"):
        put(index, made, 1_000)
    later = threading.Timer(0.3, room, (index, None))
    later.start()
    put(index, made, 1_000)
    later.join()
    assert index.search(Query(words="later")).count == 200


def room(index: OpenSearchIndex, most: str | None) -> None:
    """Let the requests that the cluster is at have so much memory; None for as much as usual."""
    limit = {"network.breaker.inflight_requests.limit": most}
    index.cluster.ask("PUT", "/_cluster/settings", {"transient": limit})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=80) | st.text(alphabet="aàâæßøéŁ'\u2019\u0131-_.,;·2½①中日かกक्षي", max_size=40))
def test_words_are_taken_apart_as_tantivy_does(worded: tuple[OpenSearchIndex, str], typed: str) -> None:
    """The cluster's analyser and ours give the same words at the same places, for any text of settled characters.

    Not settled: what Unicode has added since 2002, of which Java and Rust know different parts, and the Turkish İ,
    which has one character in lower case there and two here.
    """
    typed = "".join(one for one in typed if one != "İ" and unicodedata.ucd_3_2_0.category(one) != "Cn")
    index, name = worded
    found = index.cluster.ask("POST", f"/{name}/_analyze", {"analyzer": "words", "text": typed or " "})["tokens"]
    ours = [(token.position, token.text) for token in analyser().pre_tokenize(typed).tokens]
    assert [(token["position"], token["token"]) for token in found] == ours


@pytest.fixture
def worded(open_index: Open) -> tuple[OpenSearchIndex, str]:
    """Return an index, and its name in the cluster."""
    index = open_index()
    put(index, [])
    return index, str(indices.current(index.cluster))


def test_a_count_that_may_be_wrong_is_asked_again_or_says_so(open_index: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that names too few values to count exactly is asked for all; where that is too few, exact is false."""
    index = open_index()
    made = [contract(n, suppliers=[{"name": f"Firm {n % 40:03}"}]) for n in range(200)]
    put(index, made)
    truth = index.search(Query(facets=("supplier",))).facets["supplier"]
    assert truth.exact
    assert (sum(item.count for item in truth.items), truth.other) == (100, 100)
    monkeypatch.setattr(facets, "MOST", 20)
    assert index.search(Query(facets=("supplier", "kind"))).facets["supplier"] == truth
    own = Query(filters=(Terms("supplier", ("firm-001",)),), facets=("supplier",))
    assert index.search(own).facets["supplier"] == truth
    monkeypatch.setattr(facets, "ALL", 20)
    vague = index.search(Query(facets=("supplier",))).facets["supplier"]
    assert not vague.exact


def test_a_lost_point_in_time_is_no_end(open_index: Open) -> None:
    """A page by relevance whose point in time is gone is read from the index as it is."""
    index = open_index()
    put(index, [contract(n) for n in range(30)])
    page = Query(words="parking", sort="relevance", limit=10)
    first = index.search(page)
    index.cluster.ask("DELETE", "/_search/point_in_time/_all")
    second = index.search(replace(page, after=first.next))
    assert len({*first.rows, *second.rows}) == 20


_CHILD = """
import sys
from federation import scan, staging
from federation.database import Database
from federation.follow import Follower
from federation.opensearch.address import read
from federation.opensearch_index import OpenSearchIndex
scan.BATCH, staging.COMMIT = 20, 40
follower = Follower(Database(sys.argv[1]), OpenSearchIndex(read(sys.argv[2]), lease_seconds=3))
follower.start()
print("following", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_loses_nothing(
    database_url: str, database: Database, address: Address, open_index: Open
) -> None:
    """After `kill -9` at any moment of following another process takes over, and the index equals the database."""
    made = [*found(database), *records(Random(7), 100)]
    publish(database, made[3:])
    url = f"http://{','.join(f'{host}:{port}' for host, port in address.hosts)}/{address.name}"
    dice = Random(13)
    for turn in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, database_url, url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], env={**os.environ},
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"following\n"
        others = [replace(one, id=f"{one.id}-{turn}") for one in records(dice, 400)]
        for start in range(0, 400, 100):
            publish(database, others[start : start + 100])
            time.sleep(dice.random() * 0.3)
        withdraw(database, others[:50])
        time.sleep(dice.random() * 2)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        child.stdin.close()
    index = open_index(lease_seconds=3)
    compared = verify(database, index, patience=60)
    assert compared.differences == 0
    assert compared.records.total() == index.count() == len(made) + 3 * 350


class Asking:
    """Threads that search again and again, and what came of it."""

    def __init__(self, index: OpenSearchIndex) -> None:
        self.index = index
        self.answers: list[float] = []
        self.failures: list[str] = []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        page = Query(words="parking", facets=("supplier", "kind"), sort="end")
        while not self._done.is_set():
            began = time.monotonic()
            try:
                self.index.search(page)
                self.answers.append(time.monotonic() - began)
            except Busy as error:
                self.failures.append(str(error))
            time.sleep(0.02)


def test_a_node_killed_while_written_to_and_asked_loses_nothing(cluster: Cluster, database: Database) -> None:
    """A node dies as in a power cut: searches go on, the follower goes on, and the index equals the database.

    Each node in its turn, the one that leads the cluster among them, under writes and searches; then it comes back.
    """
    address = read(f"http://{cluster.servers}/kill-{secrets.token_hex(4)}?shards=3&replicas=1")
    made = [*found(database), *records(Random(7), 200)]
    publish(database, made[3:])
    with closing(OpenSearchIndex(address)) as reader:
        follower = Follower(database, OpenSearchIndex(address))
        follower.catch_up()
        cluster.wait(len(cluster.names))  # the copies come after the index: until then a server may hold the only one
        with Asking(reader) as asking:
            follower.start()
            for name in cluster.names:
                _publish_and_kill(database, follower, cluster, name)
                until(lambda: verify(database, reader, patience=180).differences == 0, 300)
                cluster.start(name)
                cluster.wait(3)
        follower.stop()
        compared = verify(database, reader, patience=180)
        assert compared.differences == 0
        assert compared.records.total() == reader.count() == len(made) + 50 * 12 * len(cluster.names)
        reader.cluster.ask("DELETE", f"/{address.name}-*")
    told = {"answers": len(asking.answers), "slowest": max(asking.answers), "failures": asking.failures}
    print(orjson.dumps(told).decode())  # noqa: T201  a proof tells its figures
    slow = [one for one in asking.failures if "budget" in one or "in time" in one]  # a machine that is busy otherwise
    assert asking.failures == slow
    assert len(slow) <= len(asking.answers) // 20


def test_what_a_lost_server_alone_held_is_built_anew(
    cluster: Cluster, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an index has no second copy and a server is gone, the follower says what to do, and a rebuild does it."""
    monkeypatch.setattr(store, "_PATIENCE", 2.0)
    address = read(f"http://{cluster.servers}/alone-{secrets.token_hex(4)}?shards=3&replicas=0")
    publish(database, records(Random(7), 200))
    lost = cluster.names[0]
    with closing(OpenSearchIndex(address)) as index:
        follower = Follower(database, index)
        follower.catch_up()
        cluster.wait(len(cluster.names))
        cluster.kill(lost)
        try:
            publish(database, records(Random(8), 200))
            with pytest.raises(Busy, match=r"did not take \d+ documents .*folkmoot index rebuild"):
                follower.catch_up()
            rebuild(database, index)
            assert verify(database, index).differences == 0
        finally:
            cluster.start(lost)
            cluster.wait(len(cluster.names))
        index.cluster.ask("DELETE", f"/{address.name}-*")


def _publish_and_kill(database: Database, follower: Follower, cluster: Cluster, name: str) -> None:
    """Publish 600 records in twelve commits, and kill a node in the middle of it."""
    dice = Random(name)
    for turn in range(12):
        publish(database, [replace(one, id=f"{one.id}-{name}-{turn}") for one in records(dice, 50)])
        follower.nudge()
        time.sleep(dice.random() * 0.2)
        if turn == 4:
            cluster.kill(name)
