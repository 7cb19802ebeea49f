"""The end of the log, kept in memory as items of pages.

Who follows the feed asks after the last number that it has. Where changes keep coming, each asks after another one:
pages that nobody asks for twice, made of the same few items. One look at the log for each of its standings makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from federation import log
from federation.glance import Glance
from federation.pulse import Standing, count
from schema.change import PAGE_SIZE
from schema.entry import Entry, item_json

MOST_BYTES = 1024 * 1024
"""Of all items: what is longer is read when it is asked for."""


class Piece(NamedTuple):
    """One item of the feed."""

    number: int
    kind: str
    item: bytes


@dataclass(slots=True)
class Tail:
    """What stands in the log after `start`, by record, in the order of the change numbers."""

    standing: Standing
    start: int
    pieces: dict[str, Piece] = field(default_factory=dict)
    size: int = 0

    @property
    def last(self) -> int:
        """The number of the last item."""
        return next(reversed(self.pieces.values())).number if self.pieces else self.start

    def holds(self, standing: Standing, number: int) -> bool:
        """Whether all that comes after this number, as the log stands, is here."""
        return self.standing is standing and self.start <= number <= standing.latest

    def after(self, number: int, kind: str | None) -> Sequence[Piece]:
        """What comes after a number, in order."""
        newer = takewhile(lambda piece: piece.number > number, reversed(self.pieces.values()))
        return [piece for piece in newer if kind is None or piece.kind == kind][::-1]

    def take(self, entries: Iterable[Entry]) -> None:
        """Put newer entries at the end, each in the place of what its record said before; keep within the bounds."""
        for entry in entries:
            old = self.pieces.pop(entry.id, None)
            piece = self.pieces[entry.id] = Piece(entry.number, entry.kind, item_json(entry))
            self.size += len(piece.item) - (len(old.item) if old else 0)
        for name, piece in list(self.pieces.items()):
            if len(self.pieces) <= PAGE_SIZE and self.size <= MOST_BYTES:
                break
            self.start = piece.number
            self.size -= len(self.pieces.pop(name).item)


def follow(rows: Glance, standing: Standing, before: Tail | None) -> Tail:
    """The tail as the log stands now, read on from the one before where that can be."""
    if before is not None and before.standing.epoch == standing.epoch:
        new = log.after(rows, before.last)
        if len(new) < PAGE_SIZE:
            tail = Tail(standing, before.start, dict(before.pieces), before.size)
            tail.take(new)
            # No row leaves the log without a newer one in its place; should one ever, it is read anew.
            if count(rows, tail.start, tail.last) == len(tail.pieces):
                return tail
    entries = log.newest(rows, PAGE_SIZE + 1)
    tail = Tail(standing, entries.pop(0).number if len(entries) > PAGE_SIZE else 0)
    tail.take(entries)
    return tail
