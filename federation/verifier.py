"""Signatures verified in a process of their own, beside the interpreter that judges (docs/decisions/0023).

The curve takes two thirds of what a signed record costs. A thread that verifies gives the interpreter up and waits to
get it back, for each record; a process is asked once a page. Where it breaks off, the page is verified here.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
import structlog

from federation import sign, verifying
from federation.apart import started
from federation.sign import Asked, Ring, State
from federation.verifying import LENGTH, STATES, Page

log = structlog.get_logger("folkmoot.crawl")
FEWEST = 50
"""Signatures that are worth asking for: fewer are verified here in the time that asking takes."""
SECONDS = 30.0
"""How long one page may take; the process is then ended and the page verified here."""
TRIES = 3
MOST, MOST_BYTES = 500, 2**20
"""Signatures and bytes that are asked for at once, so that a page of 32 MiB is not held twice more."""


class Verifier:
    """`sign.states` for the threads of one process: large pages by a process of its own, one page at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._over: Callable[[], object] = lambda: None
        self._left = TRIES if (os.cpu_count() or 1) > 1 else 0

    def states(self, asked: Sequence[Asked], rings: Mapping[str, Ring]) -> list[State]:
        """What each signature is worth."""
        if self._left and sum(one.sig is not None for one in asked) >= FEWEST:
            with self._turn, suppress(OSError):
                return self._elsewhere(asked, rings)
            log.warning("the process that verifies signatures broke off; they are verified here", tries=self._left)
        return sign.states(asked, rings)

    def close(self) -> None:
        """End the process, if there is one. A later page starts it anew."""
        with self._turn:
            self._end()

    def _elsewhere(self, asked: Sequence[Asked], rings: Mapping[str, Ring]) -> list[State]:
        found: list[State] = []
        try:
            line = self._open()
            for part in _parts(asked):
                named = {one.node for one in part} & rings.keys()
                page = msgspec.msgpack.encode(Page({node: list(rings[node].jwks) for node in named}, part))
                line.sendall(LENGTH.pack(len(page)) + page)
                found.extend(STATES[code] for code in _exactly(line, len(part)))
        except OSError:
            self._left -= 1
            self._end()
            raise
        return found

    def _open(self) -> socket.socket:
        if self._line is None:
            self._line, theirs = socket.socketpair()
            self._line.settimeout(SECONDS)
            with theirs:
                self._child = started(verifying.__name__, stdin=theirs.fileno())
            # A crawl that is let go without its end leaves no process behind either.
            self._over = weakref.finalize(self, _ended, self._child, self._line)
        return self._line

    def _end(self) -> None:
        self._child = self._line = None
        self._over()


def _ended(child: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    child.kill()
    child.wait()


def _parts(asked: Sequence[Asked]) -> Iterator[list[Asked]]:
    part: list[Asked] = []
    size = 0
    for one in asked:
        part.append(one)
        size += len(one.data or b"") + len(one.origin)
        if len(part) >= MOST or size >= MOST_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _exactly(line: socket.socket, length: int) -> bytes:
    """So many bytes. Raises `OSError` where the other end is gone, or takes too long."""
    found = bytearray()
    while len(found) < length:
        part = line.recv(length - len(found))
        if not part:
            raise ConnectionError("the other end is gone")
        found += part
    return bytes(found)
