"""The folder of indexes: `current` names the one that serves, so that a rebuilt one takes its place in one step."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.search.fields import VERSION
from schema.errors import Busy

_POINTER = "current"
_YOUNG = 60.0


def current(root: Path) -> Path | None:
    """The index that serves; None where there is none of this version."""
    try:
        name = (root / _POINTER).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    path = root / name
    return path if name.startswith(_prefix()) and path.is_dir() else None


def fresh(root: Path) -> Path:
    """A new, empty folder for an index that nobody reads yet."""
    path = root / f"{_prefix()}{secrets.token_hex(4)}"
    path.mkdir(parents=True)
    return path


def point(root: Path, path: Path, *, instead: Path | None = None) -> None:
    """Let an index serve from now on; a crash leaves either it or the old one.

    Raises `Busy` where another serves than the one that it was made to serve `instead` of.
    """
    if instead is not None and current(root) != instead:
        raise Busy("Another index serves than when this one was begun.")
    aside = root / f"{_POINTER}.{secrets.token_hex(4)}"
    with aside.open("w", encoding="ascii") as file:
        file.write(path.name)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(root / _POINTER)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let one process at a time choose what a folder is, such as what `current` names."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def leftovers(root: Path) -> Iterator[Path]:
    """Folders that serve no more, or never did because their rebuild was killed; not those that someone fills."""
    serving = current(root)
    for path in list(root.iterdir()):
        if path.is_dir() and path != serving and not _young(path) and not written(path):
            yield path


def _young(path: Path) -> bool:
    return time.time() - path.stat().st_mtime < _YOUNG


def written(path: Path) -> bool:
    """Whether a process holds tantivy's own lock on the folder."""
    lock = path / ".tantivy-writer.lock"
    if not lock.exists():
        return False
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def remove(path: Path) -> None:
    """Take a folder away. Whoever still reads from it keeps what it has opened."""
    shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    return f"v{VERSION}-"
