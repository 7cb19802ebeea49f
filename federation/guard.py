"""The removal guard: one rule for crawl, reconcile and import (protocol section 5)."""

from __future__ import annotations

LEAST = 20
ONE_IN = 5


def guard(live: int, going: int) -> bool:
    """Whether so many of the live records may go at once: not more than 20 % where that is at least 20 records."""
    return going < LEAST or going * ONE_IN <= live
