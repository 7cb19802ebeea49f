"""What the index holds of a record: its words, terms, dates and money. Knows neither database nor engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

Members = dict[str, Any]

FACETS = (
    "publisher", "region", "nation", "kind", "supplier", "cpv", "service", "tool", "phase", "status", "stage",
    "collaboration", "endYear",
)  # fmt: skip
"""What can be counted. A record has any number of values of each."""
FILTERS = (*(name for name in FACETS if name != "endYear"), "signature")
"""What can be filtered by value. `supplier`, `service` and `tool` also find by their other names."""


class Source(NamedTuple):
    """A record as the database holds it; a tombstone has no data."""

    row: int
    id: str
    kind: str
    publisher: str
    number: int
    data: bytes | None
    changed: datetime
    signature: str = "absent"


@dataclass(frozen=True, slots=True)
class Place:
    """What a publisher's organisation record says for all of its records."""

    name: str = ""
    region: str = ""
    nation: str = ""


@dataclass(slots=True)
class Document:
    """What the index holds of one record.

    `members` are what every engine stores under the same names: what facets count (`FACETS`), what is only filtered by
    (`any_supplier` and the like), what spans compare (`low`, `high`), `text` with the title in it, so that one field
    says what matches. `labels` say what a person calls a value; `keys` are the packed sort keys.
    """

    id: str
    kind: str
    row: int
    number: int
    members: Members
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: str, label: str = "") -> None:
        """Give the record a value of a field, once."""
        if not value:
            return
        known = self.members.get(name)
        if known is None:
            self.members[name] = [value]
        elif value in known:
            return
        else:
            known.append(value)
        if label and label != value:
            self.labels.setdefault(name, {})[value] = label

    def alias(self, name: str, values: Iterable[str]) -> None:
        """Let a filter find the record by other names of a value: none of them is empty, each stands there once."""
        known = self.members.get(name)
        if known is None:
            self.members[name] = [*values]
        else:
            known += [value for value in values if value not in known]
