"""From a template and what it shows to a page. Autoescape always; no markup is ever marked as safe.

The policy of a page (no scripts, our own stylesheet alone) is set for all HTML by `api/middleware.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.responses import HTMLResponse

from api.pages import words
from api.services import Services
from federation import publishers
from federation.database import ReadSession
from federation.forms import name_key
from schema.errors import Invalid
from schema.identifiers import identifier_key

if TYPE_CHECKING:
    from jinja2 import Environment

_ROOM = Path(__file__).resolve().parent.parent
STATIC = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
_MENUS: dict[str, Sequence[tuple[str, str]]] = {
    "aggregator": (
        ("/search", "Search"),
        ("/publishers", "Publishers"),
        ("/nodes", "Nodes"),
        ("/join", "How to join"),
    ),
    "node": (
        ("/search", "Search"),
        ("/contracts", "Contracts"),
        ("/roadmap-items", "Roadmap"),
        ("/tools", "Tools"),
        ("/assets", "Assets"),
        ("/skills", "Skills"),
    ),
}
MARKS = {
    "stale": "Not confirmed lately: nothing newer is taken from its node",
    "removal-held": "Its removal waits for a person",
    "unofficial": "Gathered by others, not by its publisher",
    "vouched": "Vouched for by a relay",
    "retired": "Its node has closed",
}
STATES = {
    "preview": "It is looked at on each visit, and nothing of it is shown until it keeps the rules.",
    "active": "It is visited, and its data is taken.",
    "held": "It says that it is someone else than before. Nothing is taken until a person has confirmed it.",
    "paused": "Visits are paused by the people who run this site.",
    "stale": "The visits to it fail. What it last published is still shown.",
    "retired": "It has closed. What it published stays here, marked, until it is taken away.",
}
_TONES = {"active": "good", "preview": "", "retired": "bad"}


@dataclass(frozen=True, slots=True)
class Site:
    """What every page says of the server that it comes from."""

    name: str
    role: str
    url: str
    version: str
    license: str
    contact: str
    email: str
    mail: str | None
    menu: Sequence[tuple[str, str]]


def site(here: Services, session: ReadSession | None) -> Site:
    """Who serves; the name is the operator's, else that of the first publisher, where the database can be asked."""
    return Site(
        name=here.title or (first_publisher(session) if session else "") or words.host(here.public_url),
        role=here.role,
        url=here.public_url,
        version=here.version,
        license=here.license,
        contact=here.contact_name,
        email=here.contact_email,
        mail=words.mailto(here.contact_email),
        menu=_MENUS[here.role],
    )


def first_publisher(session: ReadSession) -> str:
    """The name of the body that this server publishes for first."""
    found = publishers.every(session)[:1]
    told = publishers.organisations(session, found)
    return str(told.get(found[0].id, {}).get("name", found[0].id)) if found else ""


def render(
    request: Request, here: Services, session: ReadSession | None, template: str, *, status: int = 200, **shown: Any
) -> HTMLResponse:
    """A page. `shown` must give `title`, which is the page's own."""
    body = (
        _templates()
        .get_template(template)
        .render(
            site=site(here, session),
            here_path=request.url.path,
            today=here.now().date(),
            stylesheet=f"/static/style.css?v={fingerprint()}",
            **shown,
        )
    )
    caching = "no-cache" if status == 200 else "no-store"
    return HTMLResponse(body, status, headers={"Cache-Control": caching, "Vary": "Accept"})


@cache
def static(name: str) -> bytes:
    """A file of ours by its plain name. The name is one of `STATIC`."""
    return (_ROOM / "static" / name).read_bytes()


@cache
def fingerprint() -> str:
    """Changes with the stylesheet, so that it can be cached for long."""
    return hashlib.sha256(static("style.css")).hexdigest()[:12]


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - a server may be asked for no page

    made = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = (
        words.day, words.moment, words.distance, words.code, words.href, words.query, words.segment, words.host,
        words.plural, words.kind_name, words.tense, words.marked, words.paragraphs,
    )  # fmt: skip
    made.filters.update({one.__name__: one for one in plain})
    made.filters |= {
        "iso": lambda found: found.isoformat() if hasattr(found, "isoformat") else found,
        "mark": lambda found: MARKS.get(str(found), words.code(found)),
        "tone": lambda found: _TONES.get(str(found), "warn"),
        "state_words": lambda found: STATES.get(str(found), ""),
        "share": words.share,
        "number": lambda found: f"{found:,}" if isinstance(found, int | float) else "0",
        "supplier_key": supplier_key,
    }
    return made


def supplier_key(found: Mapping[str, Any]) -> str:
    """The key of a supplier's page, as the search has it: the first number that is one, else the name's own key."""
    identifiers = found.get("identifiers")
    for one in identifiers if isinstance(identifiers, list) else ():
        try:
            return identifier_key(str(one["scheme"]), str(one["id"]))
        except (Invalid, KeyError, TypeError):
            continue
    name = found.get("name")
    return name_key(name) if isinstance(name, str) and name.strip() else ""
