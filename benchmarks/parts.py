"""A page in process: of the index as a crawl left it, in many parts, against the one that the server made anew."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

import orjson

from benchmarks import taking_turns
from benchmarks.equality import held
from benchmarks.figures import Measured
from benchmarks.ours import Moot
from benchmarks.scene import CHECKED, Scene, terms
from benchmarks.searching import IN_A_ROW, LEAST, Asked, engine


class _Pages:
    """A process that computes pages, and what it is asked: never the same again."""

    def __init__(self, moot: Moot, stack: ExitStack) -> None:
        self._process = stack.enter_context(engine(moot))
        self._process.hear()
        self._least = float(LEAST)

    def page(self, words: str) -> Mapping[str, float]:
        """Give the milliseconds of a page, and how many records match."""
        self._least += 0.01
        found: Mapping[str, float] = orjson.loads(self._process.ask(Asked(words, self._least).engine()))
        return found


def _turn(pages: _Pages, kind: str, _round: int) -> float:
    """Give the median of some pages in a row."""
    return statistics.median(pages.page(terms(kind)[step % 5])["ms"] for step in range(IN_A_ROW))


def measure(scene: Scene) -> list[Measured]:
    """Give the one figure; none where the crawl left few parts, or a part before this had it made anew."""
    moot = scene.held(scene.compared)
    left = scene.as_crawled[scene.compared]
    if left is None:
        return []
    print("Searching the index as the crawl left it, and the one made anew", flush=True)
    ratios, told = {}, []
    with ExitStack() as stack:
        sides = {"left": _Pages(left, stack), "anew": _Pages(moot, stack)}
        for kind in CHECKED:
            for words in terms(kind):
                counts = [one.page(words)["count"] for one in sides.values()]
                held(f"in process '{words}': count", counts[1], counts[0])
            turns = {name: partial(_turn, one, kind) for name, one in sides.items()}
            found = taking_turns.turns(turns, scene.rounds)
            ratios[kind] = taking_turns.ratio(found["left"], found["anew"])
            one, other = (statistics.median(runs) for runs in found.values())
            told.append(f"{kind} {ratios[kind]:.2f}x ({one:.1f} ms against {other:.1f})")
    return [Measured("search.parts", {"x": min(ratios.values())}, scene.compared, ", ".join(told))]
