"""Which parts of a file a `Range` asks for (RFC 9110 section 14)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RANGE = re.compile(r"([0-9]{1,100})-([0-9]{0,100})|-([0-9]{1,100})")


def ranges(asked: str, size: int) -> Sequence[tuple[int, int]] | None:
    """The ranges of a file of `size` bytes, each with its first and last byte; those that lie beyond its end left out.

    None where the field is to be ignored: it is of another unit, or one of its ranges is none.
    """
    unit, _, listed = asked.partition("=")
    specs = [_RANGE.fullmatch(one) for part in listed.split(",") if (one := part.strip(" \t"))]
    if unit.lower() != "bytes" or not specs:
        return None
    found = []
    for spec in specs:
        if spec is None or (spec[2] and int(spec[2]) < int(spec[1])):
            return None
        first = max(0, size - int(spec[3])) if spec[3] else int(spec[1])
        last = min(int(spec[2]), size - 1) if spec[2] else size - 1
        if first <= last:
            found.append((first, last))
    return found
