"""One request for a list, read, with the addresses of what it asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from fastapi import Request

from api import cursors, titles
from api.pages.view import site
from api.params import Asked
from api.services import Services
from federation import lists
from federation.database import ReadSession
from federation.glance import Glance
from federation.index import Hits, Query

_UNQUOTED = re.compile(r"[A-Za-z0-9_.~-]*")


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a list, read: where, what, in which format. A page of JSON needs no session, only its rows."""

    request: Request
    here: Services
    opened: ReadSession | None
    rows: Glance
    asked: Asked
    kinds: Sequence[str]
    format: str
    query: Query
    bound: str

    @property
    def session(self) -> ReadSession:
        """What names and titles are read by."""
        assert self.opened is not None
        return self.opened

    @property
    def path(self) -> str:
        """The request's own path: those of lists are plain."""
        return str(self.request.scope["path"])

    @property
    def url(self) -> str:
        """The request's own address at the public URL, the format in it."""
        changes = {"format": self.format} if self.format != "json" else {}
        return self.at(**changes)

    @property
    def title(self) -> str:
        """What a person would call this list."""
        names = lists.names(self.session, self.asked.publisher or ())
        return titles.title(self.asked, self.kinds, names, self.site)

    @property
    def site(self) -> str:
        """Who serves."""
        return site(self.here, self.session).name

    def at(self, **changes: str) -> str:
        """The request's own address with other parameters."""
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name not in changes]
        query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in (*kept, *changes.items())])
        return self.here.public_url + self.path + (f"?{query}" if query else "")

    def following(self, hits: Hits) -> str | None:
        """The address of the next page; None where there is none."""
        return self.at(cursor=cursors.encode(hits.next, self.bound)) if hits.next else None


def _quoted(text: str) -> str:
    """As `urlencode` writes it; what needs no quoting, as most does, is told apart first."""
    return text if _UNQUOTED.fullmatch(text) else quote_plus(text)
