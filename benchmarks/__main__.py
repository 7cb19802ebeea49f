"""`make bench`: measure, hold results to be equal, print the table, fail below a gate.

Exit codes: 0 every gate is held; 1 a figure is below its gate; 2 the bench itself failed, or two sides that should have
the same result have not.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from benchmarks import busy, crawling, growing, importing, machine, parts, searching, serving, starting, telling
from benchmarks.equality import Differs
from benchmarks.figures import Measured
from benchmarks.generate import SIZES
from benchmarks.processes import Failed
from benchmarks.scene import Scene

PARTS: Mapping[str, tuple[Callable[[Scene], list[Measured]], ...]] = {
    "crawl": (crawling.measure,),
    "alone": (crawling.measure_alone,),
    "growth": (growing.measure,),
    "serve": (serving.measure,),
    "search": (searching.measure, parts.measure, busy.measure),
    "startup": (starting.measure,),
    "import": (importing.measure,),
}
ALL = [part for part in PARTS if part != "alone"]
"""`alone` is what of `crawl` needs no peer: for CI, where a slow peer would take all the time."""
PAIRS, QUICK_PAIRS = 5, 3


def main() -> int:
    """Run what was asked for."""
    asked = _arguments()
    chosen = [part for part in PARTS if part in asked.only]
    pairs = asked.pairs or (QUICK_PAIRS if asked.size == "ci" else PAIRS)
    signal.signal(signal.SIGTERM, _ended)  # so that what was started is ended too
    began = time.monotonic()
    scene = Scene(asked.size, pairs)
    try:
        with scene.stack:
            found = [one for part in chosen for measure in PARTS[part] for one in measure(scene)]
    except (Differs, Failed) as error:
        print(f"\nNo figure is given: {error}", file=sys.stderr)
        return 2
    minutes = f"{(time.monotonic() - began) / 60:.1f}"
    about = {**machine.told(), "size": asked.size, "pairs": str(pairs), "minutes": minutes}
    return _tell(found, about, asked)


def _ended(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(2)


def _tell(found: list[Measured], about: Mapping[str, str], asked: argparse.Namespace) -> int:
    print(f"\n{asked.size}: {about['processor']}, {about['memory']}, {about['python']}; {about['minutes']} minutes\n")
    print(telling.table(found))
    for one in found:
        if one.note:
            print(f"  {one.key}: {one.note}")
    if asked.json:
        asked.json.write_bytes(telling.as_json(found, about))
    if asked.write:
        telling.write(found, about, asked.size)
    below = telling.failed(found)
    if below:
        print(f"\nBelow the gate: {', '.join(one.key for one in below)}", file=sys.stderr)
    return 1 if below else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--size",
        choices=list(SIZES),
        default="100k",
        help="how many contracts (ci: 100,000, of which peers crawl 20,000)",
    )
    parser.add_argument("--only", type=_parts, default=ALL, help=f"of {','.join(PARTS)}, joined by commas")
    parser.add_argument("--pairs", type=int, default=0, help=f"rounds of A B ({PAIRS}; {QUICK_PAIRS} for ci)")
    parser.add_argument("--json", type=Path, help="write every figure and every run to this file")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")
    asked = parser.parse_args()
    if asked.write and not telling.has_place(asked.size):
        parser.error(f"{telling.PAGE.name} has no place for a run of size {asked.size}")
    return asked


def _parts(text: str) -> list[str]:
    named = text.split(",")
    unknown = [part for part in named if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there is {', '.join(PARTS)}")
    return named


if __name__ == "__main__":
    sys.exit(main())
