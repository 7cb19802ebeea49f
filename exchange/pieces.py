"""Cells that become pieces of JSON, each member with a comma before it; equal cells become the equal piece.

A piece is `ODD` where anything about the cells is out of the ordinary: then the row is read by other means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, Protocol

import orjson

from exchange.cells import tidy
from exchange.checking import checked
from exchange.drafts import Draft, Problems, PublisherFacts, RowReader
from exchange.table import Columns
from exchange.tabular import Row
from schema.base import MAX_URL

MOST_KEPT = 20_000
"""So many combinations of cells are remembered of each group."""
Part = Callable[[RowReader, dict[str, Any]], None]
Cells = Sequence[str]
ODD: Final = b"\x00"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
_SUM = re.compile(r"£?((?:[1-9][0-9]{0,2}(?:,[0-9]{3}){1,3}|0|[1-9][0-9]{0,11})(?:\.[0-9]{1,2})?) ?")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~-]+(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]-~]*)?")


class Step(Protocol):
    """Makes JSON members of some cells, each with a comma before it; `ODD` where they are odd."""

    key: Callable[[Cells], Any]
    pieces: dict[Any, bytes]

    def read(self, cells: Cells) -> bytes:
        """Read cells whose key is not among the pieces."""
        ...


class Group:
    """The fields that a part reads together. Their cells alone decide what they become, so that is remembered."""

    def __init__(
        self, part: Part, places: Sequence[int], columns: Columns, publisher: PublisherFacts, inner: slice = slice(None)
    ) -> None:
        """Take the part and its columns; `inner` cuts out of the member what is to be joined with others' to one."""
        self.key: Callable[[Cells], Any] = itemgetter(*places)
        self.pieces: dict[Any, bytes] = {}
        self._part = part
        self._places = places
        self._columns = columns
        self._publisher = publisher
        self._inner = inner

    def read(self, cells: Cells) -> bytes:
        """Read the cells as the layout does, in a row that holds nothing else but a title."""
        if len(self.pieces) >= MOST_KEPT:
            self.pieces.clear()
        piece = self.pieces[self.key(cells)] = self._made(cells)
        return piece

    def _made(self, cells: Cells) -> bytes:
        alone = [""] * len(cells)
        for place in self._places:
            alone[place] = cells[place]
        problems, data = Problems(), dict[str, Any]()
        self._part(RowReader(self._columns, Row(0, alone), problems, self._publisher), data)
        sound = checked(Draft(0, "x", {"title": "x"} | data), "contract", self._publisher, problems)
        if problems.found or sound is None:
            return ODD
        return (b"," + orjson.dumps(data)[1:-1])[self._inner] if data else b""


class Text:
    """A member that is the text of one cell, `line` where it has no line breaks."""

    def __init__(self, member: str, place: int, longest: int, *, line: bool = True) -> None:
        self.key: Callable[[Cells], Any] = itemgetter(place)
        self.pieces: dict[Any, bytes] = {"": b""}
        self._before = b',"%b":' % member.encode()
        self._longest = longest
        self._line = line

    def read(self, cells: Cells) -> bytes:
        """Read the cell."""
        text = plain_text(self.key(cells), self._longest, line=self._line)
        return self._before + orjson.dumps(text) if text else ODD


class Sum:
    """The contract's value where it is so many pounds and no more, and what stands beside it; `all` reads any other."""

    def __init__(self, place: int, beside: Step | None, all: Step) -> None:  # noqa: A002
        self.key: Callable[[Cells], Any] = itemgetter(place)
        self.pieces: dict[Any, bytes] = {}
        self._beside = beside
        self._all = all

    def read(self, cells: Cells) -> bytes:
        """Read the cells."""
        match = _SUM.fullmatch(self.key(cells))
        if not match:
            return read(self._all, cells)
        digits = match[1].replace(",", "")  # so few that JSON's number is written as it stands here
        amount = digits.rstrip("0").rstrip(".") if "." in digits else digits
        beside = read(self._beside, cells) if self._beside else b""
        return ODD if beside is ODD else f',"value":{{"amount":{amount},"currency":"GBP"}}'.encode() + beside


class Day:
    """A date of one cell; `other` reads what is none."""

    def __init__(self, member: str, name: str, columns: Columns, other: Step) -> None:
        self.key = other.key
        self.pieces = other.pieces
        self._before = f',"{member}":"'
        self._name = name
        self._columns = columns
        self._other = other

    def read(self, cells: Cells) -> bytes:
        """Read the cell."""
        cell = self.key(cells)
        found = self._columns.day(self._name, tidy(cell)) if cell else None
        if not found or not found.day or found.note:
            return self._other.read(cells)
        piece = self.pieces[cell] = f'{self._before}{found.day.isoformat()}"'.encode()
        return piece


class Joined:
    """One list or object to which several groups of cells add their inner part."""

    def __init__(self, before: bytes, steps: Sequence[Step], after: bytes) -> None:
        self.key: Callable[[Cells], Any] = _nothing
        self.pieces: dict[Any, bytes] = {}
        self._before = before
        self._steps = quick(steps)
        self._after = after

    def read(self, cells: Cells) -> bytes:
        """Read the cells of each group."""
        found = []
        for key, known, make in self._steps:
            piece = known(key(cells))
            if piece is None:
                piece = make(cells)
            if piece is ODD:
                return ODD
            if piece:
                found.append(piece)
        return self._before + b",".join(found) + self._after if found else b""


Quick = tuple[Callable[[Cells], Any], Callable[[Any], bytes | None], Callable[[Cells], bytes]]


def quick(steps: Iterable[Step]) -> list[Quick]:
    """Give of each step its key, what it remembers and how it reads: these are asked for in every row."""
    return [(step.key, step.pieces.get, step.read) for step in steps]


def _nothing(_: Cells) -> None:
    return None


class Addresses:
    """The addresses of documents in their plain form; `all` reads any other."""

    def __init__(self, places: Sequence[tuple[int, str]], all: Step) -> None:  # noqa: A002
        self.key = all.key
        self.pieces = all.pieces
        self._places = places
        self._all = all

    def read(self, cells: Cells) -> bytes:
        """Read the cells."""
        found = []
        for place, sort in self._places:
            text = cells[place]
            if text:
                if len(text) > MAX_URL or not _ADDRESS.fullmatch(text):
                    return self._all.read(cells)
                found.append(b'{"documentType":"%b","url":"%b"}' % (sort.encode(), text.encode()))
        return b',"documents":[%b]' % b",".join(found) if found else self._all.read(cells)


def read(step: Step, cells: Cells) -> bytes:
    """Make the piece, or remember it."""
    piece = step.pieces.get(step.key(cells))
    return step.read(cells) if piece is None else piece


def plain_text(cell: str, longest: int, *, line: bool) -> str:
    """Give a cell that is nothing but text, tidy; "" where it is too long or needs a closer look."""
    if not (cell.isascii() and cell.isprintable()) or "  " in cell or cell[0] in " '" or cell[-1] == " ":
        cell = tidy(cell)
        if line:
            cell = cell.replace("\n", " ")
        if not cell or _CONTROL.search(cell):
            return ""
    return "" if cell[0] == "#" or "@" in cell or len(cell) > longest else cell
