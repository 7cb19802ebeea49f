"""Where a reader stands in a feed, and what sends it back to the beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands in a feed."""

    url: str
    cursor: str
    position: int
    epoch: str | None
    reconciling: bool

    def columns(self) -> dict[str, Any]:
        """The place as the feed's row holds it."""
        return {
            "url": self.url,
            "cursor": self.cursor,
            "position": self.position,
            "epoch": self.epoch,
            "reconciling": self.reconciling,
        }

    def again(self, url: str, epoch: str | None) -> Place:
        """The start of a full reconcile."""
        return Place(url, url, 0, epoch, reconciling=True)


class Restart(Exception):
    """The feed must be read again from its beginning: it is not the one that was read before."""

    def __init__(self, epoch: str | None) -> None:
        self.epoch = epoch
        super().__init__()
