"""Write `docs/proofs.md` from what `make prove` found: `python -m scripts.proofs`, or `make proofs`.

`docs/proofs.jsonl` has a line a figure, with its proof, day, commit and machine. What `build/proofs/*.jsonl` has that
is newer takes the place of the same figure there; what was not run again stays. The page is made from it alone, and
`scripts/proofs.notes.md` says by hand what fell short and why: whoever runs proofs anew brings that up to date.
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
FIGURES = PAGE.with_suffix(".jsonl")
SIZES = {"release": "Release sizes", "ci": "CI sizes"}
HEAD = """# Proofs

What was measured, by `make prove` (the sizes and how to run one: [development.md](development.md#proofs)). Each row is
one figure of one proof, newest run; a T number is a row of the threats that the proof answers. This page is written by
`make proofs` from the figures that the proofs kept ([as data](proofs.jsonl)): what was not measured does not stand
here. A goal of "none" is a figure for the reader, not a gate.
"""
Line = Mapping[str, Any]


def page(lines: Iterable[Line], notes: str = "") -> str:
    """The page: a table for each size that was run, then what is said by hand."""
    known = list(lines)
    return "\n".join([HEAD, *(part for size, title in SIZES.items() for part in _table(size, title, known)), notes])


def _table(size: str, title: str, lines: Iterable[Line]) -> Iterator[str]:
    ours = [line for line in lines if line["size"] == size]
    if not ours:
        return
    yield f"## {title}\n"
    yield f"Measured on: {'; '.join(sorted({line['machine'] for line in ours}))}.\n"
    yield "| threat | figure | goal | found | day, commit |"
    yield "|---|---|---|---|---|"
    for line in ours:
        what, goal, found = (_cell(line[name]) for name in ("what", "goal", "found"))
        yield f"| {line['threat']} | {what} | {goal} | {found} | {line['at'][:10]} {line['commit']} |"
    yield ""


def newest(lines: Iterable[Line]) -> list[Line]:
    """Of each proof at each size the figures of its last commit. A figure's own words may hold counts that differ."""
    kept: dict[tuple[str, ...], Line] = {}
    figures = sorted((line for line in lines if "threat" in line), key=lambda line: line["at"])
    last = {(line["size"], line["proof"]): line["commit"] for line in figures}
    for line in (line for line in figures if line["commit"] == last[line["size"], line["proof"]]):
        kept[line["size"], line["proof"], re.sub(r"\d[\d,.]*", "#", line["what"])] = line
    return sorted(kept.values(), key=_order)


def _order(line: Line) -> tuple[str, ...]:
    return tuple(str(line[name]) for name in ("size", "threat", "proof", "at", "what"))


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def read(*files: Path) -> list[Line]:
    """All that the files hold, in their order."""
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def main() -> None:
    """Write the figures and the page."""
    figures = newest(read(FIGURES, *sorted(FOUND.glob("*.jsonl"))))
    FIGURES.write_text("".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in figures))
    PAGE.write_text(page(figures, NOTES.read_text()))
    print(f"{PAGE.relative_to(ROOT)}: {len(figures)} figures")


if __name__ == "__main__":
    main()
