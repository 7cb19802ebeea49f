"""Whole kinds as files: written from one moment of the database, kept beside it, complete up to a change number.

Why files and not streams: the manifest promises each one's size and SHA-256 before anybody asks for it, a download can
be resumed, and a thousand readers cost one reading of the database. A file is written when it is asked for and the log
has moved, and now and then by a worker (`federation/keeper.py`); one that took long to write is given out for a while
longer, in proportion, so that a busy aggregator does not write a million records for every change. A large one is
written by a process of its own (`federation/bulk_child.py`): in this one it would keep requests waiting for as long as
it takes.
"""

from __future__ import annotations

import errno
import hashlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from federation import directory, erasure, log, outages, snapshot
from federation.apart import Apart, Broken
from federation.database import Database, Reading
from federation.scan import epoch
from schema.entry import Entry, record_json, stamp
from schema.errors import Busy, NotFound
from schema.kinds import PLURALS

if TYPE_CHECKING:  # the process that writes a large file needs no search engine
    from federation.tenant import Tenant

CHEAP_SECONDS = 1.0
LARGE = 20_000
"""Records from which on a file is written by a process of its own."""
_LEFT_SECONDS = 3_600.0
"""How long nothing was written to a part that its writer must have left behind, killed."""
PATIENCE = 20
"""For how many times as long as it took to write it a file is given out though there is something new."""
HASTE = 1
"""The same where something was withdrawn since."""
_REPLACED_SECONDS = 600.0
"""How long a file that was replaced stays for those who are about to open it."""
AFTER_FAILURE = 60.0
"""Seconds until what failed is tried again. To try fills a disk that is nearly full, and others write there too."""

_BREAKS = bytes.maketrans(b"\r\n", b"  ")
Writer = Callable[[Iterable[Entry], Reading], Iterator[bytes]]
"""Takes the records, and the session that they come from: what else it asks there is of the same moment."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One file that can be had: all records of a kind in a format."""

    name: str
    kind: str
    format: str
    media_type: str
    write: Writer


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it stands. `seconds` is how long it took to write, `at` when that was (UTC, ISO 8601).

    `epoch` is of the database that it was written from: numbers of another one say nothing here.
    """

    name: str
    file: str
    change_number: int
    count: int
    bytes: int
    sha256: str
    seconds: float
    at: str
    epoch: str = ""


def ndjson(entries: Iterable[Entry], _session: Reading) -> Iterator[bytes]:
    """A list item a line (protocol section 6)."""
    for entry in entries:
        yield one_line(record_json(entry)) + b"\n"


def one_line(record: bytes) -> bytes:
    """A record's JSON without line breaks: a publisher may have sent some between its members, nowhere else."""
    return record.translate(_BREAKS) if b"\n" in record or b"\r" in record else record


def plain_csv(entries: Iterable[Entry], _session: Reading) -> Iterator[bytes]:
    """A row a record, nested members as dotted columns."""
    from exchange import columns  # noqa: PLC0415 - a start does not wait for what makes tables

    return columns.csv_lines(record_json(entry) for entry in entries)


def lga_csv(entries: Iterable[Entry], session: Reading) -> Iterator[bytes]:
    """The LGA's register of contracts, its columns verbatim: a row a contract and supplier."""
    from exchange import lga_export  # noqa: PLC0415 - see above

    publishers = directory.named(session)
    return lga_export.lines(_bought(entry, publishers) for entry in entries if entry.data is not None)


