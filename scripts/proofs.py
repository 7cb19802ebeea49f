"""Write `docs/proofs.md` from what `make prove` found: `python -m scripts.proofs`, or `make proofs`.

`build/proofs/*.jsonl` has a line a figure, with its date, commit and machine. The page keeps, of each size, the newest
figure of each proof: nothing stands there that was not measured. `scripts/proofs.notes.md` says by hand what fell
short and why; whoever runs the proofs anew brings it up to date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOUND = ROOT / "build" / "proofs"
NOTES = Path(__file__).with_name("proofs.notes.md")
PAGE = ROOT / "docs" / "proofs.md"
SIZES = {"release": "Release sizes", "ci": "CI sizes"}
HEAD = """# Proofs

What was measured, by `make prove` (the sizes and how to run one: [development.md](development.md#proofs)). Each row is
one figure of one proof, newest run; a T number is a row of the threats that the proof answers. This page is written by
`make proofs` from the figures that the proofs kept: what was not measured does not stand here. A goal of "none" is a
figure for the reader, not a gate.
"""
Line = Mapping[str, Any]


def page(lines: Iterable[Line]) -> str:
    """The page: a table for each size that was run."""
    known = list(lines)
    return "\n".join([HEAD, *(part for size, title in SIZES.items() for part in _table(size, title, known))])


def _table(size: str, title: str, lines: Iterable[Line]) -> Iterator[str]:
    ours = [line for line in lines if line.get("size") == size]
    figures = sorted(_newest(line for line in ours if "threat" in line), key=_order)
    if not figures:
        return
    yield f"## {title}\n"
    for machine in sorted({line["machine"] for line in figures}):
        of = [line for line in figures if line["machine"] == machine]
        days, commits = ({line[name][:10] for line in of} for name in ("at", "commit"))
        yield f"{', '.join(sorted(days))}; commit {', '.join(sorted(commits))}; {machine}.\n"
    yield "| threat | figure | goal | found |"
    yield "|---|---|---|---|"
    for line in figures:
        yield f"| {line['threat']} | {_cell(line['what'])} | {_cell(line['goal'])} | {_cell(line['found'])} |"
    yield ""


def _newest(lines: Iterable[Line]) -> Iterator[Line]:
    """Of each proof the figures of its last run. A figure's own words may hold counts that differ from run to run."""
    kept: dict[tuple[str, str], Line] = {}
    for line in lines:
        kept[line.get("proof", ""), re.sub(r"\d[\d,.]*", "#", line["what"])] = line
    return iter(kept.values())


def _order(line: Line) -> tuple[str, str, str]:
    return str(line["threat"]), str(line.get("proof", "")), str(line["at"])


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def read(folder: Path = FOUND) -> list[Line]:
    """All that was found so far, of every size, in the order in which it was found."""
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def main() -> None:
    """Write the page. Exit code 1 where nothing was measured yet."""
    found = read()
    if not found:
        raise SystemExit("No figures yet: run make prove first (SIZE=ci or release).")
    PAGE.write_text(page(found) + "\n" + NOTES.read_text())
    print(f"{PAGE.relative_to(ROOT)}: {sum('threat' in line for line in found)} figures read")


if __name__ == "__main__":
    main()
