"""A list in the format that was asked for: one query, six ways to say what it found.

JSON is a page; a feed is its newest hundred; CSV and NDJSON are the whole list up to 10,000 records, a calendar up to
1,000. What is longer goes on at `Link: rel="next"`, and `Folkmoot-Count` says how much there is in all: nothing is cut
off silently.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from api import cursors, downloads, formats, queries, titles
from api.etags import unchanged
from api.negotiation import accepts_gzip
from api.pages.view import site
from api.params import Asked
from api.services import Services
from exchange import columns, feeds
from exchange.summaries import label, summary
from federation import lists
from federation.database import ReadSession
from federation.index import Facet, Hits, Query
from federation.lists import Held, item_json

FEED, WHOLE, CALENDAR = 100, 10_000, 1_000
_LENGTHS = {"jsonfeed": FEED, "atom": FEED, "csv": WHOLE, "ndjson": WHOLE, "ics": CALENDAR}
_SMALL = 1_000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_LEVEL = 3
"""Of gzip: level 5 takes 1.7 times as long for a page that is a twelfth smaller."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a list, read: where, what, in which format."""

    request: Request
    here: Services
    session: ReadSession
    asked: Asked
    kinds: Sequence[str]
    format: str
    query: Query
    bound: str

    @property
    def url(self) -> str:
        """The request's own address at the public URL, the format in it."""
        changes = {"format": self.format} if self.format != "json" else {}
        return _url(self, **changes)

    @property
    def title(self) -> str:
        """What a person would call this list."""
        names = lists.names(self.session, self.asked.publisher or ())
        return titles.title(self.asked, self.kinds, names, self.site)

    @property
    def site(self) -> str:
        """Who serves."""
        return site(self.here, self.session).name


def answer(
    request: Request,
    here: Services,
    session: ReadSession,
    asked: Asked,
    *,
    kinds: Sequence[str],
    format: str | None,  # noqa: A002  the parameter's own name
    offered: Sequence[str],
) -> Response:
    """Answer a list, or 304 where the client has it. Raises `BadParameter`, `UnknownFormat`, `Busy`."""
    form = formats.choose(format, request.headers.get("accept"), offered)
    query = queries.query(asked, kinds, ranked=form == "json")
    if form != "json":
        query = replace(query, facets=(), limit=query.limit if asked.limit else _LENGTHS[form])
    bound = cursors.digest(request.url.path, query)
    if asked.cursor is not None:
        query = replace(query, after=cursors.decode(asked.cursor, bound))
    call = Call(request, here, session, asked, kinds, form, query, bound)
    packed = form not in _DOWNLOADS and accepts_gzip(request.headers.get("accept-encoding"))
    headers = {"ETag": _tag(call, packed=packed), "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"}
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if form in _DOWNLOADS:
        return _DOWNLOADS[form](call, headers)
    body, hits = _BODIES[form](call)
    return _whole(call, headers | _around(call, hits), body, packed=packed)


def _tag(call: Call, *, packed: bool) -> str:
    """The answer's tag, known before the answer is made: what the index and the rows stand at, and what was asked."""
    parts = (
        call.here.index.stamp(),
        lists.state(call.session),
        call.request.url.path,
        call.request.url.query,
        call.format,
        call.here.version,
        call.here.title,
    )
    digest = blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
    return f'"{digest}-gz"' if packed else f'"{digest}"'


def _url(call: Call, **changes: str) -> str:
    kept = [(name, value) for name, value in call.request.query_params.multi_items() if name not in changes]
    query = urlencode([*kept, *changes.items()])
    return call.here.public_url + call.request.url.path + (f"?{query}" if query else "")


def _next(call: Call, hits: Hits) -> str | None:
    return _url(call, cursor=cursors.encode(hits.next, call.bound)) if hits.next else None


def _around(call: Call, hits: Hits) -> dict[str, str]:
    links = [f'<{call.here.license}>; rel="license"']
    following = _next(call, hits)
    if following:
        links.insert(0, f'<{following}>; rel="next"')
    told = {"Link": ", ".join(links), "Folkmoot-Count": str(hits.count)}
    if call.format in ("csv", "ndjson", "ics"):
        name = call.request.url.path.rpartition("/")[2]
        told["Content-Disposition"] = f'attachment; filename="{name}.{call.format}"'
    return told


