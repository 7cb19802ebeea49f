"""What a run found, told: a table for the terminal, JSON, and the page docs/performance.md between its marks."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks import drawing
from benchmarks.figures import BY_KEY, FIGURES, Figure, Measured, said, verdict
from benchmarks.generate import SIZES
from benchmarks.places import ROOT

PAGE = ROOT / "docs" / "performance.md"
_PICTURE = "![Seconds of a first crawl and index by the number of records](assets/growth.svg)"
_WORDS = {"met": "goal met", "short": "short of the goal", "below the gate": "BELOW THE GATE", "told": "told"}
_PEERS = {"crawl.scrapy": ("scrapy", "Scrapy, items"), "crawl.scrapy_page": ("scrapy_page", "Scrapy, pages")}


def failed(found: Iterable[Measured]) -> list[Measured]:
    """Give what is below its gate."""
    return [one for one in found if verdict(BY_KEY[one.key], one) == "below the gate"]


def table(found: Sequence[Measured]) -> str:
    """Give the table for a terminal."""
    rows = [("figure", "goal", "gate", "measured", "verdict"), *(_row(BY_KEY[one.key], one) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _row(figure: Figure, found: Measured) -> tuple[str, str, str, str, str]:
    gate = figure.gate.text if figure.gate else "told"
    return (figure.key, figure.goal.text, gate, said(figure, found), _WORDS[verdict(figure, found)])


def as_json(found: Sequence[Measured], about: Mapping[str, Any]) -> bytes:
    """Give all of it, every single run included."""
    figures = [_object(BY_KEY[one.key], one) for one in found]
    return orjson.dumps({**about, "figures": figures}, option=orjson.OPT_INDENT_2)


def _object(figure: Figure, found: Measured) -> dict[str, Any]:
    return {
        "key": figure.key,
        "title": figure.title,
        "goal": figure.goal.text,
        "gate": figure.gate.text if figure.gate else None,
        "verdict": verdict(figure, found),
        "values": found.values,
        "size": found.size,
        "note": found.note,
        "runs": found.runs,
    }


def write(found: Sequence[Measured], about: Mapping[str, str], size: str, *, page: Path = PAGE) -> None:
    """Put the results of a run into the page, in the place of those of the same size.

    The growth is drawn anew, unless a larger run drew it.
    """
    text = placed(page.read_text(), "figures", listed())
    text = placed(text, f"bench {size}", [*_about(about, size), "", *_markdown(found)])
    drawn = svg(found, about)
    if drawn and not _drawn_larger(text, size):
        folder = page.parent / "assets"
        folder.mkdir(exist_ok=True)
        (folder / "growth.svg").write_text(drawn)
        text = placed(text, "growth", [_PICTURE, "", f"Drawn by the run of {size} records of {about['day']}."])
    page.write_text(text)


def _drawn_larger(text: str, size: str) -> bool:
    drawn = re.search(r"^Drawn by the run of (\w+) records", text, re.MULTILINE)
    return drawn is not None and SIZES.get(drawn[1], 0) > SIZES[size]


def has_place(size: str) -> bool:
    """Whether the page keeps the results of runs of this size."""
    return f"<!-- bench {size} -->" in PAGE.read_text()


def placed(text: str, name: str, lines: Sequence[str]) -> str:
    """Put lines between the two marks of a page. Raises `LookupError` where the page has no such place."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if start not in text or end not in text:
        raise LookupError(f"the page has no place for this: {start} ... {end}")
    between = "\n".join([start, "", *lines, "", end])
    return re.sub(f"{re.escape(start)}.*?{re.escape(end)}", lambda _: between, text, flags=re.DOTALL)


def listed() -> list[str]:
    """Give every figure with its promise and how it is got, as the page lists them."""
    lines = ["| figure | goal | gate | how it is got |", "|---|---|---|---|"]
    for figure in FIGURES:
        gate = figure.gate.text if figure.gate else "told"
        lines.append(f"| {figure.title} | {figure.goal.text} | {gate} | {figure.how} |")
    return lines


def _about(about: Mapping[str, str], size: str) -> list[str]:
    return [
        (
            f"`make bench SIZE={size}` at commit {about['commit']} on {about['day']}, {about['pairs']} rounds: "
            f"{about['processor']}, {about['memory']}, {about['system']}, {about['python']}; {about['ours']}; peers "
            f"{about['theirs']}; load by {about['client']}. The whole run took {about['minutes']} minutes."
        ),
    ]


def _markdown(found: Sequence[Measured]) -> list[str]:
    lines = ["| figure | goal | gate | measured | | records |", "|---|---|---|---|---|---|"]
    for one in found:
        _key, goal, gate, measured, judged = _row(BY_KEY[one.key], one)
        note = f" ({one.note})" if one.note else ""
        title = BY_KEY[one.key].title
        lines.append(f"| {title} | {goal} | {gate} | **{measured}**{note} | {judged} | {one.size:,} |")
    return lines


def svg(found: Sequence[Measured], about: Mapping[str, str]) -> str:
    """Draw the growth; nothing where it was not measured."""
    by_key = {one.key: one for one in found}
    grown = by_key.get("crawl.growth")
    if grown is None:
        return ""
    lines = {"Folkmoot": {int(size): statistics.median(runs) for size, runs in grown.runs.items()}}
    for key, (side, name) in _PEERS.items():
        peer = by_key.get(key)
        if peer is not None:
            lines[name] = {peer.size: peer.size * statistics.median(peer.runs[side])}
    note = f"Seconds until store and index hold all records, on {about['processor']}, {about['day']}."
    return drawing.growth(lines, title="First crawl and index, seconds by records", note=note)
