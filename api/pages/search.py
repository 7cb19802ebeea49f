"""The search page: what was found, facets to narrow it by, its order, and the same answer in other formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fastapi import Request
from starlette.responses import HTMLResponse

from api import cursors, queries, titles
from api.deps import Here, Read
from api.pages import asking, finding, view, words
from api.params import Asked
from api.services import Services
from api.strict import strict_router
from federation import lists
from federation.database import ReadSession
from federation.index import Facet, Hits
from schema.kinds import SINGULARS

router = strict_router(include_in_schema=False)
FACETS: Mapping[str, tuple[str, str]] = {
    "kind": ("What it is", "Show only"),
    "publisher": ("Publisher", "Published by any of"),
    "region": ("Region", "In any of"),
    "stage": ("Stage of the contract", "At any of"),
    "phase": ("Phase of the work", "In any of"),
    "collaboration": ("Open to others", "Any of"),
    "cpv": ("Category", "In any of"),
    "supplier": ("Supplier", "From any of"),
    "service": ("Service", "For any of"),
    "tool": ("Tool", "Any of"),
}
DATES = (
    ("endsAfter", "Ends on or after", "ends_after"),
    ("endsBefore", "Ends on or before", "ends_before"),
    ("startsAfter", "Starts on or after", "starts_after"),
    ("startsBefore", "Starts on or before", "starts_before"),
)
MONEY = (("valueMin", "Worth this much or more", "value_min"), ("valueMax", "Worth this much or less", "value_max"))
SORTS = (
    ("relevance", "Best match"),
    ("-updated", "Latest change first"),
    ("end", "Soonest to end first"),
    ("-end", "Last to end first"),
    ("start", "First to start first"),
    ("-value", "Highest value first"),
    ("value", "Lowest value first"),
)
_FORMATS = (
    ("json", "JSON"),
    ("csv", "Spreadsheet (CSV)"),
    ("jsonfeed", "Feed (JSON Feed)"),
    ("atom", "Feed (Atom)"),
    ("ics", "Calendar"),
)
_FOLLOWED = {"jsonfeed": "application/feed+json", "atom": "application/atom+xml"}
_DATED = frozenset({"contract", "roadmap-item"})
_OPEN = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet."""

    value: str
    label: str
    count: int | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A facet as boxes to tick."""

    name: str
    label: str
    hint: str
    values: Sequence[Choice]
    other: int
    open: bool

    @property
    def chosen(self) -> int:
        """How many of its values are chosen."""
        return sum(one.chosen for one in self.values)


@dataclass(frozen=True, slots=True)
class Step:
    """A link: to the same list in another format, or without one of the choices."""

    href: str
    label: str
    media: str = ""

    @property
    def rel(self) -> bool:
        """Whether a feed reader should find it by itself."""
        return bool(self.media)


@router.get("/search")
def search(request: Request, session: Read, here: Here) -> HTMLResponse:
    """Everything that is published here, searched."""
    return _page(request, here, session, asking.read("/search", request.query_params.multi_items()))


def _kind_page(plural: str) -> None:
    """A list of one kind at its own address."""

    @router.get(f"/{plural}", name=f"page of {plural}")
    def listed(request: Request, session: Read, here: Here) -> HTMLResponse:
        given = [pair for pair in request.query_params.multi_items() if pair[0] != "kind"]
        return _page(request, here, session, asking.read("/search", [("kind", SINGULARS[plural]), *given]))


for _plural in SINGULARS:
    _kind_page(_plural)


def _page(
    request: Request,
    here: Services,
    session: ReadSession,
    question: tuple[asking.Address, Asked, Sequence[str]],
) -> HTMLResponse:
    address, asked, kinds = question
    query = replace(queries.query(asked, kinds), facets=tuple(FACETS))
    bound = cursors.digest("/search", query)
    if asked.cursor is not None:
        query = replace(query, after=cursors.decode(asked.cursor, bound))
    found = lists.find(session, here.index, query)
    groups = list(_groups(found.hits, address))
    heading = _heading(session, asked, kinds, groups)
    first = address.but("cursor")
    following = cursors.encode(found.hits.next, bound) if found.hits.next else ""
    return view.render(
        request,
        here,
        session,
        "search.html",
        title=heading if asked.cursor is None else f"{heading} (further on)",
        heading=heading,
        asked=asked.q,
        count_words=_count(found.hits, kinds),
        items=finding.entries(session, found.items),
        first=str(first),
        later=asked.cursor is not None,
        next=str(first.plus("cursor", following)) if following else "",
        chosen=list(_chosen(address, groups)),
        clear=str(asking.Address("/search", [("q", asked.q)] if asked.q else [])),
        kept=address.but("q", "cursor").pairs,
        unlisted=address.but(
            "q", "cursor", "sort", *(one.name for one in groups), *(one[0] for one in (*DATES, *MONEY))
        ).pairs,
        facets=groups,
        dates=[(name, label, getattr(asked, field) or "") for name, label, field in DATES],
        dates_open=any(getattr(asked, field) for _, _, field in DATES),
        money=[(name, label, getattr(asked, field) or "") for name, label, field in MONEY],
        money_open=any(getattr(asked, field) for _, _, field in MONEY),
        running=_running(address, asked, kinds, here.now().date().isoformat()),
        sorts=[one for one in SORTS if asked.q or one[0] != "relevance"],
        sort=asked.sort or ("relevance" if asked.q.strip() else "-updated"),
        downloads=downloads(first, kinds),
    )


def _running(address: asking.Address, asked: Asked, kinds: Sequence[str], today: str) -> str:
    """The same list with what is over left out; empty where a day is asked for already, or nothing can end."""
    if asked.ends_after or (asked.ends_before or today) < today or (kinds and not _DATED & set(kinds)):
        return ""
    return str(address.but("cursor").plus("endsAfter", today))


def downloads(address: asking.Address, kinds: Sequence[str]) -> list[Step]:
    """The very same question to the API, in each format; a calendar only where there can be dates."""
    asked = address.at("/v1/search")
    return [
        Step(str(asked.plus("format", name)), label, _FOLLOWED.get(name, ""))
        for name, label in _FORMATS
        if name != "ics" or not kinds or _DATED & set(kinds)
    ]


def _count(hits: Hits, kinds: Sequence[str]) -> str:
    one, many = ("record", "records")
    if len(kinds) == 1:
        one, many = words.kind_name(kinds[0]), words.kind_name(kinds[0], 2)
    return ("" if hits.exact else "About ") + words.plural(hits.count, one, many)


def _groups(hits: Hits, address: asking.Address) -> Iterator[Group]:
    """The facets with something to choose; what is chosen stands in them even where nothing is left of it."""
    shown = 0
    for name, (label, hint) in FACETS.items():
        chosen = address.values(name)
        facet = hits.facets[name]
        values = _choices(facet, chosen)
        if len(values) > 1 or chosen or facet.other:
            shown += 1
            yield Group(name, label, hint, values, facet.other, open=bool(chosen) or shown <= _OPEN)


def _choices(facet: Facet, chosen: Sequence[str]) -> list[Choice]:
    found = [Choice(one.value, one.label, one.count, one.value in chosen) for one in facet.items]
    named = {one.value for one in found}
    return [Choice(value, value, None, chosen=True) for value in chosen if value not in named] + found


def _labels(groups: Sequence[Group]) -> dict[tuple[str, str], str]:
    return {(group.name, one.value): one.label for group in groups for one in group.values}


def _chosen(address: asking.Address, groups: Sequence[Group]) -> Iterator[Step]:
    labels = _labels(groups)
    told = {name: label for name, label, _ in (*DATES, *MONEY)} | {name: label for name, (label, _) in FACETS.items()}
    for name, value in address.but("q", "sort", "cursor").pairs:
        said = words.day(value) if name in {one[0] for one in DATES} else labels.get((name, value), value)
        yield Step(str(address.less(name, value)), f"{told.get(name, words.member(name))}: {words.shorten(said, 80)}")


def _heading(session: ReadSession, asked: Asked, kinds: Sequence[str], groups: Sequence[Group]) -> str:
    """The title that feeds have, with people's names for suppliers and regions in it."""
    labels = _labels(groups)

    def named(name: str, values: list[str] | None) -> list[str] | None:
        return None if values is None else [labels.get((name, value), value) for value in values]

    told = replace(
        asked,
        supplier=named("supplier", asked.supplier),
        region=named("region", asked.region),
        service=named("service", asked.service),
        tool=named("tool", asked.tool),
    )
    names = lists.names(session, asked.publisher or ())
    return titles.title(told, kinds, names, "").removesuffix(" — ")
