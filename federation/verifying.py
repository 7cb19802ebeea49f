"""The process that verifies signatures for a crawl: what it is asked, in what form, and its work (verifier.py)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from federation import sign
from federation.sign import Asked, Jwk, Ring, State

STATES: tuple[State, ...] = ("valid", "absent", "invalid", "unknown-key")
"""An answer is a byte for each signature: the place of what it is worth in here."""
LENGTH = struct.Struct("!I")
"""Stands before each page that is asked: how many bytes it has."""


class Page(msgspec.Struct, array_like=True):
    """What is asked, as MessagePack: the keys of each node that is named, and the signatures."""

    keys: dict[str, list[Jwk]]
    asked: Sequence[Asked]


def main() -> None:
    """Verify what the one who started this asks, until it is gone."""
    with socket.socket(fileno=0) as line, line.makefile("rb") as asked:
        while page := _frame(asked):
            read = msgspec.msgpack.decode(page, type=Page)
            rings = {node: Ring(keys) for node, keys in read.keys.items()}
            line.sendall(bytes(STATES.index(state) for state in sign.states(read.asked, rings)))


def _frame(asked: BinaryIO) -> bytes:
    """The next page; empty where there is none any more."""
    head = asked.read(LENGTH.size)
    return asked.read(*LENGTH.unpack(head)) if len(head) == LENGTH.size else b""
