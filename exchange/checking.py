"""From a draft to a row that can be a record: what no layout can decide alone (personal data, the schema)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from exchange.drafts import MASK, Draft, Problems, PublisherFacts
from exchange.identity import derived_reference, listed
from exchange.privacy import names_role, role_mailbox
from exchange.report import Place
from exchange.shape import required
from schema.errors import Fault, Invalid
from schema.identifiers import PRIMARY_SCHEMES, canonical_reference, publisher_id
from schema.kinds import check

_MOST_FAULTS = 40
_VITAL = ("/reference", "/title", "/name", "/identifiers")


@dataclass(slots=True, eq=False)
class Ready:
    """A row that can be a record: `body` is its JSON, the reference included, valid for its kind.

    `given` unless the reference was derived; `alone` where it names one supplier at most; `buyers` are names.
    Once put away, the body is had from the spool by `number`.
    """

    sheet: str
    row: int
    reference: str
    given: bool
    alone: bool
    buyers: tuple[str, ...]
    body: bytes
    number: int = 0

    @property
    def place(self) -> Place:
        """Name the row in the whole file."""
        return self.sheet, self.row


def checked(draft: Draft, kind: str, publisher: PublisherFacts, problems: Problems) -> Ready | None:
    """Make a draft ready; take out, and tell, what the schema does not take. None where it can be no record."""
    if draft.refused:
        return None
    _depersonalise(draft, publisher, problems)
    for _ in range(_MOST_FAULTS):
        found = _first_fault(draft, kind, publisher)
        if isinstance(found, Ready):
            return found
        vital = draft.strict or not found.pointer or found.pointer.startswith(_VITAL)
        column = _column(draft.fed, found.pointer)
        gone = "" if vital else _removed(draft, found.pointer)
        if not gone:
            _refuse(draft, found, problems)
            return None
        _tell(draft, found, column, problems, left_out="It" if gone == found.pointer else "The part that lacks it")
    found = _first_fault(draft, kind, publisher)
    if isinstance(found, Ready):
        return found
    _refuse(draft, Fault("", "Too much of the row cannot be read."), problems)
    return None


def _refuse(draft: Draft, fault: Fault, problems: Problems) -> None:
    _tell(draft, fault, _column(draft.fed, fault.pointer), problems)
    draft.refused = True


def _first_fault(draft: Draft, kind: str, publisher: PublisherFacts) -> Fault | Ready:
    try:
        if kind == "organisation":
            check(kind, orjson.dumps(draft.data))
            draft.reference = _own_name(draft.data["identifiers"], publisher.id)
            return _ready(draft, draft.reference, orjson.dumps(draft.data))
        if draft.reference:
            draft.reference = canonical_reference(draft.reference)
        if not {"title", "name"} & draft.data.keys():
            member = "/title" if "title" in required(kind) else "/name"
            return Fault(member, "The row has no title.", "", "what it is called", rule="no-title")
        reference = draft.reference or derived_reference(draft.data)
        body = body_of(kind, reference, draft.data)
        check(kind, body)
    except Invalid as error:
        fault = error.faults[0]
        return Fault("/reference", fault.message, fault.found, fault.expected) if fault.rule == "reference" else fault
    return _ready(draft, reference, body)


def _ready(draft: Draft, reference: str, body: bytes) -> Ready:
    alone = len(listed(draft.data, "suppliers")) < 2
    return Ready(draft.sheet, draft.row, reference, bool(draft.reference), alone, buyers_of(draft.data), body)


def _own_name(identifiers: list[dict[str, Any]], publisher: str) -> str:
    """Name an organisation's record: the publisher's own id where it is the publisher, else its first register."""
    ranks = {scheme: rank for rank, scheme in enumerate(PRIMARY_SCHEMES)}
    ranked = sorted(identifiers, key=lambda one: ranks.get(str(one["scheme"]).upper(), len(ranks)))
    names = [publisher_id(str(one["scheme"]), str(one["id"])) for one in ranked]
    return publisher if publisher in names else names[0]


def _removed(draft: Draft, pointer: str) -> str:
    """Take the member at a pointer out of a record; where it is missing there, what lacks it.

    Gives the pointer of what went, empty where nothing did. What is left without a member goes with it.
    """
    data: Any = draft.data
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    trail: list[tuple[Any, Any]] = []
    for step in steps:
        at: Any = int(step) if isinstance(data, list) and step.isdigit() else step
        present = (
            at < len(data) if isinstance(data, list) and isinstance(at, int) else isinstance(data, dict) and at in data
        )
        if not present:
            break
        trail.append((data, at))
        data = data[at]
    if not trail:
        return ""
    gone = "/".join(pointer.split("/")[: len(trail) + 1])
    parent, at = trail.pop()
    del parent[at]
    while not parent and trail:
        parent, at = trail.pop()
        del parent[at]
    if isinstance(parent, list):
        draft.fed = _closed_up(draft.fed, "/".join(pointer.split("/")[: len(trail) + 1]), at)
    return gone


def _closed_up(fed: Mapping[str, str], around: str, place: int) -> dict[str, str]:
    """The columns of a list out of which an entry went: those behind it have moved up."""
    entry, moved = re.compile(rf"{re.escape(around)}/(\d+)(.*)"), dict[str, str]()
    for pointer, column in fed.items():
        found = entry.fullmatch(pointer)
        if found is None or int(found[1]) < place:
            moved[pointer] = column
        elif int(found[1]) > place:
            moved[f"{around}/{int(found[1]) - 1}{found[2]}"] = column
    return moved


def _tell(draft: Draft, fault: Fault, column: str, problems: Problems, *, left_out: str = "") -> None:
    """Tell a fault: an error, or a warning with what is left out for it."""
    found = "" if fault.found is None else MASK if fault.pointer.startswith("/contact") else str(fault.found)
    problems.tell(
        draft.row, column, f"{fault.message} {left_out} is left out." if left_out else fault.message, value=found,
        expected=fault.expected, pointer=fault.pointer, code=fault.rule,
        severity="warning" if left_out else "error", sheet=draft.sheet,
    )  # fmt: skip


def _column(fed: Mapping[str, str], pointer: str) -> str:
    """Name the column that fed a member, or the nearest part around or in it, but no other entry of a list."""
    around, step = pointer, ""
    while around:
        below = () if step.isdigit() else (column for at, column in fed.items() if at.startswith(f"{around}/"))
        if found := fed.get(around) or next(iter(below), ""):
            return found
        around, _, step = around.rpartition("/")
    return ""


def _depersonalise(draft: Draft, publisher: PublisherFacts, problems: Problems) -> None:
    """Take names and mailboxes of persons out of the contact."""
    contact = draft.data.get("contact")
    if not isinstance(contact, dict):
        return
    for member, allowed in (("name", names_role), ("email", role_mailbox)):
        text = contact.get(member)
        if isinstance(text, str) and text and not allowed(text, publisher.words):
            del contact[member]
            pointer = f"/contact/{member}"
            problems.tell(
                draft.row, draft.fed.get(pointer, pointer), "It may name a person; it is left out.", value=MASK,
                expected="a team or role, such as contracts@...", pointer=pointer, code="personal-data",
                sheet=draft.sheet,
            )  # fmt: skip
    if not contact:
        del draft.data["contact"]


def body_of(kind: str, reference: str, data: dict[str, Any]) -> bytes:
    """Write a record as JSON; an organisation has no reference."""
    return orjson.dumps(data if kind == "organisation" else {"reference": reference} | data)


def buyers_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the buyers of a contract."""
    return tuple(str(one["name"]) for one in listed(data, "buyers") if "name" in one)
