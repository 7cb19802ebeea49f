"""OpenSearch without a cluster: addresses, answers that are refused, and a cluster that is away."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from federation.database import Database
from federation.follow import Follower
from federation.index import Query
from federation.opensearch.address import Address, read
from federation.opensearch.cluster import Away, Broken, Clashed, Cluster, Late, Missing
from federation.opensearch.store import Store
from federation.opensearch_index import OpenSearchIndex
from federation.tantivy_index import TantivyIndex
from folkmoot import wiring
from folkmoot.settings import Settings
from schema.errors import Busy, Misconfigured
from tests.services import client, make_services

AWAY = Address((("127.0.0.1", 9),), "moot", secure=False)
Reply = tuple[int, Any]


def _clustered(folder: Path) -> Settings:
    return Settings.model_validate({"data_dir": folder, "index_url": "http://127.0.0.1:9/moot"})


@pytest.fixture
def engine_name() -> str:
    """Return the one database that these tests need."""
    return "sqlite"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://search.example/moot", Address((("search.example", 443),), "moot")),
        ("http://[::1]:9200,b:9201/a-b_1/", Address((("::1", 9200), ("b", 9201)), "a-b_1", secure=False)),
        (
            "https://me:p%40ss@a:1,b:2/moot?shards=12&replicas=0&ca=/etc/ca.pem",
            Address((("a", 1), ("b", 2)), "moot", account=("me", "p@ss"), shards=12, replicas=0, ca="/etc/ca.pem"),
        ),
    ],
)
def test_an_address_says_servers_name_and_options(url: str, wanted: Address) -> None:
    """Servers joined by commas, account, name, shards, replicas and certificates stand in one URL."""
    assert read(url) == wanted
    assert "p@ss" not in wanted.told


@pytest.mark.parametrize(
    "url",
    ["", "moot", "ftp://a/moot", "http://a", "http://a/Moot", "http://a/-moot", "http://a/m/b", "http://:9200/moot",
     "http://a:port/moot", "http://a:99999/moot", "http://a,/moot", "http://a/m?shards=0", "http://a/m?shards=x",
     "http://a/m?parts=2", "http://a/m?shards=2&shards=3", "http://a/m?replicas=-1", "http://a/m?ca=", "http://a/m#x"],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_told_without_its_password(url: str) -> None:
    """What is no address is a setting to be changed; the sentence says the form and repeats nothing."""
    with pytest.raises(Misconfigured, match="FOLKMOOT_INDEX_URL cannot be read") as told:
        read(url.replace("://", "://me:secret@") if url.startswith("http://a") else url)
    assert "secret" not in told.value.detail


def test_the_setting_chooses_the_engine(tmp_path: Path) -> None:
    """Without an address the index is a folder, with one a cluster; nothing is asked before it is needed."""
    own = wiring.index(Settings.model_validate({"data_dir": tmp_path}))
    assert isinstance(own, TantivyIndex)
    own.close()
    other = wiring.index(_clustered(tmp_path))
    assert isinstance(other, OpenSearchIndex)
    other.close()


def test_without_the_extra_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator who sets the address without the library is told which extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "federation.opensearch_index", None)
    with pytest.raises(Misconfigured, match=r"folkmoot\[opensearch\]"):
        wiring.index(_clustered(tmp_path))


def test_a_cluster_that_is_away_is_busy() -> None:
    """Whatever is asked of a cluster that cannot be reached is `Busy` with its address; letting go is no error."""
    index = OpenSearchIndex(AWAY)
    asks: list[Callable[[], object]] = [
        index.claim, index.refresh, index.count, lambda: index.search(Query()), lambda: list(index.identities(0, 9)),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(Busy, match=r"http://127\.0\.0\.1:9/moot cannot be reached"):
            ask()
    assert (index.reached(), index.stamp()) == (None, "")
    index.release()
    index.close()


def test_a_server_outlives_its_cluster(database: Database, tmp_path: Path) -> None:
    """Without the cluster searches are 503 with a sentence and the rest is served; health says that the index fails."""
    services = make_services(database, tmp_path)
    index = OpenSearchIndex(AWAY)
    object.__setattr__(services, "index", index)
    object.__setattr__(services, "follower", Follower(database, index))
    with client(create_app(services)) as asked:
        found = asked.get("/v1/contracts")
        assert (found.status_code, found.headers["retry-after"]) == (503, "5")
        assert found.json()["detail"] == "The search index cannot be asked now. Try again in a moment."
        assert "127.0.0.1" not in found.text.replace(found.json()["instance"], "")
        assert asked.get("/v1/changes").status_code == 200
        assert asked.get("/metrics").status_code == 200
        ready = asked.get("/health/ready")
        checks = {name: check["status"] for name, check in ready.json()["checks"].items()}
        assert (ready.status_code, checks["database"], checks["index"]) == (503, "ok", "failing")
        deadline = time.monotonic() + 20
        while "cannot be reached" not in services.follower.problem:
            assert time.monotonic() < deadline
            time.sleep(0.05)


class Canned:
    """A server on loopback that answers with what it is told to, one answer after the other, the last for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.delay = 0.0
        self.asked: list[str] = []
        canned = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                canned.asked.append(self.path)
                time.sleep(canned.delay)
                status, body = canned.replies.pop(0) if len(canned.replies) > 1 else canned.replies[0]
                sent = json.dumps(body).encode()
                with suppress(BrokenPipeError):  # who did not wait
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base class calls it so
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.cluster = Cluster(Address((("127.0.0.1", self.server.server_port),), "moot", secure=False))


