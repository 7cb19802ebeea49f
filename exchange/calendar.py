"""Dates of contracts and of digital work as a calendar (RFC 5545): all-day events that keep their UID for ever.

Nothing volatile: a record's events are stamped with the time at which its origin published it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from icalendar import Calendar, Event, vText

from exchange.summaries import label, summary

PRODUCER = "-//Folkmoot//Folkmoot 1.0//EN"
_DATES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "contract": (
        ("startDate", "start", "Contract starts"),
        ("noticeBy", "notice-by", "Last day to give notice"),
        ("reviewDate", "review", "Contract review"),
        ("endDate", "end", "Contract ends"),
        ("maxExtensionDate", "extension", "Contract ends with every extension"),
    ),
    "roadmap-item": (("start", "start", "Work starts"), ("end", "end", "Work ends")),
}
KINDS = tuple(_DATES)
"""The kinds that have dates for a calendar."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A record with its data, and when its origin published it (as the protocol writes times)."""

    id: str
    kind: str
    data: Mapping[str, Any]
    publisher: str
    published: str


def calendar(title: str, url: str, records: Iterable[Dated]) -> bytes:
    """One event for each date of each record. The UID is the record's id and `#end`, `#review`, `#notice-by` ..."""
    made = Calendar()
    made.add("version", "2.0")
    made.add("prodid", PRODUCER)
    made.add("method", "PUBLISH")
    for name in ("name", "x-wr-calname"):  # the library escapes the texts alone that RFC 5545 itself has
        made.add(name, vText(title))
    made.add("url", url)
    for record in records:
        for event in _events(record):
            made.add_component(event)
    return bytes(made.to_ical())


def _events(record: Dated) -> Iterator[Event]:
    for member, name, what in _DATES.get(record.kind, ()):
        day = _day(record.data.get(member))
        if day is not None:
            event = Event()
            event.add("uid", f"{record.id}#{name}")
            event.add("dtstamp", _moment(record.published))
            event.add("dtstart", day)
            event.add("summary", f"{what}: {label(record.data)} ({record.publisher})")
            event.add("description", summary(record.data))
            event.add("url", record.id)
            event.add("transp", "TRANSPARENT")
            yield event


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    """When the origin published it, to the second; the beginning of 1970 where it says nothing that is a time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime(1970, 1, 1, tzinfo=UTC)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC).replace(microsecond=0)
