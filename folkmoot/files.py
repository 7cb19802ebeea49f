"""Files that a command writes: tried before the work begins, and whole or not there at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from schema.errors import Misconfigured


def writable(path: Path) -> None:
    """Try whether a file can be written there; what stands there is left as it is. Raises `Misconfigured`."""
    if path.is_dir():
        raise Misconfigured(f"{path} is a folder; name a file to write.")
    if path.exists() and not path.is_file():
        return  # a terminal or a pipe: there is nothing to keep
    part = _part(path)
    try:
        part.open("wb").close()
        part.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name at the end. A failure leaves what stood there, and nothing beside it.

    Raises `Misconfigured` where nothing can be written there.
    """
    writable(path)
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = _part(path)
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def opened(out: Path | None) -> Iterator[BinaryIO]:
    """The file of this name, as `replacing` gives it, or standard output where there is none."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replacing(out) as file:
        yield file


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _unwritable(path: Path, error: OSError) -> Misconfigured:
    if not path.parent.is_dir():
        return Misconfigured(f"{path} cannot be written: there is no folder {path.parent}.")
    return Misconfigured(f"{path} cannot be written: {error.strerror or error}.")
