"""From drafts to candidates: what no layout can decide alone (personal data, the schema, identity)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from exchange.drafts import MASK, Draft, Problems, PublisherFacts
from exchange.identity import Live, Namer, Place, Thing, derived_reference, gathered
from exchange.privacy import names_role, role_mailbox
from exchange.shape import required
from schema.errors import Fault, Invalid
from schema.identifiers import PRIMARY_SCHEMES, canonical_reference, publisher_id
from schema.kinds import parse

_MOST_FAULTS = 40
_VITAL = ("/reference", "/title", "/name", "/identifiers")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One record that the file holds: `data` is valid for its kind; `rows` are the rows that made it, in order."""

    id: str
    reference: str
    data: dict[str, Any]
    rows: tuple[int, ...]


@dataclass(slots=True)
class Sifted:
    """The candidates of a file, its refused drafts, and the rows that repeat others."""

    records: list[Candidate] = field(default_factory=list)
    refused: list[Draft] = field(default_factory=list)
    repeated: set[Place] = field(default_factory=set)


def sift(drafts: list[Draft], kind: str, publisher: PublisherFacts, published: Live, problems: Problems) -> Sifted:
    """Check every draft and make records of the good ones. A row with one bad record is refused whole."""
    for draft in drafts:
        if not draft.refused:
            _check(draft, kind, publisher, problems)
    bad = {draft.place for draft in drafts if draft.refused}
    groups: dict[str, list[tuple[Place, dict[str, Any]]]] = {}
    given: set[str] = set()
    for draft in drafts:
        if draft.place in bad:
            continue
        reference = draft.reference or derived_reference(draft.data)
        given |= {reference} if draft.reference else set()
        groups.setdefault(reference, []).append((draft.place, draft.data))
    sifted = Sifted(refused=[draft for draft in drafts if draft.place in bad])
    namer = Namer(publisher.id_prefix, kind, published)
    for reference, rows in groups.items():
        things, repeats = gathered(rows, join=kind == "contract" and reference in given)
        for repeat in repeats:
            sifted.repeated.add(repeat.row)
            problems.tell(
                repeat.row[1], "", f"The row repeats row {repeat.of[1]}{repeat.but}: it is published once.",
                expected="one row for each contract and supplier", code="repeated-row", sheet=repeat.row[0],
            )  # fmt: skip
        named = namer.named(reference, things)
        if len(named) > 1 and reference in given:
            _tell_shared(reference, named, problems)
        for id_, thing in named:
            own = {} if kind == "organisation" else {"reference": reference}
            data = own | _as_published(thing.data, published.get(id_))
            sifted.records.append(Candidate(id_, reference, data, tuple(number for _, number in thing.rows)))
    return sifted


def _tell_shared(reference: str, named: list[tuple[str, Thing]], problems: Problems) -> None:
    """Tell, once for each reference, that rows with different contents share it, and what they are called now."""
    rows = [str(thing.rows[0][1]) for _, thing in named]
    ids = [id_.rsplit("/", 1)[-1] for id_, _ in named]
    sheet, row = named[0][1].rows[0]
    problems.tell(
        row, "", f"Rows {_few(rows)} share the reference and differ: they are published as {_few(ids)}.",
        value=reference, expected="a reference of its own for each record", pointer="/reference",
        code="same-reference", sheet=sheet,
    )  # fmt: skip


def _few(said: list[str]) -> str:
    return ", ".join(said[:5]) + (f" and {len(said) - 5} more" if len(said) > 5 else "")


def _as_published(data: dict[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keep the order in which the same suppliers are published already: the order of rows says nothing."""
    ours, theirs = data.get("suppliers", []), live.get("suppliers", []) if live else []
    if ours != theirs and len(ours) == len(theirs) and all(one in theirs for one in ours):
        return data | {"suppliers": theirs}
    return data


def _check(draft: Draft, kind: str, publisher: PublisherFacts, problems: Problems) -> None:
    """Refuse a draft that can be no record; take out, and tell, what the schema does not take."""
    _depersonalise(draft, publisher, problems)
    for _ in range(_MOST_FAULTS):
        fault = _first_fault(draft, kind, publisher)
        if fault is None:
            return
        if (
            draft.strict
            or not fault.pointer
            or fault.pointer.startswith(_VITAL)
            or not _removed(draft.data, fault.pointer)
        ):
            _tell(draft, fault, problems, error=True)
            draft.refused = True
            return
        _tell(draft, fault, problems, error=False)
    draft.refused = True
    _tell(draft, Fault("", "Too much of the row cannot be read."), problems, error=True)


def _first_fault(draft: Draft, kind: str, publisher: PublisherFacts) -> Fault | None:
    try:
        if kind == "organisation":
            parse(kind, orjson.dumps(draft.data))
            draft.reference = _own_name(draft.data["identifiers"], publisher.id)
            return None
        if draft.reference:
            draft.reference = canonical_reference(draft.reference)
        if not {"title", "name"} & draft.data.keys():
            member = "/title" if "title" in required(kind) else "/name"
            return Fault(member, "The row has no title.", "", "what it is called", rule="no-title")
        reference = draft.reference or derived_reference(draft.data)
        parse(kind, orjson.dumps({"reference": reference} | draft.data))
    except Invalid as error:
        fault = error.faults[0]
        return Fault("/reference", fault.message, fault.found, fault.expected) if fault.rule == "reference" else fault
    return None


def _own_name(identifiers: list[dict[str, Any]], publisher: str) -> str:
    """Name an organisation's record: the publisher's own id where it is the publisher, else its first register."""
    ranks = {scheme: rank for rank, scheme in enumerate(PRIMARY_SCHEMES)}
    ranked = sorted(identifiers, key=lambda one: ranks.get(str(one["scheme"]).upper(), len(ranks)))
    names = [publisher_id(str(one["scheme"]), str(one["id"])) for one in ranked]
    return publisher if publisher in names else names[0]


def _removed(data: Any, pointer: str) -> bool:
    """Take the member at a pointer out of a record; where it is required there, its whole part goes."""
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
        return False
    parent, at = trail[-1]
    del parent[at]
    while not parent and len(trail) > 1:
        trail.pop()
        parent, at = trail[-1]
        del parent[at]
    return True


def _tell(draft: Draft, fault: Fault, problems: Problems, *, error: bool) -> None:
    column = _column(draft, fault.pointer)
    found = "" if fault.found is None else MASK if fault.pointer.startswith("/contact") else str(fault.found)
    problems.tell(
        draft.row, column, fault.message if error else f"{fault.message} It is left out.", value=found,
        expected=fault.expected, pointer=fault.pointer, code=fault.rule,
        severity="error" if error else "warning", sheet=draft.sheet,
    )  # fmt: skip


def _column(draft: Draft, pointer: str) -> str:
    """Name the column that fed a member, or the nearest part of the record around or in it."""
    around = pointer
    while around:
        if around in draft.fed:
            return draft.fed[around]
        around = around.rpartition("/")[0]
    return next((column for fed, column in draft.fed.items() if pointer and fed.startswith(f"{pointer}/")), "")


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
