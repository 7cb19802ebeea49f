"""Who a node is while it is visited: as it was pinned, and what its manifest says, asked anew when that is due.

docs/decisions/0010 says when. An idle visit is then one request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import select

from federation import leases, nodes, told
from federation.database import Reading, WriteSession, table
from federation.identity import read_manifest
from federation.leases import Lease
from federation.nodes import Known
from federation.seam import Get
from schema.errors import LeaseLost, Refused
from schema.manifest import Manifest
from schema.tables import Feed

MANIFEST_EVERY = timedelta(minutes=50)
"""How long the pinned manifest is taken as it stands: with the wait for the next visit, about an hour at most."""
_feed = table(Feed)
_PLAIN_ETAG = 300
_NO_CACHE = {"Cache-Control": "no-cache"}
T = TypeVar("T")


class Write(Protocol):
    """Runs SQL in a transaction of its own and gives what came of it."""

    async def __call__(self, work: Callable[[WriteSession], T]) -> T:
        """Raise what the work raises."""
        ...


@dataclass(slots=True)
class Papers:
    """A node as it is known. `asked` is whether its manifest came from the node itself within this visit."""

    known: Known
    lease: Lease
    etag: str | None
    at: datetime | None
    asked: bool = False
    _read: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """What the manifest says. Raises `Refused` where the pinned one can no longer be read."""
        if self._read is None:
            self._read = read_manifest(self.known.manifest, self.known.url)
        return self._read

    def due(self, lease: Lease, now: datetime) -> bool:
        """Whether to ask before the feed is read: after a while, after a failure, for a node that is not well."""
        unwell = lease.fails > 0 or lease.reconciling or self.known.state != "active"
        return unwell or self.at is None or not self.at <= now < self.at + MANIFEST_EVERY

    async def ask(self, get: Get, write: Write, *, now: datetime, afresh: bool) -> None:
        """Ask the node for its manifest and take over what may change in it. Raises what `get` does, and `Refused`.

        `afresh` is past every cache: the feed and the manifest as we have it do not agree.
        """
        known = self.known
        held = {"If-None-Match": self.etag} if self.etag else {}
        answer = await get(known.url, _NO_CACHE if afresh else held)
        if answer.status != 304:
            body = await answer.small()
            manifest = own(body, known.url, known.key)
            if not nodes.unchanged(known, manifest, body):
                self.known = await self._taken(write, manifest, body, now)
            self._read, self.etag = manifest, plain_etag(answer.headers.get("etag"))
        self.at, self.asked = now, True

    async def _taken(self, write: Write, manifest: Manifest, body: bytes, now: datetime) -> Known:
        """Take a manifest over. Of one that a person must look at first the ends of keys count, and are kept at once.

        They have a transaction of their own: what is refused is rolled back.
        """
        try:
            return await write(lambda session: self._take_over(session, manifest, body, now))
        except Refused as error:
            if error.rule == told.IDENTITY_CHANGED:
                await write(lambda session: self._hear_keys(session, manifest, now))
            raise

    def _take_over(self, session: WriteSession, manifest: Manifest, body: bytes, now: datetime) -> Known:
        """By what is known of the node now: an operator may have granted a prefix since the visit began."""
        leases.hold(session, self.lease)
        return nodes.refresh(session, nodes.lock(session, self.known), manifest, body, now=now)

    def _hear_keys(self, session: WriteSession, manifest: Manifest, now: datetime) -> None:
        """By which the pinned manifest is out of date: from now on it is asked for in full, not whether it stands."""
        leases.hold(session, self.lease)
        if nodes.hear_keys(session, nodes.lock(session, self.known), manifest, now=now):
            leases.change(session, self.lease, manifest_etag=None)

    def columns(self) -> dict[str, Any]:
        """What the feed's row remembers of it."""
        return {"manifest_at": self.at, "manifest_etag": self.etag} if self.asked else {}


def load(session: Reading, lease: Lease) -> Papers:
    """A node as it stands in the database. Raises `LeaseLost` where it was removed."""
    chosen = select(_feed.c.manifest_etag, _feed.c.manifest_at).where(_feed.c.id == lease.feed_id)
    row = session.connection().execute(chosen).one_or_none()
    if row is None:
        raise LeaseLost
    return Papers(nodes.load(session, lease.node_id), lease, row.manifest_etag, row.manifest_at)


def plain_etag(etag: str | None) -> str | None:
    """An ETag that can be stored and sent again."""
    return etag if etag and len(etag) <= _PLAIN_ETAG and etag.isprintable() else None


def own(body: bytes, url: str, key: str) -> Manifest:
    """Read the manifest of a node that is pinned as `key`. Raises `Refused`; another id is another identity."""
    try:
        return read_manifest(body, url)
    except Refused as error:
        if error.rule != "manifest-id":
            raise
        what = f"{error.detail} {nodes.MOVED.format(key)}"
        raise Refused(told.IDENTITY_CHANGED, what, error.pointer) from error
