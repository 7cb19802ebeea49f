"""From drafts to candidates: what no layout can decide alone (personal data, the schema, identity)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from exchange.drafts import MASK, Draft, Problems, PublisherFacts
from exchange.identity import Live, Namer, Thing, derived_reference, gathered
from exchange.privacy import names_role, role_mailbox
from exchange.report import Place
from exchange.shape import required
from exchange.spool import Spool
from schema.errors import Fault, Invalid
from schema.identifiers import PRIMARY_SCHEMES, canonical_reference, publisher_id
from schema.kinds import check

_MOST_FAULTS = 40
_VITAL = ("/reference", "/title", "/name", "/identifiers")


@dataclass(slots=True)
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """One record that the file holds: its data is valid for its kind; `rows` are the rows that made it, in order."""

    id: str
    reference: str
    rows: tuple[int, ...]
    buyers: tuple[str, ...]
    spool: Spool
    number: int

    @property
    def body(self) -> bytes:
        """Give the record as JSON."""
        return self.spool.get(self.number)

    @property
    def data(self) -> dict[str, Any]:
        """Give the record, read."""
        data: dict[str, Any] = orjson.loads(self.body)
        return data


@dataclass(slots=True)
class Sifted:
    """The candidates of a file, its refused drafts, the rows that repeat others, and the rows that are records.

    `dropped` are ready themselves, but something else in their row is refused.
    """

    records: list[Candidate] = field(default_factory=list)
    refused: list[Draft] = field(default_factory=list)
    dropped: list[Ready] = field(default_factory=list)
    repeated: set[Place] = field(default_factory=set)
    ready: list[Ready] = field(default_factory=list)


def sift(
    rows: Iterable[Draft | Ready], kind: str, publisher: PublisherFacts, published: Live, problems: Problems
) -> Sifted:
    """Check every draft and make records of the good ones. A row with one bad record is refused whole."""
    sifted, spool = Sifted(), Spool()
    for row in rows:
        ready = row if isinstance(row, Ready) else checked(row, kind, publisher, problems)
        if ready is None:
            sifted.refused.append(row)  # type: ignore[arg-type]  # only a draft can fail
            continue
        ready.number, ready.body = spool.put(ready.body), b""
        sifted.ready.append(ready)
    if sifted.refused:
        bad = {draft.place for draft in sifted.refused}
        sifted.dropped = [ready for ready in sifted.ready if ready.place in bad]
        sifted.ready = [ready for ready in sifted.ready if ready.place not in bad]
    groups: dict[str, Ready | list[Ready]] = {}
    for ready in sifted.ready:
        other = groups.setdefault(ready.reference, ready)
        if isinstance(other, list):
            other.append(ready)
        elif other is not ready:
            groups[ready.reference] = [other, ready]
    namer = Namer(publisher.id_prefix, kind, published)
    for reference, group in groups.items():
        if isinstance(group, Ready) and group.alone and (id_ := namer.bare(reference)):
            one = Candidate(id_, reference, (group.row,), group.buyers, spool, group.number)
            sifted.records.append(one)
        else:
            together = group if isinstance(group, list) else [group]
            sifted.records += _named(together, kind, spool, namer, published, problems, sifted.repeated)
    return sifted


def _named(
    group: list[Ready], kind: str, spool: Spool, namer: Namer, published: Live, problems: Problems, repeated: set[Place]
) -> Iterator[Candidate]:
    """Make records of the rows of one reference."""
    reference, given = group[0].reference, any(ready.given for ready in group)
    rows = [(ready.place, _data(spool.get(ready.number), kind)) for ready in group]
    things, repeats = gathered(rows, join=kind == "contract" and given)
    for repeat in repeats:
        repeated.add(repeat.row)
        problems.tell(
            repeat.row[1], "", f"The row repeats row {repeat.of[1]}{repeat.but}: it is published once.",
            expected="one row for each contract and supplier", code="repeated-row", sheet=repeat.row[0],
        )  # fmt: skip
    named = namer.named(reference, things)
    if len(named) > 1 and given:
        _tell_shared(reference, named, problems)
    for id_, thing in named:
        data = _as_published(thing.data, published.get(id_))
        number = spool.put(_body(kind, reference, data))
        yield Candidate(id_, reference, tuple(row for _, row in thing.rows), _buyers(data), spool, number)


def _body(kind: str, reference: str, data: dict[str, Any]) -> bytes:
    return orjson.dumps(data if kind == "organisation" else {"reference": reference} | data)


def _data(body: bytes, kind: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(body)
    if kind != "organisation":
        del data["reference"]
    return data


def _buyers(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one["name"]) for one in data.get("buyers", ()) if "name" in one)


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


def checked(draft: Draft, kind: str, publisher: PublisherFacts, problems: Problems) -> Ready | None:
    """Make a draft ready; take out, and tell, what the schema does not take. None where it can be no record."""
    if draft.refused:
        return None
    _depersonalise(draft, publisher, problems)
    for _ in range(_MOST_FAULTS):
        found = _first_fault(draft, kind, publisher)
        if isinstance(found, Ready):
            return found
        if (
            draft.strict
            or not found.pointer
            or found.pointer.startswith(_VITAL)
            or not _removed(draft.data, found.pointer)
        ):
            _tell(draft, found, problems, error=True)
            draft.refused = True
            return None
        _tell(draft, found, problems, error=False)
    draft.refused = True
    _tell(draft, Fault("", "Too much of the row cannot be read."), problems, error=True)
    return None


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
        body = _body(kind, reference, draft.data)
        check(kind, body)
    except Invalid as error:
        fault = error.faults[0]
        return Fault("/reference", fault.message, fault.found, fault.expected) if fault.rule == "reference" else fault
    return _ready(draft, reference, body)


def _ready(draft: Draft, reference: str, body: bytes) -> Ready:
    alone = len(draft.data.get("suppliers", ())) < 2
    return Ready(draft.sheet, draft.row, reference, bool(draft.reference), alone, _buyers(draft.data), body)


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
