"""How crawling and indexing grow with the number of records, and whether the crawler's memory does."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from benchmarks import ours
from benchmarks.corpus import corpus
from benchmarks.figures import MILLION, Measured
from benchmarks.scene import Scene

SIZES: Mapping[str, Sequence[int]] = {
    "ci": (10_000, 20_000, 100_000),
    "10k": (2_500, 5_000, 10_000),
    "50k": (10_000, 50_000),
    "100k": (10_000, 50_000, 100_000),
    "1m": (10_000, 50_000, 100_000, MILLION),
}
LEAST_AT_A_MILLION = 50_000


def slope(points: Mapping[int, float]) -> float:
    """Give the exponent: the slope of log seconds over log records, by least squares."""
    xs, ys = [math.log(n) for n in points], [math.log(s) for s in points.values()]
    middle, level = statistics.fmean(xs), statistics.fmean(ys)
    return sum((x - middle) * (y - level) for x, y in zip(xs, ys, strict=True)) / sum((x - middle) ** 2 for x in xs)


def measure(scene: Scene) -> list[Measured]:
    """Give the exponent, and the memory at the largest size against that at a tenth."""
    print("Growing", flush=True)
    for size in SIZES[scene.name]:
        while len(scene.crawls.get(size, [])) < _wanted(scene, size):
            _crawl(scene, size)
    points = {size: statistics.median(one.seconds for one in scene.crawls[size]) for size in SIZES[scene.name]}
    memory = {size: statistics.median(one.spent.peak_mb for one in scene.crawls[size]) for size in points}
    counted = {size: s for size, s in points.items() if scene.size < MILLION or size >= LEAST_AT_A_MILLION}
    told = ", ".join(f"{size:,} in {seconds:.1f} s" for size, seconds in points.items())
    runs = {str(size): [one.seconds for one in scene.crawls[size]] for size in points}
    held = ", ".join(f"{size:,} {mb:.0f} MB" for size, mb in memory.items())
    found = [
        Measured("crawl.growth", {"x": slope(counted)}, scene.size, told, runs),
        Measured("crawl.memory", {"x": memory[scene.size]}, scene.size, held),
    ]
    if scene.size >= MILLION:
        ratio = memory[scene.size] / memory[scene.compared]
        found.append(Measured("crawl.memory_growth", {"x": ratio}, scene.size))
    return found


def _wanted(scene: Scene, size: int) -> int:
    """Say how often a size is crawled for its median: small ones are over so soon that chance weighs."""
    return 1 if scene.quick or size >= scene.compared else 3


def _crawl(scene: Scene, size: int) -> None:
    if size == scene.size:
        scene.held(size)
    else:
        site = corpus(size, net=1)
        with ours.site_up(site):
            moot = ours.begun("growing", site)
            with moot.serving():
                scene.crawls.setdefault(size, []).append(moot.crawl(site, expected=site.changes))
    last = scene.crawls[size][-1]
    print(
        f"  {size:>9,} {last.seconds:7.2f} s {size / last.seconds:9,.0f} records/s {last.spent.peak_mb:4.0f} MB",
        flush=True,
    )
