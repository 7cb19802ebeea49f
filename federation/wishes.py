"""What an import is asked for: a file, and how it is to be taken. Known to those who only pass it on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """What is imported: the bytes, the name they came under, whose they are, and of which kind."""

    body: bytes
    name: str
    kind: str
    publisher: str
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How: `partial` adds and updates only, `dry_run` tells and changes nothing."""

    partial: bool = False
    accept_good_rows: bool = False
    confirm_removals: bool = False
    dry_run: bool = False
