"""JSON arrays of which only the beginning is made into objects, however long they are.

A list of 16 million zeros fits into the bytes that a page may have, and would take 2 GB as objects. What stands past
the bound is read over, at no cost in memory.
"""

from __future__ import annotations

from functools import cache

import msgspec


def first_of(array: msgspec.Raw, most: int) -> list[msgspec.Raw]:
    """The first `most` members of an array of any length. Raises `msgspec.DecodeError` where it is none."""
    found = _decoder(most).decode(array)
    return [member for member in msgspec.structs.astuple(found) if member is not msgspec.UNSET]


@cache
def _decoder(most: int) -> msgspec.json.Decoder[msgspec.Struct]:
    fields = [(f"at{place}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for place in range(most)]
    return msgspec.json.Decoder(msgspec.defstruct("First", fields, array_like=True, frozen=True, gc=False))
