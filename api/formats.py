"""In which format a list is wanted: `format=`, else `Accept` (protocol section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException

from api.negotiation import preferred
from schema.errors import UnknownFormat

MEDIA: Mapping[str, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonfeed": "application/feed+json",
    "atom": "application/atom+xml",
    "ics": "text/calendar",
}
EVERY: Sequence[str] = tuple(MEDIA)
DATELESS: Sequence[str] = tuple(name for name in MEDIA if name != "ics")
"""What a list speaks whose records have no dates to put into a calendar."""


def choose(asked: str | None, accept: str | None, offered: Sequence[str]) -> str:
    """The format to answer in. Raises `UnknownFormat` for one that is not offered; 406 where none is acceptable."""
    if asked is not None:
        if asked not in offered:
            dates = "; a calendar is of contracts and roadmap items alone" if asked in MEDIA else ""
            raise UnknownFormat("format", asked, f"one of {', '.join(offered)}{dates}")
        return asked
    media = preferred(accept, [MEDIA[name] for name in offered])
    if media is None:
        raise HTTPException(406, f"This list can be had as {', '.join(MEDIA[name] for name in offered)}.")
    return next(name for name in offered if MEDIA[name] == media)


def content_type(name: str) -> str:
    """The `Content-Type` of a format."""
    return MEDIA[name] if name in ("json", "ndjson", "jsonfeed", "xlsx") else f"{MEDIA[name]}; charset=utf-8"
