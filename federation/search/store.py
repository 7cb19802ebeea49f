"""One index folder: its writer, if this process may write, and snapshots to read from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import tantivy

from federation.documents import Document
from federation.index import Reached
from federation.search import fields
from federation.search.counts import Counts
from schema.errors import Busy

HEAP, ALL = 64_000_000, 128_000_000
"""Bytes that a writer gathers in memory before it writes a segment; and one that fills a folder in one go."""
WORN = 1_000
"""How many states of a folder are seen before it is opened anew: the engine notes each file that it ever mapped, about
2 KB for a commit, and forgets none while the folder is open."""
_TORN = re.compile("Data corrupt|FileDoesNotExist|kind: InvalidData|kind: UnexpectedEof")
"""What the engine says of files that are torn or gone; too many open files, or none that may be read, it words else."""
_SAID = 120
WHOLE = "whole"
"""The file in a folder that was filled in one go: up to which change."""


class Damaged(Busy):
    """Files of the index in the folder `path`, which is nobody's business but the operator's, are torn or gone."""

    _public = "The search index is damaged and has to be made anew. Try again in a moment."

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"The search index in {path} is damaged ({why}): `folkmoot index rebuild` makes it anew.")


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Raise `Damaged` where the engine finds that this folder is."""
    try:
        yield
    except ValueError as error:
        if _TORN.search(str(error)) is None:
            raise
        raise Damaged(path, str(error)[:_SAID]) from error


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index as one commit left it. Merges and later commits do not change what it answers."""

    searcher: tantivy.Searcher
    reached: Reached
    stamp: str
    labels: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


class Store:
    """One index folder. To open it, or to look at what was committed, raises `Damaged` where its files do not hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.analysed = fields.analyser()
        with _sound(path):
            self.index = fields.open_index(str(path), self.analysed)
        self.schema = self.index.schema
        self.whole = _whole(path)
        self.busy = False  # claimed or staged to, and not committed since
        self._number = self._looks = 0
        self._writer: tantivy.IndexWriter | None = None
        self._seen: tuple[int, int, int] | None = None

    @property
    def worn(self) -> bool:
        """Whether the folder is to be opened anew: this store has seen many states of it."""
        return self._looks >= WORN

    @property
    def writes(self) -> bool:
        """Whether this is the one who writes to the folder."""
        return self._writer is not None

    @property
    def late(self) -> bool:
        """Whether the folder has changed since it was opened: of files that others wrote this store knows nothing."""
        return self._looks > 1

    def claim(self, heap: int = HEAP) -> bool:
        """Take tantivy's lock on the folder; false while another process holds it. It falls with its holder."""
        if self._writer is None:
            try:
                self._writer = self.index.writer(heap, 1)
            except ValueError as error:
                if "LockBusy" not in str(error):
                    raise
                return False
        self.busy = True
        return True

    def stage(self, documents: Iterable[Document], gone: Iterable[str], *, new: bool = False) -> None:
        """Replace documents by id and take others out; seen at the next commit. What is `new` replaces nothing."""
        writer = self._own()
        self.busy = True
        # All are made before the first is handed over: the engine's thread then works through them in one go, where
        # it would fall asleep and be woken between any two.
        made = [(document.id, fields.put(document)) for document in documents]
        for name in gone:
            writer.delete_documents_by_term("id", name)
        for name, put in made:
            if not new:
                writer.delete_documents_by_term("id", name)
            writer.add_json(put)

    def commit(self, reached: Reached) -> None:
        """Make it durable, with how far it reaches in the same commit."""
        writer = self._own()
        writer.delete_documents_by_term("id", fields.REACHED)
        writer.add_json(fields.put_reached(reached))
        writer.commit()
        self._number, self.busy = reached.number, False

    def snapshot(self, known: Snapshot | None) -> Snapshot | None:
        """The latest commit; the known snapshot where nothing was written since, None before the first commit.

        Looking costs a glance at one file while nothing was: a reader may look as often as it likes.
        """
        written = self._written()
        if known is not None and written == self._seen:
            return known
        with _sound(self.path):
            self.index.reload()
        if written != self._seen:
            self._looks += 1
        self._seen = written
        searcher = self.index.searcher()
        found = searcher.search(tantivy.Query.term_query(self.schema, "id", fields.REACHED), 1).hits
        if not found:
            return None
        held = orjson.loads(stored(searcher, found[0][1]))
        reached = Reached(held["epoch"], held["number"], held.get("row"), held.get("begun", 0))
        stamp = f"{self.path.name}.{reached.epoch}.{reached.number}"
        if known is None or known.stamp != stamp:
            return Snapshot(searcher, reached, stamp)
        if known.searcher.num_segments == searcher.num_segments:
            return known
        return Snapshot(searcher, reached, stamp, known.labels, known.counts)  # the same records, merged

    def _written(self) -> tuple[int, int, int] | None:
        """Tell one state of the folder from the next: each commit and merge replaces its list of segments."""
        try:
            found = (self.path / "meta.json").stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def release(self) -> None:
        """Let the lock go at once; what was staged and not committed is forgotten."""
        self._writer, self.busy = None, False

    def close(self) -> None:
        """Let merges end, and the lock go."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.wait_merging_threads()

    def finish(self) -> None:
        """End a folder that was filled in one go: let merges end, and note up to which change it was."""
        self.close()
        (self.path / WHOLE).write_text(str(self._number), encoding="ascii")
        self.whole = self._number

    def _own(self) -> tantivy.IndexWriter:
        if self._writer is None:
            raise RuntimeError("only the process that claimed the index writes to it")
        return self._writer


def _whole(path: Path) -> int:
    """Up to which change a folder was filled in one go; 0 where it never was."""
    try:
        return int((path / WHOLE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):  # a note that was torn is none
        return 0


def stored(searcher: tantivy.Searcher, address: tantivy.DocAddress) -> bytes:
    """What a document keeps beside its fields: JSON."""
    return bytes(searcher.doc(address).get_first("stored") or b"{}")


def identities(searcher: tantivy.Searcher, matching: tantivy.Query) -> Iterator[tuple[str, str, int]]:
    """(id, kind, change number) of every document that matches."""
    held = searcher.search(matching, 1).count  # type: ignore[attr-defined]  # the stub forgets it
    found = searcher.search(matching, max(held, 1), count=False, order_by_field="number").hits
    for number, address in found:
        document = searcher.doc(address)
        kind = orjson.loads(bytes(document.get_first("stored") or b"{}")).get("kind", "")
        yield str(document.get_first("id")), kind, int(number)
