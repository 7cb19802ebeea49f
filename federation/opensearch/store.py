"""One index of the cluster and how far it goes: what is staged is kept here, and sent when it is committed.

Each write names as its version the change number up to which the log had been read (`external_gte`): a replay finds
what it would write, or something newer, and a writer that was thought dead cannot undo what its successor wrote. The
cluster remembers the versions of what was deleted too. How far the index reaches is a document beside it, written
after all copies of all shards show what it speaks of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from federation.documents import Document
from federation.index import Reached
from federation.opensearch.cluster import Cluster, Late, Missing
from federation.opensearch.template import key, source
from schema.errors import Busy

CHUNK = 2_000_000
"""Bytes of one bulk request."""
KEPT = 64_000_000
"""Bytes kept until the commit; what is more is sent before it, and seen no sooner for that."""
_PATIENCE = 20.0
"""Seconds to wait for one bulk request: less than it takes another process to become the writer (`lease.py`)."""
_TRIES = 5
_CONFLICT, _ABSENT = 409, 404
_HOPELESS = frozenset({400, 401, 403, 404})
_SENT = ("errors", "items.*.status", "items.*.error.reason", "items.*.error.type")


@dataclass(frozen=True, slots=True)
class Seen:
    """An index as one commit left it. Labels are remembered with it."""

    index: str
    reached: Reached
    labels: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """Changes with every commit and every rebuild."""
        return f"{self.index}.{self.reached.epoch}.{self.reached.number}"


def state_path(cluster: Cluster, name: str) -> str:
    """The path of a document that says how things stand: a lease, or how far an index goes."""
    return f"/{cluster.address.name}-state/_doc/{name}"


def writing(index: str) -> str:
    """The alias through which an index is written: a bulk to one that is gone must not bring it back."""
    return f"{index}.w"


def look(cluster: Cluster, index: str) -> Seen | None:
    """How far an index goes; None where nothing was committed to it."""
    try:
        found = cluster.ask("GET", state_path(cluster, index))["_source"]
    except Missing:
        return None
    return Seen(index, Reached(found["epoch"], found["number"]))


class Store:
    """The writer's end of one index. `insist` raises `Busy` when another process has become the writer."""

    def __init__(
        self,
        cluster: Cluster,
        index: str,
        *,
        insist: Callable[[], None],
        done: Callable[[Seen], None],
        kept: int = KEPT,
    ) -> None:
        self.cluster = cluster
        self.index = index
        self._insist = insist
        self._done = done
        self._most = kept
        self._staged: dict[str, bytes | None] = {}
        self._bytes = 0
        self._number = 0
        self._why = ""

    def stage(self, documents: Iterable[Document], gone: Iterable[str], *, new: bool = False) -> None:
        """Put documents in the place of those with their ids, take those that are gone out; `new` is passed over."""
        del new
        for name in gone:
            self._keep(key(name), None)
        for document in documents:
            self._number = max(self._number, document.number)
            self._keep(key(document.id), source(document))
        if self._bytes > self._most:
            self._staged = dict(self._send(self._number))
            self._bytes = sum(len(body or b"") for body in self._staged.values())

    def commit(self, reached: Reached) -> None:
        """Send what was staged, let it be seen, and say how far it reaches. Raises `Busy`; then all may come again."""
        for _ in self._send(reached.number):
            continue  # what stands there was written by one who had read further
        self._staged.clear()
        self._bytes = 0
        self._insist()
        self._refresh()
        self.cluster.ask(
            "PUT", state_path(self.cluster, self.index), {"epoch": reached.epoch, "number": reached.number},
            version=reached.number, version_type="external_gte",
        )  # fmt: skip
        self._done(Seen(self.index, reached))

    def forget(self) -> None:
        """Let go of what was staged and not sent."""
        self._staged.clear()
        self._bytes = 0

    def _keep(self, name: str, body: bytes | None) -> None:
        self._bytes += len(body or b"") - len(self._staged.get(name) or b"")
        self._staged[name] = body

    def _refresh(self) -> None:
        shards = self.cluster.ask("POST", f"/{self.index}/_refresh")["_shards"]
        if shards["failed"]:
            raise Busy(f"{shards['failed']} of {shards['total']} parts of the search index did not show the commit.")

    def _send(self, version: int) -> Iterator[tuple[str, bytes | None]]:
        """Send all that is staged at this version. Gives what the index holds at a later one."""
        left = list(self._staged.items())
        for tried in range(_TRIES):
            again = []
            for chunk in _chunks(left):
                self._insist()
                try:
                    statuses = self._bulk(chunk, version)
                except Late as error:  # the versions let it come twice
                    self._why = str(error)
                    again += chunk
                    continue
                for status, one in zip(statuses, chunk, strict=True):
                    if status == _CONFLICT:
                        yield one
                    elif status != _ABSENT and status >= 300:
                        again.append(one)
            if not again:
                return
            left = again
            time.sleep(0.2 * 2**tried)
        raise Busy(
            f"The search engine did not take {len(left)} documents ({self._why}). "
            "If a server that held the only copy of them is gone for good: folkmoot index rebuild."
        )

    def _bulk(self, chunk: list[tuple[str, bytes | None]], version: int) -> list[int]:
        lines = []
        for name, body in chunk:
            head = {"_id": name, "version": version, "version_type": "external_gte"}
            lines += [orjson.dumps({"delete": head})] if body is None else [orjson.dumps({"index": head}), body]
        found = self.cluster.ask(
            "POST", f"/{writing(self.index)}/_bulk", b"\n".join([*lines, b""]),
            require_alias=True, filter_path=",".join(_SENT),
            patience=_PATIENCE,
        )  # fmt: skip
        items = [item for one in found.get("items", ()) for item in one.values()]
        self._told(items)
        return [item["status"] for item in items]

    def _told(self, items: list[dict[str, object]]) -> None:
        """Raise where a document itself is at fault, or the index is gone: trying again would not help."""
        for item in items:
            if "error" in item and item["status"] in _HOPELESS:
                raise Busy(f"The search engine does not take a document of {self.index}: {item['error']}.")
            if "error" in item and item["status"] != _CONFLICT:
                self._why = f"{item['status']}: {item['error']}"


def _chunks(staged: list[tuple[str, bytes | None]]) -> Iterator[list[tuple[str, bytes | None]]]:
    chunk: list[tuple[str, bytes | None]] = []
    held = 0
    for one in staged:
        chunk.append(one)
        held += 100 + len(one[1] or b"")
        if held > CHUNK:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
