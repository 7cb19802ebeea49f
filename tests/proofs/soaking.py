"""A steady mixed load on one server, by the clock and not by its answers, and what the server takes meanwhile."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import orjson

from benchmarks.crowd import WORDS, WORK
from benchmarks.processes import anonymous_mb, resident_mb

CONNECTIONS, READERS = 48, 60
ANEW = 0.02
"""How often a reader of the feed begins at its start again."""
_COUNTED = ("fd", "task")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NEXT = re.compile(rb'"next":"https?://[^/"]+([^"]+)"')
_ETAG = re.compile(rb"etag: *([^\r]+)", re.IGNORECASE)


@dataclass
class Seen:
    """What was answered: statuses, by kind of request, and seconds from the moment that each was due."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: array[float] = field(default_factory=lambda: array("f"))
    broken: int = 0

    @property
    def faults(self) -> int:
        """How many answers were 5xx, or broke off."""
        return self.broken + sum(count for (_kind, status), count in self.statuses.items() if status >= 500)

    def quantile(self, part: float) -> float:
        """Milliseconds within which so many were answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1_000


@dataclass
class Reader:
    """One who follows the feed: the page that it is at, and the tag of that page where it was read already."""

    path: str = "/v1/changes?afterChangeNumber=0"
    etag: bytes = b""


@dataclass
class Asked:
    """One request: its kind, its bytes, who reads, which record is changed."""

    kind: str
    head: bytes
    reader: Reader | None = None
    record: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a server takes at a moment: seconds since the start, memory in MB, files, threads, tasks."""

    at: float
    resident: float
    anonymous: float
    files: int
    threads: int
    tasks: int


class Load:
    """70 % readers of the feed with their ETag, 20 % searches, 5 % records, 5 % changes to records."""

    def __init__(self, host: str, port: int, *, node: str, publisher: str, token: str, records: int) -> None:
        self.host, self.port, self.token = host, port, token
        self.publisher, self.records = publisher, records
        self.prefix = f"{node}/id/{publisher}/contract/"
        self.path = f"/id/{publisher}/contract/"
        self.chance, self.seen = random.Random(40), Seen()
        self.etags: dict[int, bytes] = {}
        self.idle = [Reader() for _ in range(READERS)]
        self.busy: set[int] = set()

    def _request(self) -> Asked:
        what = self.chance.random()
        if what < 0.70:
            reader = self.idle.pop(self.chance.randrange(len(self.idle)))
            if self.chance.random() < ANEW:
                reader.path, reader.etag = Reader.path, b""
            return Asked("feed", self._get(reader.path, reader.etag), reader)
        if what < 0.90:
            words = f"{self.chance.choice(WORDS)} {self.chance.choice(WORK)}".lower()
            return Asked(
                "search", self._get(f"/v1/contracts?q={quote(words)}&limit={self.chance.choice((10, 20, 50))}")
            )
        record = self.chance.randint(1, self.records)
        if what < 0.95 or record in self.busy:
            return Asked("item", self._get(f"/v1/records?id={quote(self._id(record), safe='')}"))
        self.busy.add(record)
        return Asked("write", self._put(record), record=record)

    def _id(self, record: int) -> str:
        return f"{self.prefix}C-{record:06d}"

    def _get(self, path: str, etag: bytes = b"") -> bytes:
        tag = b"If-None-Match: " + etag + b"\r\n" if etag else b""
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n".encode() + tag + b"\r\n"

    def _put(self, record: int) -> bytes:
        path, known = f"{self.path}C-{record:06d}", self.etags.get(record, b"*")
        data = orjson.dumps({"reference": f"C-{record:06d}", "title": f"Changed {self.chance.random():.6f}"})
        head = f"PUT {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\nIf-Match: "
        return head.encode() + known + b"\r\n\r\n" + data

    async def run(self, rate: float, seconds: float, sample: Callable[[], None], every: float) -> None:
        """Send so many requests a second; each is late by as much as those before it are."""
        waiting: asyncio.Queue[float] = asyncio.Queue()
        tasks = [asyncio.create_task(self._talk(waiting)) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        looked = began - every
        for turn in range(int(rate * seconds)):
            due = began + turn / rate
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            if time.monotonic() - looked >= every:
                looked = time.monotonic()
                await asyncio.to_thread(sample)
            waiting.put_nowait(due)
        await waiting.join()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, waiting: asyncio.Queue[float]) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        try:
            while True:
                due = await waiting.get()
                asked = self._request()
                try:
                    if writer is None or reader is None or writer.is_closing():
                        reader, writer = await asyncio.open_connection(self.host, self.port, limit=8_000_000)
                    writer.write(asked.head)
                    status = await asyncio.wait_for(self._answer(reader, asked), 30)
                    self.seen.statuses[asked.kind, status] += 1
                except (OSError, EOFError, TimeoutError):
                    self.seen.broken += 1
                    writer = None
                if asked.reader is not None:
                    self.idle.append(asked.reader)
                self.busy.discard(asked.record)
                self.seen.seconds.append(time.monotonic() - due)
                waiting.task_done()
        finally:
            if writer is not None:
                writer.close()

    async def _answer(self, stream: asyncio.StreamReader, asked: Asked) -> int:
        head, body = await stream.readuntil(b"\r\n\r\n"), b""
        found, length, etag = _STATUS.match(head), _LENGTH.search(head), _ETAG.search(head)
        assert found is not None
        status = int(found[1])
        if status != 304:
            body = await stream.readexactly(int(length[1])) if length is not None else await _chunks(stream)
        if asked.reader is not None and status == 200:
            _go_on(asked.reader, body, etag[1] if etag else b"")
        elif asked.kind == "write":
            self.etags[asked.record] = etag[1] if etag and status < 300 else b"*"
        return status


def _go_on(reader: Reader, body: bytes, etag: bytes) -> None:
    """Follow `next`; at the end of the feed it is the page itself, whose tag is worth keeping."""
    found = _NEXT.search(body)
    assert found is not None
    path = found[1].decode()
    reader.etag = etag if path == reader.path else b""
    reader.path = path


async def _chunks(stream: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await stream.readline(), 16):
        parts.append((await stream.readexactly(size + 2))[:-2])
    await stream.readline()
    return b"".join(parts)


def look(pid: int, began: float, tasks: int) -> Sample:
    """What a server takes now, in all its processes."""
    all_of_it = [pid, *_children(pid)]
    files, threads = (sum(len(list(Path(f"/proc/{one}/{what}").iterdir())) for one in all_of_it) for what in _COUNTED)
    resident, anonymous = sum(map(resident_mb, all_of_it)), sum(map(anonymous_mb, all_of_it))
    return Sample(time.monotonic() - began, resident, anonymous, files, threads, tasks)


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def slope(samples: list[Sample], value: Callable[[Sample], float]) -> float:
    """By how many hundredths of its mean a value grows in ten minutes, along the straight line that fits best."""
    times, values = [sample.at for sample in samples], [value(sample) for sample in samples]
    return statistics.linear_regression(times, values).slope * 600 / statistics.fmean(values) * 100


def halves(samples: list[Sample]) -> Iterator[list[Sample]]:
    """The first and the second half."""
    yield samples[: len(samples) // 2]
    yield samples[len(samples) // 2 :]