@pytest.fixture
def canned() -> Iterator[Canned]:
    """Yield a server that answers as a test wants."""
    made = Canned()
    yield made
    made.cluster.close()
    made.server.shutdown()
    made.server.server_close()


def _error(kind: str) -> dict[str, Any]:
    return {"error": {"type": kind, "root_cause": [{"type": kind}]}}


GOOD = {"hits": {"hits": []}, "status": 200}


@pytest.mark.parametrize(
    ("answer", "raised", "told"),
    [
        ({"timed_out": True, "hits": {"hits": []}}, Busy, "costs more than its budget of 2 seconds"),
        (_error("too_many_clauses") | {"status": 400}, Busy, "costs more than its budget"),
        (_error("circuit_breaking_exception") | {"status": 429}, Busy, "costs more than its budget"),
        (_error("index_not_found_exception") | {"status": 404}, Missing, "no such index"),
        (_error("search_phase_execution_exception") | {"status": 503}, Broken, "could not answer"),
    ],
)
def test_an_answer_that_is_not_whole_is_none(canned: Canned, answer: Any, raised: type[Busy], told: str) -> None:
    """A search that ran out of time, cost too much or lacks a part is refused, however many others were answered."""
    canned.replies = [(200, {"responses": [GOOD, answer]})]
    with pytest.raises(raised, match=told):
        canned.cluster.search("moot-v1-x", [{}, {}])


def test_a_search_is_tried_again_where_a_part_did_not_answer(canned: Canned) -> None:
    """Shards whose server has just gone are asked elsewhere a moment later; the caller does not see it."""
    lost = _error("search_phase_execution_exception") | {"status": 503}
    canned.replies = [(200, {"responses": [lost]}), (200, {"responses": [GOOD]})]
    assert canned.cluster.search("moot-v1-x", [{}]) == [GOOD]
    assert len(canned.asked) == 2


@pytest.mark.parametrize(
    ("reply", "raised", "told"),
    [
        ((404, _error("index_not_found_exception")), Missing, "has no /x"),
        ((409, _error("version_conflict_engine_exception")), Clashed, "changed by another process"),
        ((400, _error("resource_already_exists_exception")), Clashed, "made by another process"),
        ((400, _error("illegal_argument_exception")), Away, "answered 400: illegal_argument_exception"),
        ((401, _error("security_exception")), Away, "refuses our account"),
        ((500, _error("oops")), Away, "answered 500"),
    ],
)
def test_each_error_is_named_by_what_to_do(canned: Canned, reply: Reply, raised: type[Busy], told: str) -> None:
    """What is not there, what somebody else changed, and everything else that can only be tried again."""
    canned.replies = [reply]
    with pytest.raises(raised, match=told) as found:
        canned.cluster.ask("POST", "/x", {})
    assert found.value.public == "The search index cannot be asked now. Try again in a moment."


def test_an_answer_that_does_not_come_in_time_is_late(canned: Canned) -> None:
    """Who waits in vain is told so within the time that was given, and may send the same again."""
    canned.delay = 1.0
    canned.replies = [(200, {})]
    with pytest.raises(Late, match="did not answer in time"):
        canned.cluster.ask("POST", "/x", {}, patience=0.1)


class Halting(Store):
    """Takes every second bulk request late, and says of one document once that there is too much to do."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, "moot-v1-x", insist=lambda: None, done=lambda _: None)
        self.turn = 0
        self.sent: list[str] = []

    def _bulk(self, chunk: list[tuple[str, bytes | None]], version: int) -> list[int]:
        assert version == 7
        self.turn += 1
        if self.turn % 2:
            raise Late
        if self.turn == 2:
            return [200, 429, 409]
        self.sent += [name for name, _ in chunk]
        return [200] * len(chunk)


def test_what_was_not_taken_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bulk request that is late comes again whole, of one that is partly refused the rest; newer is left alone."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    store = Halting(Cluster(AWAY))
    store._staged = {"a": b"1", "b": b"2", "c": None}
    assert list(store._send(7)) == [("c", None)]
    assert store.sent == ["b"]
    with pytest.raises(Busy, match=r"did not take 1 documents \(.*rebuild"):
        list(Hopeless(store.cluster)._send(7))


class Hopeless(Halting):
    """Takes nothing."""

    def _bulk(self, chunk: list[tuple[str, bytes | None]], version: int) -> list[int]:
        return [503 for _ in chunk if version]

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._staged = {"a": b"1"}
