"""The settings and the database of one command, put away when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation.database import Database
    from folkmoot.settings import Settings


@contextmanager
def opened() -> Iterator[tuple[Settings, Database]]:
    """Give the settings and the database that they name."""
    from folkmoot import wiring
    from folkmoot.settings import load

    settings = load()
    base = wiring.database(settings)
    try:
        yield settings, base
    finally:
        base.dispose()
