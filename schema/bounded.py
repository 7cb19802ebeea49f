"""JSON arrays of which only the beginning is made into objects, however long they are.

A list of 16 million zeros fits into the bytes that a page may have, and would take 2 GB as objects. What stands past
the bound is read over, at no cost in memory.
"""

from __future__ import annotations

from typing import Any

import msgspec


def first_of(most: int, kind: Any) -> Any:
    """A type for msgspec's decoder: an array of any length, of which the first `most` members are kept, each a `kind`.

    What it gives is for `listed`.
    """
    fields = [(f"at{place}", kind | msgspec.UnsetType, msgspec.UNSET) for place in range(most)]
    return msgspec.defstruct("First", fields, array_like=True, frozen=True, gc=False)


def listed(found: Any) -> list[Any]:
    """The members that were kept."""
    return [member for member in msgspec.structs.astuple(found) if member is not msgspec.UNSET]
