"""From the rows of a file to its records: which rows are one record, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from exchange.checking import Ready, body_of, buyers_of, checked
from exchange.drafts import Draft, Problems, PublisherFacts
from exchange.identity import Live, Namer, Thing, gathered, listed
from exchange.report import Place
from exchange.spool import Spool
from exchange.tabular import MOST_ROWS
from schema.errors import Malformed


@dataclass(slots=True, eq=False)
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
    """The rows of a file, checked: those that are ready, their bodies put away in the spool, and the refused drafts.

    `dropped` are ready themselves, but something else in their row is refused.
    """

    spool: Spool = field(default_factory=Spool)
    ready: list[Ready] = field(default_factory=list)
    refused: list[Draft] = field(default_factory=list)
    dropped: list[Ready] = field(default_factory=list)


@dataclass(slots=True)
class Named:
    """The records of a file, and the rows that repeat others."""

    records: list[Candidate] = field(default_factory=list)
    repeated: set[Place] = field(default_factory=set)


def sift(rows: Iterable[Draft | Ready], kind: str, publisher: PublisherFacts, problems: Problems) -> Sifted:
    """Check every draft. A row with one bad record is refused whole."""
    sifted = Sifted()
    for count, row in enumerate(rows):
        if count >= MOST_ROWS:  # a row of notices may hold a thousand of them
            raise Malformed(f"The file has more than {MOST_ROWS} records.")
        ready = row if isinstance(row, Ready) else checked(row, kind, publisher, problems)
        if ready is None:
            sifted.refused.append(row)  # type: ignore[arg-type]  # only a draft can fail
            continue
        ready.number, ready.body = sifted.spool.put(ready.body), b""
        sifted.ready.append(ready)
    if sifted.refused:
        bad = {draft.place for draft in sifted.refused}
        sifted.dropped = [ready for ready in sifted.ready if ready.place in bad]
        sifted.ready = [ready for ready in sifted.ready if ready.place not in bad]
    return sifted


def named(
    rows: Iterable[Ready], spool: Spool, *, kind: str, publisher: PublisherFacts, published: Live, problems: Problems
) -> Named:
    """Make records of rows that are ready, by what is published. The rows stay as they are: they can be named again."""
    found, namer = Named(), Namer(publisher.id_prefix, kind, published)
    for reference, group in _grouped(rows).items():
        if isinstance(group, Ready) and group.alone and (id_ := namer.bare(reference)):
            one = Candidate(id_, reference, (group.row,), group.buyers, spool, group.number)
            found.records.append(one)
        else:
            together = group if isinstance(group, list) else [group]
            things = _things(together, kind, spool, found.repeated, problems)
            pairs = namer.named(reference, things)
            if len(pairs) > 1 and any(ready.given for ready in together):
                _tell_shared(reference, pairs, problems)
            for id_, thing in pairs:
                data = _as_published(thing.data, published.get(id_))
                said = tuple(number for _, number in thing.rows)
                number = spool.put(body_of(kind, reference, data))
                found.records.append(Candidate(id_, reference, said, buyers_of(data), spool, number))
    return found


def _grouped(rows: Iterable[Ready]) -> dict[str, Ready | list[Ready]]:
    """Rows by reference, in the order of the file; most references have one row, and no list."""
    groups: dict[str, Ready | list[Ready]] = {}
    for ready in rows:
        other = groups.setdefault(ready.reference, ready)
        if isinstance(other, list):
            other.append(ready)
        elif other is not ready:
            groups[ready.reference] = [other, ready]
    return groups


def _things(group: list[Ready], kind: str, spool: Spool, repeated: set[Place], problems: Problems) -> list[Thing]:
    """Make things of the rows of one reference, and tell of those that repeat others."""
    rows = [(ready.place, _data(spool.get(ready.number), kind)) for ready in group]
    things, repeats = gathered(rows, join=kind == "contract" and any(ready.given for ready in group))
    for repeat in repeats:
        repeated.add(repeat.row)
        problems.tell(
            repeat.row[1], "", f"The row repeats row {repeat.of[1]}{repeat.but}: it is published once.",
            expected="one row for each contract and supplier", code="repeated-row", sheet=repeat.row[0],
        )  # fmt: skip
    return things


def _data(body: bytes, kind: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(body)
    if kind != "organisation":
        del data["reference"]
    return data


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
    ours, theirs = listed(data, "suppliers"), listed(live or {}, "suppliers")
    if ours != theirs and len(ours) == len(theirs) and all(one in theirs for one in ours):
        return data | {"suppliers": theirs}
    return data