def _whole(call: Call, headers: Mapping[str, str], body: bytes, *, packed: bool) -> Response:
    sent = dict(headers)
    if packed and len(body) > _SMALL:
        body = gzip.compress(body, _LEVEL, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, headers=sent, media_type=formats.content_type(call.format))


def _json(call: Call) -> tuple[bytes, Hits]:
    found = lists.find(call.session, call.here.index, call.query)
    hits = found.hits
    tail: dict[str, Any] = {"next": _next(call, hits), "count": {"value": hits.count, "exact": hits.exact}}
    if call.query.facets:
        tail["facets"] = {name: _facet(facet) for name, facet in hits.facets.items()}
    items = b",".join(item_json(item) for item in found.items)
    return b'{"items":[' + items + b"]," + orjson.dumps(tail)[1:], hits


def _facet(facet: Facet) -> Mapping[str, Any]:
    items = [{"value": item.value, "label": item.label, "count": item.count} for item in facet.items]
    return {"items": items, "other": facet.other, "exact": facet.exact}


def _feed(call: Call) -> tuple[feeds.Feed, list[feeds.Entry], Hits]:
    found = lists.find(call.session, call.here.index, call.query)
    changed = [item.changed for item in found.items]
    names = lists.names(call.session, {item.publisher for item in found.items})
    feed = feeds.Feed(
        title=call.title,
        url=call.url,
        home=_home(call),
        site=call.site,
        license=call.here.license,
        updated=max(changed, default=None) or lists.last_changed(call.session) or _NEVER,
        language=call.here.languages[0],
        next=_next(call, found.hits),
    )
    return feed, [_entry(item, names) for item in found.items], found.hits


def _entry(item: Held, names: Mapping[str, str]) -> feeds.Entry:
    data = item.data
    return feeds.Entry(
        id=item.entry.id,
        title=label(data),
        text=summary(data),
        author=names.get(item.publisher, item.publisher),
        tag=item.entry.kind,
        published=_published(item),
        updated=item.changed,
        record=item_json(item),
    )


def _published(item: Held) -> str:
    return str(orjson.loads(item.entry.origin).get("time", ""))


def _home(call: Call) -> str:
    """The page for people that shows the same list."""
    kept = [(n, v) for n, v in call.request.query_params.multi_items() if n not in ("format", "cursor", "kind")]
    return f"{call.here.public_url}/search?{urlencode([*(('kind', kind) for kind in call.kinds), *kept])}"


def _json_feed(call: Call) -> tuple[bytes, Hits]:
    feed, entries, hits = _feed(call)
    return feeds.json_feed(feed, entries), hits


def _atom(call: Call) -> tuple[bytes, Hits]:
    feed, entries, hits = _feed(call)
    return feeds.atom(feed, entries), hits


def _calendar(call: Call) -> tuple[bytes, Hits]:
    from exchange import calendar  # noqa: PLC0415 - the library of calendars: a server starts without it

    hits = call.here.index.search(call.query)
    items = list(lists.held(call.session, hits.rows))
    names = lists.names(call.session, {item.publisher for item in items})
    dated = (
        calendar.Dated(
            item.entry.id, item.entry.kind, item.data, names.get(item.publisher, item.publisher), _published(item)
        )
        for item in items
    )
    return calendar.calendar(call.title, call.url, dated), hits


def _csv(call: Call, headers: Mapping[str, str]) -> Response:
    """The whole list as a table, made once for all who are told the same tag: it says all that the table depends on."""

    def make() -> downloads.Written:
        hits = call.here.index.search(call.query)
        table = columns.csv_lines(downloads.lines(call.here.database, hits.rows))
        return downloads.write(table, {**headers, **_around(call, hits)})

    files: downloads.Downloads = call.request.app.state.downloads
    return downloads.Download(files, headers["ETag"], make, formats.content_type(call.format))


def _ndjson(call: Call, headers: Mapping[str, str]) -> Response:
    """The whole list, streamed. Which records it holds is settled before the first byte, so the headers are true."""
    hits = call.here.index.search(call.query)
    parts = downloads.in_blocks(line + b"\n" for line in downloads.lines(call.here.database, hits.rows))
    sent = {**headers, **_around(call, hits)}
    return StreamingResponse(parts, headers=sent, media_type=formats.content_type(call.format))


_DOWNLOADS = {"csv": _csv, "ndjson": _ndjson}
_BODIES = {"json": _json, "jsonfeed": _json_feed, "atom": _atom, "ics": _calendar}
