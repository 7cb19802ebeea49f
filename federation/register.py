"""Import a register: a file is all that one publisher says of one kind (protocol section 7).

The file is compared with what is published, and only real changes are appended, tombstones included, in one
transaction. It is read before that begins, and never while the log is locked: what was parsed is kept, and its rows are
named again by what stands then. `plan` is pure: a dry run and a real run judge by the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Protocol

import orjson
from sqlalchemy import select

from exchange.identity import base_of
from exchange.reading import Candidate, Parsed, PublisherFacts, Reading, named, parse
from exchange.report import Report, RowFault
from exchange.spool import Spool
from federation import audit, erasure, log, publishers
from federation.database import Database, WriteSession, table
from federation.database import Reading as AnySession
from federation.erasure import Rest
from federation.guard import guard
from federation.wishes import File, Wish
from schema.change import same
from schema.entry import stamp
from schema.errors import Busy, Held
from schema.identifiers import organisation_id
from schema.tables import Record

State = Literal["done", "refused", "held"]
_record = table(Record)
AT_ONCE = 5_000
READINGS = 3
_ENDS = ("endDate", "end", "until")


class Live(Mapping[str, bytes]):
    """The live records of one kind and publisher, id -> data. The data wait in a spool: a register may be large."""

    def __init__(self, found: Iterable[tuple[str, bytes]]) -> None:
        self._spool = Spool()
        self._numbers = {record: self._spool.put(data) for record, data in found}

    def __getitem__(self, record: str) -> bytes:
        """Give the data of a record."""
        return self._spool.get(self._numbers[record])

    def __contains__(self, record: object) -> bool:
        """Whether a record is live."""
        return record in self._numbers

    def __iter__(self) -> Iterator[str]:
        """Go through the ids."""
        return iter(self._numbers)

    def __len__(self) -> int:
        """Count the records."""
        return len(self._numbers)


@dataclass(frozen=True, slots=True)
class Published:
    """What stood when the file was compared: whose it is, the live records of its kind by id, the log's number.

    `resting` has what was withdrawn as personal data, by its id without a suffix: a row may be named anew.
    """

    facts: PublisherFacts
    live: Mapping[str, bytes]
    number: int
    resting: Mapping[str, Sequence[Rest]] = field(default_factory=dict)

    def rest(self, candidate: Candidate, now: datetime) -> Rest | None:
        """What keeps a record from being published now; one that is live may change to all but what was withdrawn."""
        lives, body = candidate.id in self.live, candidate.body
        withdrawn = self.resting.get(base_of(candidate.id), ())
        return next((one for one in withdrawn if (one.knows(body) if lives else one.holds(body, now=now))), None)

    def data(self, record: str) -> Mapping[str, Any] | None:
        """What is live under an id."""
        found = self.live.get(record)
        return None if found is None else orjson.loads(found)


class Change(NamedTuple):
    """One change that an import makes: a record to be published, or the reason of a tombstone."""

    id: str
    record: Candidate | None
    reason: str | None = None


@dataclass(slots=True)
class Plan:
    """The difference: ids by what becomes of them, and the changes that make it so; `resting` is left out as yet."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    resting: list[tuple[Candidate, Rest]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Only `done` changed anything; `error` is a sentence otherwise. `before` is what was live."""

    state: State
    reading: Reading
    plan: Plan
    before: Published
    error: str = ""

    @property
    def report(self) -> Report:
        """The report of protocol section 7."""
        return self.reading.report


class Parse(Protocol):
    """What reads the rows of a file: `exchange.reading.parse`, or the same in a child process."""

    def __call__(
        self,
        body: bytes,
        *,
        filename: str,
        kind: str,
        publisher: PublisherFacts,
        format: str | None,  # noqa: A002
    ) -> Parsed:
        """Read the rows."""
        ...


