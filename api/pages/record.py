"""One record as a page: at its own id for browsers, and at `/records?id=` wherever it is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from api.pages import items, layout, view, words
from api.services import Services
from federation import lists, log
from federation.database import ReadSession
from insight import whole
from schema.entry import Entry
from schema.identifiers import organisation_id

SIGNATURES = {
    "valid": "Valid: the publisher's key confirms it.",
    "absent": "None: who publishes it does not sign.",
    "unknown-key": "Not confirmed: signed with a key that is not known here.",
    "invalid": "Not valid.",
}


def record_html(request: Request, here: Services, session: ReadSession, entry: Entry) -> Response:
    """A live record for people: everything that it says, where it comes from, and whom to tell about an error."""
    data = as_object(entry.data)
    origin = as_object(entry.origin)
    known = whole.held(session, entry.id) or lists.Held(0, entry, publisher_of(entry.id), here.now(), "")
    shown = items.brief(known, lists.names(session, [known.publisher]))
    return view.render(
        request,
        here,
        session,
        "record.html",
        title=f"{shown.title} ({words.kind_name(entry.kind)}, {shown.publisher_name})",
        record=shown,
        facts=items.facts(entry.kind, data),
        sections=layout.sections(entry.kind, data),
        origin=origin,
        via=[hop for hop in orjson.loads(entry.via or b"[]") if isinstance(hop, dict)],
        own=origin.get("node") == here.node,
        signature=SIGNATURES.get(known.signature, ""),
        json_href=words.query("/v1/records", id=entry.id),
        report=report(here, session, entry, data),
    )


def as_object(data: bytes | None) -> dict[str, Any]:
    """The members of a JSON object; none where it is something else."""
    found = orjson.loads(data or b"{}")
    return found if isinstance(found, dict) else {}


def publisher_of(record_id: str) -> str:
    """The publisher that an id names: `{publicUrl}/id/{publisher}/{kind}/{reference}` (protocol section 3)."""
    steps = record_id.rsplit("/", 3)
    return steps[1] if len(steps) == 4 else ""


def organisation(session: ReadSession, record_id: str) -> dict[str, Any]:
    """The organisation record of a record's publisher: it stands beside it, under the same prefix."""
    prefix = record_id.rsplit("/", 2)[0] + "/"
    own = organisation_id(prefix, publisher_of(record_id))
    entry = log.entries(session, [own]).get(own)
    return as_object(entry.data) if entry else {}


def report(here: Services, session: ReadSession, entry: Entry, data: Mapping[str, Any]) -> str | None:
    """A mail link to those who can mend the record: its own contact, else its publisher's, else ours for our own."""
    subject = f"An error in {entry.id}"
    for mailbox in _mailboxes(here, session, entry, data):
        link = words.mailto(mailbox, subject)
        if link:
            return link
    return None


def _mailboxes(here: Services, session: ReadSession, entry: Entry, data: Mapping[str, Any]) -> Iterable[Any]:
    yield mailbox(data)
    yield mailbox(organisation(session, entry.id))
    node = as_object(entry.origin).get("node")
    yield here.contact_email if node == here.node else whole.node_mailbox(session, str(node))


def mailbox(data: Mapping[str, Any]) -> Any:
    """The mailbox of a record's contact."""
    contact = data.get("contact")
    return contact.get("email") if isinstance(contact, Mapping) else None
