"""From a query of the index to the entries of a page."""

from __future__ import annotations

from collections.abc import Sequence

from api.pages import items
from api.services import Services
from federation import lists
from federation.database import ReadSession
from federation.index import Query


def briefs(here: Services, session: ReadSession, query: Query) -> list[items.Brief]:
    """What a query finds, as entries of a list."""
    return entries(session, lists.find(session, here.index, query).items)


def entries(session: ReadSession, found: Sequence[lists.Held]) -> list[items.Brief]:
    """Records as entries of a list, each with its publisher's name."""
    names = lists.names(session, {one.publisher for one in found})
    return [items.brief(one, names) for one in found]
