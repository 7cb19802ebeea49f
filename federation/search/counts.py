"""What was counted in one snapshot: each count is made once, however many pages of a list are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from federation.index import Facet, Filter, Terms

KEPT, WARM = 128, 6
_SHORT = 200
Key = tuple[str, tuple[Filter, ...]]
"""Which records are counted: the words and the filters of a query."""


@dataclass(slots=True)
class Counted:
    """How many records match, once that is known, and the facets that were asked for."""

    total: int | None = None
    facets: dict[str, Facet] = field(default_factory=dict)


def _length(key: Key) -> int:
    return len(key[0]) + sum(len(value) for one in key[1] if isinstance(one, Terms) for value in one.values)


class Counts:
    """The counts of one snapshot, those asked for last; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Counted] = OrderedDict()

    def known(self, key: Key, names: Iterable[str]) -> tuple[int | None, dict[str, Facet]]:
        """The total, and those of these facets that were counted."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None, {}
            self._kept.move_to_end(key)
            return found.total, {name: found.facets[name] for name in names if name in found.facets}

    def keep(self, key: Key, total: int | None, facets: Mapping[str, Facet]) -> None:
        """Remember; None is a total that was not counted. A few very long queries would fill the memory: not those."""
        if _length(key) > 10 * _SHORT:
            return
        with self._lock:
            found = self._kept.setdefault(key, Counted())
            found.total = found.total if total is None else total
            found.facets.update(facets)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def broad(self) -> Iterator[tuple[Key, tuple[str, ...]]]:
        """What was asked last without words and with one filter at most, and its facets: what everybody asks."""
        with self._lock:
            asked = [(key, tuple(one.facets)) for key, one in self._kept.items() if not key[0] and len(key[1]) <= 1]
        yield from reversed(asked[-WARM:])
