"""How good a node is as a source, as one number and the parts that it is made of. Pure.

Each part is a share from 0 to 1, None where nothing can be said yet; the whole is their weighted mean over those that
are known. docs/run-an-aggregator.md says the same in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

WEIGHTS: Mapping[str, float] = {"accepted": 4, "availability": 3, "completeness": 2, "freshness": 2, "released": 1}
KEEPS = 0.97
"""What a visit leaves of the word of those before it: about the last 30 visits count."""
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "organisation": ("type", "region", "url", "contact"),
    "roadmap-item": ("summary", "phase", "status", "start", "collaboration", "contact"),
    "contract": ("description", "suppliers", "value", "startDate", "endDate", "classifications"),
    "tool": ("vendor", "category", "serviceAreas", "since"),
    "asset": ("description", "type", "licence", "repository"),
    "skill": ("description", "level", "department"),
}
"""What a reader looks for first in a record of each kind, beside what every record must have."""
_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:\.[0-9]+)?S)?)?"
)
_DAY = 86_400
_SECONDS = (366 * _DAY, 31 * _DAY, 7 * _DAY, _DAY, 3_600, 60, 1)
_LONGEST = 100 * 366 * _DAY


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a node: counts over all visits, shares kept by the crawl, `promised` as the manifest says it."""

    accepted: int
    refused: int
    availability: float | None
    completeness: float | None
    records: int
    held: int
    promised: str | None
    changed: datetime | None


def parts(facts: Facts, now: datetime) -> dict[str, float | None]:
    """The shares, by name.

    accepted: of the items that were read; availability: of the last visits, the latest counting most; completeness: of
    what a reader looks for first (`EXPECTED`), over a sample; freshness: the time that was promised between two looks
    at the data, as a share of the time since the last change where that is longer; released: of the live records, those
    whose removal nobody must decide.
    """
    judged = facts.accepted + facts.refused
    return {
        "accepted": _share(facts.accepted, judged),
        "availability": _rounded(facts.availability),
        "completeness": _rounded(facts.completeness),
        "freshness": _freshness(facts, now),
        "released": _share(facts.records - min(facts.held, facts.records), facts.records),
    }


def whole(shares: Mapping[str, float | None]) -> float | None:
    """The weighted mean of the parts that are known; None before the first visit."""
    known = [(WEIGHTS[name], share) for name, share in shares.items() if share is not None]
    if not known:
        return None
    return round(sum(weight * share for weight, share in known) / sum(weight for weight, _ in known), 4)


def availability(before: float | None, *, good: bool) -> float:
    """The share of good visits after one more: each counts a little less than the one after it."""
    now = 1.0 if good else 0.0
    return now if before is None else before * KEEPS + now * (1 - KEEPS)


def completeness(records: Iterable[tuple[str, bytes]]) -> float | None:
    """The share of the expected members that are there, over records as (kind, data); None where none is of a kind."""
    asked = there = 0
    for kind, data in records:
        wanted = EXPECTED.get(kind, ())
        found: Mapping[str, Any] = orjson.loads(data)
        asked += len(wanted)
        there += sum(found.get(name) not in (None, "", [], {}) for name in wanted)
    return there / asked if asked else None


def seconds_of(duration: str) -> int | None:
    """The length of an ISO 8601 duration in seconds, months of 31 days; None for what is none, or is over 100 years."""
    counts = counts_of(duration)
    if counts is None:
        return None
    total = sum(count * size for count, size in zip(counts, _SECONDS, strict=True))
    return total if total <= _LONGEST else None


def counts_of(duration: str) -> tuple[int, ...] | None:
    """The years, months, weeks, days, hours, minutes and seconds of an ISO 8601 duration; None for what is none."""
    found = _DURATION.fullmatch(duration) if len(duration) <= 60 else None
    return None if found is None else tuple(int(count or 0) for count in found.groups())


def _freshness(facts: Facts, now: datetime) -> float | None:
    promised = seconds_of(facts.promised) if facts.promised else None
    if not promised or facts.changed is None:
        return None
    age = max(0.0, (now - facts.changed).total_seconds())
    return 1.0 if age <= promised else round(promised / age, 4)


def _share(part: int, of: int) -> float | None:
    return round(part / of, 4) if of else None


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
