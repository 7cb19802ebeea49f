"""Counted things in words, and words that a terminal may show."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """`1 page`, `2 pages`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def clean(text: object) -> str:
    """Text that cannot steer a terminal: whatever does not print becomes a mark."""
    told = str(text)
    return told if told.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in told)