def _bought(entry: Entry, publishers: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Give a contract with its buyer: the publisher itself where none is named, as the schema has it.

    Rows of many councils stand in one file, and the LGA has columns for whose they are. That the publisher's own
    record is the buyer is read as no buyer again (exchange/lga_parties.py).
    """
    data: dict[str, Any] = orjson.loads(entry.data or b"{}")
    if not data.get("buyers"):
        publisher = publishers.get(str(orjson.loads(entry.origin).get("publisher")))
        return data | {"buyers": [publisher]} if publisher else data
    return data


def _shapes() -> Iterator[Shape]:
    for kind, plural in PLURALS.items():
        yield Shape(f"{plural}.ndjson", kind, "ndjson", "application/x-ndjson", ndjson)
        yield Shape(f"{plural}.csv", kind, "csv", "text/csv", plain_csv)
    yield Shape("contracts-lga.csv", "contract", "lga", "text/csv", lga_csv)


SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in _shapes()}


class BulkFiles:
    """The files of one server, in a folder of their own. Safe to share between threads, and between processes."""

    def __init__(
        self, database: Database, folder: Path, now: Callable[[], datetime], tenant: Tenant | None = None
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._folder = folder
        self._now = now
        self._locks = {name: threading.Lock() for name in SHAPES}
        self._full_until: dict[str, float] = {}
        self._apart = Apart()

    def current(self, name: str) -> Written:
        """The file, written anew where it must be.

        Raises `NotFound` for a name that is none, `Busy` where there is no room to write it, or its folder is another
        database's.
        """
        if name not in SHAPES:
            raise NotFound(f"There is no bulk file '{name[:80]}'. There are {', '.join(SHAPES)}.")
        self.check()
        with self._locks[name]:
            standing = self._standing(name)
            return standing if standing and self._good(standing) else self._write(SHAPES[name], standing)

    def check(self) -> None:
        """Raise `Busy` where the folder is another database's: there nothing is written, and nothing removed."""
        if self._tenant is not None:
            self._tenant.check()

    def path(self, written: Written) -> Path:
        """Where the file lies."""
        return self._folder / written.file

    def listed(self) -> list[tuple[Shape, Written]]:
        """The files that stand now, however old; none is written."""
        found = ((shape, self._standing(name)) for name, shape in SHAPES.items())
        return [(shape, written) for shape, written in found if written is not None]

    def _standing(self, name: str) -> Written | None:
        try:
            written = Written(**orjson.loads((self._folder / f"{name}.json").read_bytes()))
        except FileNotFoundError:
            return None
        with self._database.read() as session:
            ours = written.epoch == epoch(session)
        return written if ours and self.path(written).exists() else None

    def _good(self, written: Written) -> bool:
        with self._database.read() as session:
            latest = log.latest(session)
            if latest == written.change_number:
                return True
            # What was withdrawn for a person's sake is given out to nobody, whatever it costs to write the file.
            if latest < written.change_number or erasure.newest(session) > written.change_number:
                return False
            if written.seconds <= CHEAP_SECONDS:
                return False
            withdrawn = log.withdrawn(session, SHAPES[written.name].kind, after=written.change_number)
        patience = timedelta(seconds=written.seconds * (HASTE if withdrawn else PATIENCE))
        return self._now() < datetime.fromisoformat(written.at) + patience

    def _write(self, shape: Shape, replaced: Written | None) -> Written:
        if time.monotonic() < self._full_until.get(shape.name, 0.0):
            raise Busy(_no_room(shape))
        try:
            return self._written(shape, replaced)
        except OSError as error:
            if not outages.is_full(error):
                raise
            self._full_until[shape.name] = time.monotonic() + AFTER_FAILURE
            raise Busy(_no_room(shape)) from error

    def _written(self, shape: Shape, replaced: Written | None) -> Written:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep(shape.name)
        began = time.monotonic()
        with self._database.read() as session:
            ours = epoch(session)  # before it is written: a database that is renewed meanwhile is another
        large = self._is_large(replaced)
        made = self._cut_apart(shape) if large else cut_file(self._database, self._folder, shape)
        seconds = time.monotonic() - began
        written = Written(shape.name, seconds=seconds, at=stamp(self._now()), epoch=ours, **asdict(made))
        kept = {replaced.file} if replaced else set()
        try:
            self._note(written)
            kept.add(made.file)
        finally:  # a file of which no note tells is given to nobody, and takes up room
            self._forget(shape.name, kept)
        return written

    def _note(self, written: Written) -> None:
        """Say that this file stands now."""
        with _whole(_part(self._folder, f"{written.name}.json", threading.get_native_id())) as note:
            note.write_bytes(orjson.dumps(asdict(written)))
            note.replace(self._folder / f"{written.name}.json")

    def _is_large(self, replaced: Written | None) -> bool:
        """Whether there may be many records now: as many as there were, and one for each change since."""
        with self._database.read() as session:
            latest = log.latest(session)
        before, since = (replaced.count, replaced.change_number) if replaced else (0, 0)
        return before + latest - since > LARGE

    def _cut_apart(self, shape: Shape) -> Cut:
        url = self._database.reader.url.render_as_string(hide_password=False)
        asked = orjson.dumps({"url": url, "folder": str(self._folder), "name": shape.name})
        try:
            told = orjson.loads(self._apart.run("federation.bulk_child", asked))
        except Broken as error:
            _part(self._folder, shape.name, error.pid).unlink(missing_ok=True)
            raise
        if "full" in told:
            raise OSError(errno.ENOSPC, told["full"])
        return Cut(**told)

    def give_up(self) -> None:
        """Write no further at the large files that are being written; whoever waits for one is told `Broken`."""
        self._apart.end()

    def purge(self) -> int:
        """Remove the files that may hold what was withdrawn as personal data, and what was replaced. Gives how many.

        One that is asked for again is written again. Parts that a killed writer left go too. Raises `Busy` where the
        folder is another database's.
        """
        self.check()
        for name in SHAPES:
            self._sweep(name)
        with self._database.read() as session:
            newest = erasure.newest(session)
        standing = {written.file for _shape, written in self.listed()}
        old = [
            path
            for path in self._folder.glob("*-*-*")
            if _number(path) < newest or (path.name not in standing and _is_left(path))
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _forget(self, name: str, kept: set[str]) -> None:
        """Drop older files. The one just replaced stays until the next time: somebody may be about to open it."""
        for path in self._folder.glob(f"*-{name}"):
            if path.name not in kept and path.name.split("-", 2)[-1] == name:
                path.unlink(missing_ok=True)

    def _sweep(self, name: str) -> None:
        """Drop the parts that a killed writer left."""
        for path in self._folder.glob(f"{name}.*.part"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                    path.unlink()


def _no_room(shape: Shape) -> str:
    return f"There is no room on this server to write {shape.name} at the moment. Try again later."


def _number(path: Path) -> int:
    """Up to which change a file is complete, by its name; one with another name is nobody's to remove."""
    first = path.name.partition("-")[0]
    return int(first) if first.isdecimal() else sys.maxsize


def _is_left(path: Path) -> bool:
    """Whether a file that does not stand any more was written so long ago that nobody is about to open it."""
    try:
        return _number(path) != sys.maxsize and time.time() - path.stat().st_mtime > _REPLACED_SECONDS
    except FileNotFoundError:
        return False


@dataclass(frozen=True, slots=True)
class Cut:
    """A file just written: its name in the folder, up to which change it is complete, and what it consists of."""

    file: str
    change_number: int
    count: int
    bytes: int
    sha256: str


def cut_file(database: Database, folder: Path, shape: Shape) -> Cut:
    """Write a file from one moment of the database."""
    with _whole(_part(folder, shape.name, threading.get_native_id())) as fresh:
        with database.read() as session:
            number = snapshot.freeze(session)
            counted = _Counted(snapshot.live(session, shape.kind))
            size, digest = _save(fresh, shape.write(counted, session))
        file = f"{number}-{digest[:12]}-{shape.name}"
        fresh.replace(folder / file)
    return Cut(file, number, counted.count, size, digest)


def _part(folder: Path, name: str, thread: int) -> Path:
    return folder / f"{name}.{thread}.part"


@contextmanager
def _whole(part: Path) -> Iterator[Path]:
    """A part to write and to rename: nothing of it is left where that fails."""
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Counted:
    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            yield entry


def _save(path: Path, parts: Iterable[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as out:
        for part in parts:
            digest.update(part)
            size += out.write(part)
    return size, digest.hexdigest()
