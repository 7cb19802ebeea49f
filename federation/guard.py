"""The removal guard: one rule for crawl, reconcile and import (protocol section 5)."""

from __future__ import annotations

from datetime import timedelta

LEAST = 20
ONE_IN = 5
DAY = timedelta(hours=24)
"""How long what has gone counts among what would go, so that a register is not emptied a slice a visit."""


def guard(live: int, going: int) -> bool:
    """Whether so many of the live records may go at once: not more than 20 % where that is at least 20 records.

    For a crawl `live` and `going` both include what has gone within the last `DAY` and has not come back.
    """
    return going < LEAST or going * ONE_IN <= live
