"""A disk that loses power: SQLite files of which only what was synced is sure to be there afterwards.

`Power` is a file system (an apsw VFS). A write is kept aside until the file is synced; at the cut, chosen by a number
of writes and syncs, everything fails from then on, and each write that was not synced is lost, kept or torn at a
sector, by chance, whatever its order. `apsw_driver` gives the same SQLite to the application: SQLAlchemy's own SQLite
dialect runs on it, so that the engine, its pragmas, `BEGIN IMMEDIATE` and every statement are the application's.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


@dataclass
class Kept:
    """One file: what is safe on the disk, and what was written since its last sync: (offset, bytes), or a new size."""

    safe: bytearray
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)

    def put(self, offset: int, data: bytes | None) -> None:
        """Write, or cut to a size where there is no data."""
        self.waiting.append((offset, data))

    def sync(self) -> None:
        """Make all of it safe."""
        for offset, data in self.waiting:
            _apply(self.safe, offset, data)
        self.waiting.clear()

    def after_a_cut(self, chance: random.Random) -> bytes:
        """What is found when the power is back."""
        for offset, data in self.waiting:
            fate = chance.random()
            if fate < 0.5:
                continue
            if data is None or fate < 0.85:
                _apply(self.safe, offset, data)
            else:
                whole = chance.randrange(0, len(data) // SECTOR + 1) * SECTOR
                _apply(self.safe, offset, data[:whole])
        return bytes(self.safe)


def _apply(held: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del held[offset:]
        return
    if len(held) < offset:
        held.extend(b"\0" * (offset - len(held)))
    held[offset : offset + len(data)] = data


class Power(apsw.VFS):
    """The file system. `cut_after` is how many writes and syncs it serves before the power goes."""

    def __init__(self, name: str, cut_after: int, chance: random.Random) -> None:
        self.name, self.left, self.chance = name, cut_after, chance
        self.files: dict[str, Kept] = {}
        self.off = False
        super().__init__(name, base="unix")

    def spend(self) -> None:
        """Use a little of what is left. Raises `IOError` when the power is gone."""
        if self.off:
            raise apsw.IOError("the power is off")
        self.left -= 1
        if self.left < 0:
            self.off = True
            raise apsw.IOError("the power is off")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open a file of the database: itself, its journal or its log."""
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - SQLite's own
        """Remove a file, for good: the folder is synced."""
        self.spend()
        self.files.pop(filename, None)
        super().xDelete(filename, syncdir)

    def restore(self) -> None:
        """Write what the disk holds after the cut."""
        for name, kept in self.files.items():
            Path(name).write_bytes(kept.after_a_cut(self.chance))
        for shared in {Path(name.removesuffix("-wal") + "-shm") for name in self.files}:
            shared.unlink(missing_ok=True)  # it is memory, and gone
        self.files.clear()


class _File(apsw.VFSFile):
    def __init__(self, power: Power, name: Any, flags: list[int]) -> None:
        self.power = power
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.kept = power.files.get(path)
        if self.kept is None and path is not None:
            found = Path(path)
            self.kept = power.files[path] = Kept(bytearray(found.read_bytes() if found.exists() else b""))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.power.spend()
        super().xWrite(data, offset)
        if self.kept is not None:
            self.kept.put(offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.power.spend()
        super().xTruncate(newsize)
        if self.kept is not None:
            self.kept.put(newsize, None)

    def xSync(self, flags: int) -> None:  # noqa: N802, ARG002
        self.power.spend()
        if self.kept is not None:  # nothing needs to reach the disk below: its power stays on
            self.kept.sync()
