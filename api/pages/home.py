"""The home page: what is here in numbers, what ends when, what changed, who looks for partners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import HTMLResponse

from api.deps import Here, Read
from api.pages import finding, svg, view, words
from api.strict import strict_router
from federation import lists
from federation.index import Facet
from insight import pipeline

router = strict_router(include_in_schema=False)
_ORDER = ("contract", "roadmap-item", "tool", "asset", "skill", "organisation")
_NAMED = 12


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what it counts, and where to see it all."""

    count: int
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Named:
    """A publisher and how many records it has here."""

    key: str
    name: str
    count: int | None


@router.get("/")
def home(request: Request, session: Read, here: Here) -> HTMLResponse:
    """What is published here, at a glance."""
    today = here.now().date()
    counted = lists.find(session, here.index, pipeline.by_kind()).hits.facets
    aggregates = here.role == "aggregator"
    who = lists.find(session, here.index, pipeline.publishing()).hits.facets if aggregates else counted
    publishers = named(who["publisher"])
    name = view.site(here, session).name
    return view.render(
        request,
        here,
        session,
        "home.html",
        title=name,
        heading="What councils plan, buy and share" if aggregates else name,
        lede=_lede(publishers, who["publisher"], aggregates=aggregates),
        figures=figures({one.value: one.count for one in counted["kind"].items}),
        chart=svg.chart(pipeline.ending_by_quarter(here.index, today), today) if _has(counted["kind"]) else None,
        ending=finding.briefs(here, session, pipeline.ending_soon(today)),
        changed=finding.briefs(here, session, pipeline.changed_lately()),
        partners=finding.briefs(here, session, pipeline.seeking_partners()),
        publishers=publishers[:_NAMED],
    )


def _has(kinds: Facet) -> bool:
    return any(one.value == "contract" for one in kinds.items)


def _lede(publishers: Sequence[Named], facet: Facet, *, aggregates: bool) -> str:
    if not aggregates:
        return (
            "Contracts, digital plans, tools, reusable work and skills, published as open data by those whose they are."
        )
    many = "More than " if facet.other else ""
    who = words.plural(len(publishers), "organisation publishes its", "organisations publish their")
    return (
        f"{many}{who} contracts, digital roadmaps, tools, reusable work and skills. Here is all of it in one place: "
        "find who buys the same, plans the same, or can help."
    )


def figures(counted: Mapping[str, int], publisher: str | None = None) -> list[Figure]:
    """How many there are of each kind, in the order in which people ask; that it is one organisation goes unsaid."""
    shown = [kind for kind in _ORDER if counted.get(kind, 0) > (kind == "organisation")]
    return [
        Figure(count, words.kind_name(kind, count), words.query("/search", kind=kind, publisher=publisher))
        for kind, count in ((kind, counted[kind]) for kind in shown)
    ]


def named(facet: Facet) -> list[Named]:
    """Publishers by how much they publish."""
    return [Named(one.value, one.label, one.count) for one in facet.items]
