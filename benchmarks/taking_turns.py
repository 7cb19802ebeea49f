"""A B A B: what is compared takes turns on the machine, so that one that slows down slows all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

Turn = Callable[[int], float]


def turns(sides: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Let each side have its turn, round after round; a turn is told its round and gives what it measured."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, turn in sides.items():
            found[name].append(turn(number))
    return found


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Give the median of the ratios of the rounds: one side over the other, each pair measured side by side."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which that share of them lies (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
