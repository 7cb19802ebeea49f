"""A list in the format that was asked for: one query, seven ways to say what it found.

JSON is a page; a feed is its newest hundred; CSV, XLSX and NDJSON are the whole list up to 10,000 records, a calendar
up to 1,000. What is longer goes on at `Link: rel="next"`, and `Folkmoot-Count` says how much there is in all: nothing
is cut off silently.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

import msgspec
import orjson
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from api import cursors, downloads, formats, queries
from api.calls import Call
from api.etags import unchanged
from api.negotiation import accepts_gzip
from api.params import Asked
from api.services import Services
from exchange import feeds
from exchange.summaries import label, summary
from federation import glance, lists
from federation.index import Hits, Slow, hurried
from federation.lists import Held, item_json

FEED, WHOLE, CALENDAR = 100, 10_000, 1_000
_LENGTHS = {"jsonfeed": FEED, "atom": FEED, "csv": WHOLE, "xlsx": WHOLE, "ndjson": WHOLE, "ics": CALENDAR}
_SMALL = 1_000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_LEVEL = 3
"""Of gzip: level 5 takes 1.7 times as long for a page that is a twelfth smaller."""


def answer(
    request: Request,
    here: Services,
    asked: Asked,
    *,
    kinds: Sequence[str],
    format: str | None,  # noqa: A002  the parameter's own name
    offered: Sequence[str],
) -> Response:
    """Answer a list, or 304 where the client has it. Raises `BadParameter`, `UnknownFormat`, `Busy`, `Slow`."""
    form = formats.choose(format, request.headers.get("accept"), offered)
    if form != "json" and hurried.get():
        raise Slow
    query = queries.query(asked, kinds, ranked=form == "json")
    if form != "json":
        query = replace(query, facets=(), limit=query.limit if asked.limit else _LENGTHS[form])
    bound = cursors.digest(request.scope["path"], query)
    if asked.cursor is not None:
        query = replace(query, after=cursors.decode(asked.cursor, bound))
    if form == "json":
        with glance.glance(here.database) as rows:
            return _answer(Call(request, here, None, rows, asked, kinds, form, query, bound))
    with here.database.read() as session:
        return _answer(Call(request, here, session, glance.of(session), asked, kinds, form, query, bound))


def _answer(call: Call) -> Response:
    heard, form = call.request.headers, call.format
    packed = form not in _DOWNLOADS and accepts_gzip(heard.get("accept-encoding"))
    headers = {"ETag": _tag(call, packed=packed), "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"}
    if unchanged(heard.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if form in _DOWNLOADS:
        return _DOWNLOADS[form](call, headers)
    body, hits, following = _BODIES[form](call)
    return _whole(call, headers | _around(call, hits, following), body, packed=packed)


def _tag(call: Call, *, packed: bool) -> str:
    """The answer's tag, known before the answer is made: what the index and the rows stand at, and what was asked."""
    parts = (
        call.here.index.stamp(),
        lists.state(call.rows),
        call.path,
        call.request.scope["query_string"].decode("latin-1"),
        call.format,
        call.here.version,
        call.here.title,
    )
    digest = blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
    return f'"{digest}-gz"' if packed else f'"{digest}"'


def _around(call: Call, hits: Hits, following: str | None) -> dict[str, str]:
    links = [f'<{call.here.license}>; rel="license"']
    if following:
        links.insert(0, f'<{following}>; rel="next"')
    told = {"Link": ", ".join(links), "Folkmoot-Count": str(hits.count)}
    if call.format in ("csv", "xlsx", "ndjson", "ics"):
        name = call.path.rpartition("/")[2]
        told["Content-Disposition"] = f'attachment; filename="{name}.{call.format}"'
    return told


def _whole(call: Call, headers: Mapping[str, str], body: bytes, *, packed: bool) -> Response:
    sent = dict(headers)
    if packed and len(body) > _SMALL:
        body = gzip.compress(body, _LEVEL, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, headers=sent, media_type=formats.content_type(call.format))


Made = tuple[bytes, Hits, str | None]
"""A body, what it was made of, and the address of the next page."""


def _json(call: Call) -> Made:
    found = lists.find(call.rows, call.here.index, call.query)
    hits, following = found.hits, call.following(found.hits)
    tail: dict[str, Any] = {"next": following, "count": {"value": hits.count, "exact": hits.exact}}
    if call.query.facets:
        tail["facets"] = hits.facets  # each has the members that the protocol gives it
    items = b",".join([item_json(item) for item in found.items])
    return b'{"items":[' + items + b"]," + msgspec.json.encode(tail)[1:], hits, following


def _feed(call: Call) -> tuple[feeds.Feed, list[feeds.Entry], Hits]:
    found = lists.find(call.rows, call.here.index, call.query)
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
        next=call.following(found.hits),
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


def _json_feed(call: Call) -> Made:
    feed, entries, hits = _feed(call)
    return feeds.json_feed(feed, entries), hits, feed.next


def _atom(call: Call) -> Made:
    from exchange.atom import atom  # noqa: PLC0415 - XML is for few readers: a start does not wait for it

    feed, entries, hits = _feed(call)
    return atom(feed, entries), hits, feed.next


def _calendar(call: Call) -> Made:
    from exchange import calendar  # noqa: PLC0415 - the library of calendars: a server starts without it

    hits = call.here.index.search(call.query)
    items = list(lists.held(call.rows, hits.rows))
    names = lists.names(call.session, {item.publisher for item in items})
    dated = (
        calendar.Dated(
            item.entry.id, item.entry.kind, item.data, names.get(item.publisher, item.publisher), _published(item)
        )
        for item in items
    )
    return calendar.calendar(call.title, call.url, dated), hits, call.following(hits)


def _table(call: Call, headers: Mapping[str, str]) -> Response:
    """The whole list as a table, made once for all who are told the same tag: it says all that the table depends on."""
    from exchange import columns, xlsx  # noqa: PLC0415 - a start does not wait for what makes tables

    table_of = {"csv": columns.csv_lines, "xlsx": xlsx.workbook}[call.format]

    def make() -> downloads.Written:
        hits = call.here.index.search(call.query)
        table = table_of(downloads.lines(call.here.database, hits.rows))
        return downloads.write(table, {**headers, **_around(call, hits, call.following(hits))})

    files: downloads.Downloads = call.request.app.state.downloads
    return downloads.Download(files, headers["ETag"], make, formats.content_type(call.format))


def _ndjson(call: Call, headers: Mapping[str, str]) -> Response:
    """The whole list, streamed. Which records it holds is settled before the first byte, so the headers are true."""
    hits = call.here.index.search(call.query)
    parts = downloads.in_blocks(line + b"\n" for line in downloads.lines(call.here.database, hits.rows))
    sent = {**headers, **_around(call, hits, call.following(hits))}
    return StreamingResponse(parts, headers=sent, media_type=formats.content_type(call.format))


_DOWNLOADS = {"csv": _table, "xlsx": _table, "ndjson": _ndjson}
_BODIES = {"json": _json, "jsonfeed": _json_feed, "atom": _atom, "ics": _calendar}
