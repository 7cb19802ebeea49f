"""What a record holds is never markup, a script or an address that runs (THREATS: stored cross-site scripting)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pytest
from pydantic import BaseModel

from federation import log
from federation.database import Database
from schema.kinds import KINDS
from tests.integration.pages.site import Page, Site
from tests.services import NOW, PREFIX, PUBLISHER

POLYGLOTS = (
    "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(**/oNcliCk=alert(7031) )//%0D%0A</stYle/</titLe/--!><sVg/oNloAd=alert(7031)//>",
    "\"'></title></textarea></style></script><img src=x onerror=alert(7031)><a href=javascript:alert(7031)>x</a>",
    "{{ 7031*7031 }}{% include 'x' %}${7031}<!--><svg onload=alert(7031)>",
    "' autofocus onfocus=alert(7031) x='",
    "javascript:alert(7031)",
    "data:text/html,<script>alert(7031)</script>",
    'https://evil.example/"onmouseover=alert(7031)//',
)
TAGS = frozenset(
    re.findall(
        r"\w+",
        """html head meta title link body a header div nav ul ol li main h1 h2 h3 p span b dl dt dd code br time mark
        section article form label input button select option details summary fieldset legend figure figcaption svg
        text rect line table caption thead tbody tr th td footer strong""",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"[\w-]+",
        """lang charset name content rel href type title class id tabindex aria-label aria-labelledby aria-current
        action method role for value autocomplete maxlength checked selected hidden datetime scope open x y x1 x2 y1
        y2 dx width height rx xmlns text-anchor step inputmode data-label""",
    )
)


def filled(model: type[BaseModel], payload: str) -> dict[str, Any]:
    """Return an object with the payload in every member of a model, known and unknown, at every depth."""
    found: dict[str, Any] = {payload: payload, "unknown": {payload: [payload, {payload: payload}]}}
    for name, field in model.model_fields.items():
        inner = _inner(field.annotation)
        value: Any = filled(inner, payload) if inner else payload
        found[field.alias or name] = [value] if "list" in str(field.annotation) else value
    return found


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _inner(part))), None)


def hostile(payload: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (id, kind, data) for a record of each kind, and of one that nobody knows, as no schema would let in."""
    for kind, model in KINDS.items():
        yield f"{PREFIX}{kind}/bad", kind, filled(model, payload)
        dated = {
            "startDate": "2026-01-01",
            "endDate": "2026-12-01",
            "start": "2026-01-01",
            "collaboration": "share-funding",
        }
        yield f"{PREFIX}{kind}/dated", kind, filled(model, payload) | dated
        named = {
            "name": payload,
            "title": payload,
            "summary": payload,
            "suppliers": [{"name": payload, "sme": payload}],
        }
        yield f"{PREFIX}{kind}/named", kind, named | dated | {"value": payload, "offers": payload, "topics": [payload]}
    yield f"{PREFIX}festival/bad", "festival", {payload: payload, "name": payload, "data": [payload]}


def plant(database: Database, payload: str) -> list[str]:
    """Append records that the writing API would refuse, and replace the publisher's own; gives their ids."""
    own = f"{PREFIX}organisation/{PUBLISHER}"
    organisation = {"name": payload, "region": payload, "type": payload, "url": payload, "contact": {"email": payload}}
    records = [*hostile(payload), (own, "organisation", organisation)]
    drafts = [log.Draft(id_, kind, PUBLISHER, orjson.dumps(data)) for id_, kind, data in records]
    with database.write() as session:
        log.append(session, drafts, node="http://node.test/.well-known/folkmoot", now=NOW)
    return [draft.id for draft in drafts]


def harmless(page: Page) -> None:
    """Hold a page to our own tags, our own attributes, and links that only lead."""
    for tag, attributes in page.tags:
        assert tag in TAGS, tag
        assert not set(attributes) - ATTRIBUTES, (tag, attributes)
        for name in ("href", "action"):
            if name in attributes:
                assert urlsplit(attributes[name]).scheme in ("", "http", "https", "mailto"), attributes
        assert not attributes.get("href", "").startswith("//"), attributes
    assert page.open == []
    assert str(7031 * 7031) not in page.html


@pytest.fixture
def engine_name() -> str:
    """Return SQLite alone: what a page makes of a text is the same on both databases."""
    return "sqlite"


def test_nothing_that_a_record_holds_is_ever_markup(council: Site) -> None:
    """With a hostile text in every member of every kind, each page has only the tags that we wrote."""
    for payload in POLYGLOTS:
        _held(council, payload)


def _held(council: Site, payload: str) -> None:
    ids = plant(council.services.database, payload)
    council.services.follower.catch_up()
    for record_id in ids:
        harmless(council.record(record_id))
    for path in ("/", "/search", "/publishers", f"/publishers/{PUBLISHER}", "/contracts", "/roadmap-items", "/tools"):
        page = council.get(path)
        harmless(page)
        assert len(page.tags) > 40
    harmless(council.get("/search?q=alert"))


def test_nothing_that_a_visitor_asks_is_ever_markup(council: Site) -> None:
    """A hostile text in the address comes back as text, on pages and on pages of mistakes alike."""
    for payload in POLYGLOTS:
        _asked(council, payload)


def _asked(council: Site, payload: str) -> None:
    sent = quote(payload, safe="")
    for path, status in (
        (f"/search?q={sent}", 200),
        (f"/search?supplier={sent}&region={sent}&service={sent}&tool={sent}&nation={sent}", 200),
        (f"/search?publisher={sent}", 422),
        (f"/search?sort={sent}", 422),
        (f"/search?endsAfter={sent}", 422),
        (f"/search?kind={sent}", 422),
        (f"/search?{sent}={sent}", 422),
        (f"/search?publishe={sent}&{sent}=1", 422),
        (f"/records?id={sent}", 404),
        (f"/publishers/{sent}", 404),
        (f"/suppliers/{sent}", 404),
        (f"/nowhere/{sent}", 404),
        (f"/id/{sent}/contract/x", 404),
    ):
        harmless(council.get(path, status))


def test_hostile_problems_of_a_node_are_text(region: Site) -> None:
    """What a node's own words bring into the list of its problems is text there."""
    from federation import nodes, told
    from federation.verdicts import Trouble

    database = region.services.database
    with database.write() as session:
        known = nodes.find(session, "exa.example")
        told.tell(session, known.id, [Trouble(p[:50], p[:400], p, p) for p in POLYGLOTS], NOW)
    page = region.get("/nodes/exa.example")
    harmless(page)
    assert f"{len(POLYGLOTS) + 2} problems to mend" in page.text  # and that it signs nothing
    harmless(region.get("/nodes"))
