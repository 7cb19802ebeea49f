"""Read a register in a child process, as a server reads what is uploaded: it dies alone (exchange/reading_child.py).

What it found comes back a line at a time: bodies of records wait in a spool, so that the server holds of a file no more
than `Parsed` says.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import IO

import orjson

from exchange import children
from exchange.checking import Ready
from exchange.drafts import PublisherFacts
from exchange.reading import Parsed, RefusedRow
from exchange.reading_child import LONGEST_SENTENCE, READY, REFUSED
from exchange.report import RowFault
from schema.errors import Malformed

MEMORY, OUTPUT = 1 << 30, 256 << 20
MEMORY_A_BYTE, OUTPUT_A_BYTE = 10, 6
"""What an operator allows to be sent may be read, so a larger file may take more."""
CPU_SECONDS, WALL_SECONDS = 180, 600.0


class ReaderBroken(Exception):
    """The child broke by a fault of ours; the sentence is the end of what it said."""


def parse_apart(
    body: bytes,
    *,
    filename: str,
    kind: str,
    publisher: PublisherFacts,
    format: str | None = None,  # noqa: A002
    stopping: Callable[[], bool] | None = None,
) -> Parsed:
    """Read the rows of a file as `reading.parse` does, but that all it refuses is `Malformed`, and so is a dead child.

    Raises `children.Stopped` as `children.run` does, `OSError` where the machine has no room for it.
    """
    limits = {
        "memory": MEMORY + MEMORY_A_BYTE * len(body),
        "output": OUTPUT + OUTPUT_A_BYTE * len(body),
        "seconds": CPU_SECONDS,
    }
    about = {"filename": filename, "kind": kind, "format": format}
    asked = {**about, "publisher": asdict(publisher), "limits": limits}
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as told:
        given.write(orjson.dumps(asked) + b"\n")
        given.write(body)
        given.seek(0)
        code = _run(given, out, told, stopping)
        if code:
            told.seek(max(0, told.seek(0, os.SEEK_END) - LONGEST_SENTENCE))
            raise _failure(code, told.read().decode("utf-8", "replace"))
        out.seek(0)
        return _parsed(out, kind, publisher)


def _run(given: IO[bytes], out: IO[bytes], told: IO[bytes], stopping: Callable[[], bool] | None) -> int:
    module = "exchange.reading_child"
    return children.run(module, given, out, told, seconds=WALL_SECONDS, group=True, stopping=stopping)


def _failure(code: int, told: str) -> Exception:
    if code == children.UNREADABLE:
        return Malformed(told)
    if code == children.NO_ROOM:
        return children.no_room()
    if code == -signal.SIGXCPU:
        return Malformed("The file took longer to read than any register should. Send it in parts, or as plain CSV.")
    if code == children.TOO_LARGE or code < 0:
        return Malformed(
            "The file needs more memory to read than any register should. Send it in parts, or as plain CSV."
        )
    return ReaderBroken(told)


def _parsed(lines: Iterable[bytes], kind: str, publisher: PublisherFacts) -> Parsed:
    found: Parsed | None = None
    buyers: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line in lines:
        message = orjson.loads(line)
        if found is None:
            found = Parsed(kind, publisher, **message)
        elif message == "end":
            return found
        elif message[0] == READY:
            sheet, row, reference, given, alone, names, body = message[1:]
            named = buyers.setdefault(tuple(names), tuple(names))  # most rows name the same ones
            number = found.spool.put(body.encode())
            found.ready.append(Ready(sheet, row, reference, given, alone, named, b"", number))
        elif message[0] == REFUSED:
            found.refused.append(RefusedRow(*message[1:]))
        else:
            found.problems.append(RowFault(*message[1:]))
    raise ReaderBroken("The child ended without saying that it had read all.")
