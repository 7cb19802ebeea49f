"""Origins that are heard of through relays: whose prefixes are whose (protocol section 5).

An origin's prefixes come from its own manifest, fetched through the door and kept; where it cannot be reached, from
the relay's list of members, and then the row says who vouched for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, select

from federation.database import Reading, WriteSession, table, upsert
from federation.identity import prefixes_of, read_manifest, without_overlap
from federation.judge import Prefixes
from federation.seam import Get
from schema.errors import Crawling, Refused, Vanished
from schema.identifiers import prefixes_overlap, same_origin
from schema.manifest import Manifest
from schema.tables import Node, Origin, Publisher

_origin, _node, _publisher = table(Origin), table(Node), table(Publisher)
MEMBER_PAGES = 50
IN_VAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was learnt of an origin: its prefixes, and the relay that vouched where it was not the origin itself."""

    id: str
    prefixes: Prefixes
    vouched_by: str | None = None


async def learn(get: Get, node: str, *, relay: Manifest) -> Heard | None:
    """Ask the origin itself, else the relay's list of members. None where neither knows it.

    Raises `Later` where the relay's own list cannot be had just now: then nobody can say yet.
    """
    try:
        answer = await get(node)
        return Heard(node, prefixes_of(read_manifest(answer.body, node)))
    except Crawling:
        try:
            return await _vouched(get, node, relay)
        except (Refused, Vanished):
            return None


async def _vouched(get: Get, node: str, relay: Manifest) -> Heard | None:
    url = relay.members
    if url is None or not same_origin(url, relay.id):
        return None
    for _page in range(MEMBER_PAGES):
        items, url = _members((await get(url)).body, url)
        for item in items:
            if item.get("id") == node:
                return _copy(item.get("manifest"), node, relay.id)
        if url is None:
            break
    return None


def _members(body: bytes, url: str) -> tuple[list[dict[str, Any]], str | None]:
    try:
        page = orjson.loads(body)
        items = [item for item in page["items"] if isinstance(item, dict)]
        following = page.get("next")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise Refused("members", f"The list of members at {url} is not a list of nodes.") from error
    if isinstance(following, str) and following != url and same_origin(following, url):
        return items, following
    return items, None


def _copy(manifest: object, node: str, relay: str) -> Heard | None:
    try:
        return Heard(node, prefixes_of(read_manifest(orjson.dumps(manifest), node)), relay)
    except (Refused, orjson.JSONEncodeError):  # the second where it is nested so deeply that it cannot be written
        return None


def every(session: Reading, *, now: datetime) -> dict[str, Prefixes]:
    """The prefixes of all origins that are pinned or were heard of.

    One that was asked in vain within the last hour has none; after that it is not known again.
    """
    rows = session.connection().execute(select(_origin)).all()
    found = {r.id: orjson.loads(r.prefixes) for r in rows if r.prefixes != "{}" or now - r.fetched < IN_VAIN}
    pinned = session.connection().execute(select(_node.c.url, _node.c.prefixes))
    return found | {row.url: orjson.loads(row.prefixes) for row in pinned}


def remember(session: WriteSession, heard: Iterable[Heard], *, now: datetime) -> dict[str, Prefixes]:
    """Keep what was learnt, less the prefixes that others were pinned with first. Gives what each may publish under."""
    kept: dict[str, Prefixes] = {}
    rows = []
    for origin in heard:
        kept[origin.id] = without_overlap(origin.prefixes, taken(session, but=origin.id))
        text = orjson.dumps(dict(kept[origin.id])).decode()
        rows.append({"id": origin.id, "prefixes": text, "vouched_by": origin.vouched_by, "fetched": now})
        upsert(session, Origin, rows[-1:], ["id"])
    return kept


def taken(session: Reading, *, but: str, heard_too: bool = True) -> list[str]:
    """The prefixes that are spoken for: our own publishers', other nodes', and (heard of) other origins'."""
    own = session.connection().execute(select(_publisher.c.id_prefix)).scalars()
    pinned = session.connection().execute(select(_node.c.prefixes).where(_node.c.url != but)).scalars()
    heard: Iterable[str] = []
    if heard_too:
        heard = session.connection().execute(select(_origin.c.prefixes).where(_origin.c.id != but)).scalars()
    return [*own, *(prefix for text in (*pinned, *heard) for prefix in orjson.loads(text))]


def give_way(session: WriteSession, node: str, prefixes: Mapping[str, str]) -> None:
    """Forget what was heard of a node that is now pinned, and of origins that claim its prefixes."""
    for row in session.connection().execute(select(_origin)).all():
        claimed = orjson.loads(row.prefixes)
        if row.id == node or any(prefixes_overlap(one, other) for one in claimed for other in prefixes):
            session.connection().execute(delete(_origin).where(_origin.c.id == row.id))


def vouchers(session: Reading, nodes: Sequence[str]) -> dict[str, str]:
    """For those origins that a relay vouched for: who did."""
    chosen = select(_origin.c.id, _origin.c.vouched_by).where(
        _origin.c.id.in_(nodes), _origin.c.vouched_by.is_not(None)
    )
    return {row.id: row.vouched_by for row in session.connection().execute(chosen)}