def run(
    database: Database,
    file: File,
    wish: Wish,
    *,
    node: str,
    now: datetime,
    also: Callable[[WriteSession, Outcome], None] | None = None,
    actor: audit.Actor | None = None,
    parse: Parse = parse,
) -> Outcome:
    """Import the file, for `actor` (None: the operator). `also` runs inside the same transaction, whatever the outcome.

    Raises `Malformed` for a file that cannot be read, `NotFound` for an unknown publisher, `Busy` where the publisher
    itself became another each time that the file was read.
    """
    for _ in range(READINGS):
        with database.read() as reading_session:
            before = published(reading_session, file)
        parsed = parse(file.body, filename=file.name, kind=file.kind, publisher=before.facts, format=file.format)
        reading = _named(parsed, before)
        if wish.dry_run and also is None:
            return judge(reading, before, wish, now)
        with database.write() as session:
            if actor is not None:
                audit.acting(session, actor)
            if log.lock(session) != before.number:
                before = published(session, file)
                if before.facts != parsed.publisher:
                    continue  # what a row means hangs on its publisher's name and prefix: it is read again, outside
                reading = _named(parsed, before)
            outcome = judge(reading, before, wish, now)
            if outcome.state == "done" and not wish.dry_run:
                _append(session, outcome, node, now)
            if also is not None:
                also(session, outcome)
        return outcome
    raise Busy(f"The name or the address of {file.publisher} has changed each time that the file was read.")


def _append(session: WriteSession, outcome: Outcome, node: str, now: datetime) -> None:
    """Append the changes in order of id, some thousands at a time, so that few of their bodies are in memory."""
    kind, publisher = outcome.reading.kind, outcome.before.facts.id
    changes = sorted(outcome.plan.changes, key=attrgetter("id"))
    for start in range(0, len(changes), AT_ONCE):
        drafts = [
            log.Draft(one.id, kind, publisher, one.record.body if one.record else None, one.reason)
            for one in changes[start : start + AT_ONCE]
        ]
        log.append(session, drafts, node=node, now=now)


def published(session: AnySession, file: File) -> Published:
    """What this node publishes now for the file's publisher. Raises `NotFound` for an unknown one.

    The number is read first: what is published while the records are read makes them count as out of date.
    """
    number = log.latest(session)
    owner = publishers.find(session, file.publisher)
    assert owner is not None
    name = str(publishers.organisations(session, [owner])[owner.id]["name"])
    resting: dict[str, list[Rest]] = {}
    for record, rest in erasure.resting(session, f"{owner.id_prefix}{file.kind}/").items():
        resting.setdefault(base_of(record), []).append(rest)
    facts, live = PublisherFacts(owner.id, name, owner.id_prefix), _live(session, owner.id, file.kind)
    return Published(facts, live, number, resting)


def _live(session: AnySession, publisher: str, kind: str) -> Live:
    wanted = select(_record.c.id, _record.c.data).where(
        _record.c.publisher == publisher,
        _record.c.kind == kind,
        _record.c.deleted.is_(False),
        _record.c.node_id.is_(None),
    )
    return Live((id_, data) for id_, data in session.connection().execute(wanted.execution_options(yield_per=1_000)))


def _named(parsed: Parsed, before: Published) -> Reading:
    reading = named(parsed, before.live)
    if parsed.kind == "organisation":
        _refuse_others(reading, before.facts)
    return reading


def _refuse_others(reading: Reading, facts: PublisherFacts) -> None:
    """A publisher says what it is itself, and nobody else: rows about other bodies are refused."""
    own = organisation_id(facts.id_prefix, facts.id)
    for candidate in [one for one in reading.records if one.id != own]:
        reading.records.remove(candidate)
        reading.report.accepted -= len(candidate.rows)
        reading.report.refused += len(candidate.rows)
        message = "This is another body: a publisher's register of organisations holds itself alone."
        found = f"{candidate.data['name']} ({candidate.reference})"
        reading.report.problems += [
            RowFault(row, "", "/identifiers", found[:200], facts.id, message, "error", "other-body")
            for row in candidate.rows
        ]


