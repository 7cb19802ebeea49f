"""The change feed, to the letter of protocol sections 2 and 6: joined bytes, compressed once, cached a cursor."""

import gzip
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.deps import Here
from api.etags import tag, unchanged
from api.negotiation import JSON, accepts_gzip, preferred
from api.services import Services
from federation import log, publishers
from federation.database import ReadSession
from schema.change import MAX_NUMBER, NUMBER
from schema.errors import BadParameter
from schema.identifiers import KIND

router = APIRouter(tags=["Feeds"])
CACHE_BYTES = 64 * 1024 * 1024

After = Annotated[
    str,
    WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_NUMBER, "default": 0}),
    Query(
        alias="afterChangeNumber",
        description="The last change number that you have; 0 or nothing starts at the beginning.",
        openapi_examples={"start": {"value": 0}},
    ),
]
Kind = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z-]{0,39}$"}),
    Query(description="Only records of this kind.", openapi_examples={"contracts": {"value": "contract"}}),
]


@dataclass(frozen=True, slots=True)
class Stored:
    """A page as it is sent: plain and compressed, each with its own tag. `latest` is the log's number it belongs to."""

    latest: int
    body: bytes
    packed: bytes
    ended: bool
    etag: str
    packed_etag: str

    @property
    def size(self) -> int:
        """What it weighs in the cache."""
        return len(self.body) + len(self.packed)


class PageCache:
    """Pages by cursor and kind, the least recently used dropped first. A page is good while the log stands still."""

    def __init__(self, capacity: int = CACHE_BYTES) -> None:
        self._pages: OrderedDict[tuple[int, str | None], Stored] = OrderedDict()
        self._lock = threading.Lock()
        self._capacity = capacity
        self.size = 0

    def get(self, number: int, kind: str | None, latest: int) -> Stored | None:
        """The page, unless the log has moved since it was made."""
        with self._lock:
            page = self._pages.get((number, kind))
            if page is None or page.latest != latest:
                return None
            self._pages.move_to_end((number, kind))
            return page

    def put(self, number: int, kind: str | None, page: Stored) -> None:
        """Keep a page, and drop old ones until all fit."""
        with self._lock:
            old = self._pages.pop((number, kind), None)
            self.size -= old.size if old else 0
            self._pages[number, kind] = page
            self.size += page.size
            while self.size > self._capacity and self._pages:
                _, dropped = self._pages.popitem(last=False)
                self.size -= dropped.size


@router.get(
    "/v1/changes",
    operation_id="listChanges",
    summary="Read the change feed",
    response_class=Response,
    responses={
        200: {
            "description": "A page of changes.",
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/FeedPage"}}},
        }
    },
)
def changes(request: Request, here: Here, after: After = "0", kind: Kind = None) -> Response:
    """Give the changes after a number, oldest first, 500 at most (OpenActive RPDE 1.0).

    Follow `next` until a page is empty and its `next` is its own URL; keep that URL and ask it again later. A record
    stands once, at its latest change; a `deleted` item is a tombstone and says why.
    """
    if preferred(request.headers.get("accept"), [JSON]) is None:
        raise HTTPException(406, f"The feed can be had as {JSON}.")
    number = change_number(after)
    if kind is not None and not KIND.fullmatch(kind):
        raise BadParameter("kind", kind, "the name of a kind, such as contract")
    # Opened here and not as a dependency, which would cost two more changes of thread on the busiest route.
    with here.database.read() as session:
        page = _stored(request, session, here, number, kind)
    packed = accepts_gzip(request.headers.get("accept-encoding"))
    headers = {
        "ETag": page.packed_etag if packed else page.etag,
        "Cache-Control": f"public, max-age={8 if page.ended else 3600}",
        "Vary": "Accept-Encoding",
    }
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(page.packed if packed else page.body, headers=headers, media_type=JSON)


def change_number(text: str) -> int:
    """Read a change number: `0|[1-9][0-9]{0,15}` up to 2^53-1, nothing else. Raises `BadParameter`."""
    if not NUMBER.fullmatch(text) or int(text) > MAX_NUMBER:
        raise BadParameter("afterChangeNumber", text, "a whole number from 0 to 9007199254740991, in plain digits")
    return int(text)


def _stored(request: Request, session: ReadSession, here: Services, number: int, kind: str | None) -> Stored:
    # The number is read before the page: should a change land between the two, the page is newer than its stamp
    # says, and the next reader makes it anew. The other way round an old page would be kept as a new one.
    latest = log.latest(session)
    cache: PageCache = request.app.state.pages
    page = cache.get(number, kind, latest)
    if page is None:
        made = log.page(
            session,
            number,
            public_url=here.public_url,
            epoch=publishers.epoch(session),
            license_url=here.license,
            kind=kind,
        )
        # mtime=0: the same page gives the same bytes, whenever it was packed.
        packed = gzip.compress(made.body, 6, mtime=0)
        page = Stored(latest, made.body, packed, made.ended, tag(made.body), tag(made.body, "gz"))
        cache.put(number, kind, page)
    return page
