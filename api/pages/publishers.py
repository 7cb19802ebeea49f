"""Who publishes here, and what each publishes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse

from api.deps import Here, Read
from api.pages import finding, home, items, record, svg, view, words
from api.services import Services
from api.strict import strict_router
from federation import directory
from federation.database import ReadSession
from insight import pipeline
from schema.errors import NotFound

router = strict_router(include_in_schema=False)
_LISTED = 1_000
_SHOWN = 3
_KINDS = ("roadmap-item", "tool", "asset", "skill")


@dataclass(frozen=True, slots=True)
class Line:
    """A publisher in the list of all."""

    key: str
    name: str
    region: str
    type: str
    count: int
    own: bool
    publishes: bool


@dataclass(frozen=True, slots=True)
class Region:
    """The publishers of one region."""

    title: str
    list: list[Line]


@dataclass(frozen=True, slots=True)
class Group:
    """The latest records of a kind, and where to see them all."""

    title: str
    items: list[items.Brief]
    href: str
    more: str


@router.get("/publishers")
def publishers(request: Request, session: Read, here: Here) -> HTMLResponse:
    """Every publisher by region; on an aggregator the site's own office comes last."""
    found = [_line(here, one) for one in directory.page(session, "", _LISTED)]
    return view.render(
        request,
        here,
        session,
        "publishers.html",
        title="Who publishes here",
        regions=list(_regions(found)),
        count=sum(one.publishes for one in found),
    )


@router.get("/publishers/{key}")
def publisher(request: Request, session: Read, here: Here, key: str) -> HTMLResponse:
    """One publisher: how much of each kind, what ends when, the latest of its work. Raises `NotFound`."""
    found = directory.one(session, key) if "\x00" not in key else None
    if found is None:
        raise NotFound(f"Nobody publishes here under the id '{key[:120]}'.")
    today = here.now().date()
    return view.render(
        request,
        here,
        session,
        "publisher.html",
        title=f"{found.name}: what it publishes",
        name=found.name,
        key=key,
        facts=items.facts("organisation", found.organisation),
        web=words.href(found.organisation.get("url")),
        mail=words.mailto(record.mailbox(found.organisation), f"The data of {found.name}"),
        organisation_id=found.record,
        figures=home.figures(found.records, key),
        chart=svg.chart(pipeline.ending_by_quarter(here.index, today, publisher=key), today, key),
        ending=finding.briefs(here, session, pipeline.ending_soon(today, publisher=key)),
        groups=list(_groups(here, session, key, found.records)),
    )


def _regions(found: list[Line]) -> Iterator[Region]:
    by_name = sorted((one for one in found if not one.own), key=lambda one: one.name.casefold())
    for region in sorted({one.region for one in by_name}, key=lambda one: (not one, one.casefold())):
        yield Region(region or "No region given", [one for one in by_name if one.region == region])
    own = [one for one in found if one.own]
    if own:
        yield Region("Who runs this site", own)


def _groups(here: Services, session: ReadSession, key: str, records: Mapping[str, int]) -> Iterator[Group]:
    for kind in _KINDS:
        if records.get(kind):
            query = pipeline.changed_lately(limit=_SHOWN, publisher=key, kinds=(kind,))
            yield Group(
                title=words.kind_name(kind, 2).capitalize(),
                items=finding.briefs(here, session, query),
                href=words.query("/search", kind=kind, publisher=key),
                more=f"All its {words.kind_name(kind, 2)} ({records[kind]:,})",
            )


def _line(here: Services, found: directory.Listed) -> Line:
    return Line(
        key=found.id,
        name=found.name,
        region=_text(found.organisation.get("region")),
        type=_text(found.organisation.get("type")),
        count=sum(found.records.values()),
        own=here.role == "aggregator" and found.node == here.node,
        publishes=any(count and kind != "organisation" for kind, count in found.records.items()),
    )


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""