def judge(reading: Reading, before: Published, wish: Wish, now: datetime) -> Outcome:
    """Decide what the import comes to, and fill in the counts of its report where it lands."""
    made = plan(reading, before, now, partial=wish.partial)
    report = reading.report
    if report.refused and not wish.accept_good_rows:
        sentence = (
            f"{report.refused} row(s) are refused, so nothing was published. Mend them, or accept the good rows "
            "(--accept-good-rows, acceptGoodRows)."
        )
        return Outcome("refused", reading, made, before, sentence)
    try:
        check_removals(reading, before, made, wish)
    except Held as held:
        return Outcome("held", reading, made, before, held.detail)
    report.created, report.updated = len(made.created), len(made.updated)
    report.deleted, report.unchanged = len(made.deleted), len(made.unchanged)
    for candidate, rest in made.resting:
        report.problems += [_rests(row, rest, now) for row in candidate.rows]
        report.warned += len(candidate.rows)
    return Outcome("done", reading, made, before)


def _rests(row: int | None, rest: Rest, now: datetime) -> RowFault:
    if now < rest.until:
        expected, code = f"{stamp(rest.until)} or later", "withdrawn-lately"
        message = (
            "A record of this reference was withdrawn as personal data: the row is left out until whoever copied it "
            "has heard of that and erased it. Take the personal data out of the file, and a later import publishes "
            "the row. Under another reference it is published at once."
        )
    else:
        expected, code = "a row without the personal data", "withdrawn"
        message = (
            "This is what was withdrawn as personal data, and is left out: take the personal data out of the file."
        )
    return RowFault(row, "", "/reference", "", expected, message, "warning", code)


def plan(reading: Reading, before: Published, now: datetime, *, partial: bool = False) -> Plan:
    """Compare a file with what is live. A refused row keeps what is published for it, and so does the organisation."""
    made = Plan()
    said = {candidate.id for candidate in reading.records}
    for candidate in reading.records:
        lives = candidate.id in before.live
        if lives and same(before.live[candidate.id], candidate.body):
            made.unchanged.append(candidate.id)
            continue
        rest = before.rest(candidate, now)
        if rest is not None:
            made.resting.append((candidate, rest))
            continue
        (made.updated if lives else made.created).append(candidate.id)
        made.changes.append(Change(candidate.id, candidate))
    for record in () if partial or reading.kind == "organisation" else before.live:
        if record in said:
            continue
        if reading.keeps(record):
            made.unchanged.append(record)
            continue
        made.deleted.append(record)
        made.changes.append(Change(record, None, reason_of(before.live[record], now)))
    return made


def reason_of(data: bytes, now: datetime) -> str:
    """Why a record is gone from its register: `ended` where its last day has passed, else `withdrawn`."""
    members = orjson.loads(data)
    last = next((str(members[name]) for name in _ENDS if name in members), None)
    return "ended" if last is not None and last < f"{now:%Y-%m-%d}" else "withdrawn"


def check_removals(reading: Reading, before: Published, made: Plan, wish: Wish) -> None:
    """Raise `Held` where the removal guard trips and nobody has confirmed; either way the report says so."""
    if wish.partial or (reading.records and guard(len(before.live), len(made.deleted))):
        return
    share = f"{len(made.deleted)} of {len(before.live)}"
    effect = "Aggregators hold so large a removal until their operators release it."
    asked = "the whole register, or a confirmation of the removals"
    if wish.confirm_removals:
        sentence = f"{share} published records go, as confirmed. {effect}"
        reading.report.problems.append(RowFault(None, "", "", share, asked, sentence, "warning", "removal-guard"))
        return
    why = "The file holds no record" if not reading.records else "The file is much shorter than what is published"
    sentence = (
        f"{why}: {share} records would be removed. Confirm the removals if that is right (--confirm-removals, "
        f"confirmRemovals). {effect}"
    )
    reading.report.problems.append(RowFault(None, "", "", share, asked, sentence, "error", "removal-guard"))
    raise Held(sentence)
