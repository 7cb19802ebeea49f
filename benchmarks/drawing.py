"""The growth of crawl and index as an SVG: log over log, a point a size, the peers beside it where they were run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 46, 56
_COLOURS = ("#1d70b8", "#b5480c", "#6f3fa3")

Points = Mapping[int, float]


def growth(lines: Mapping[str, Points], *, title: str, note: str) -> str:
    """Draw seconds over records. Every line has at least one point; one point alone is a mark without a line."""
    records = [n for points in lines.values() for n in points]
    seconds = [s for points in lines.values() for s in points.values()]
    across = _Axis(records, LEFT, WIDTH - RIGHT)
    up = _Axis(seconds, HEIGHT - BOTTOM, TOP)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-labelledby="title note" font-family="Arial, sans-serif" font-size="13">'
        ),
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="note">{escape(note)}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="16" fill="#0b0c0c">{escape(title)}</text>',
        *_grid(across, up),
    ]
    for number, (name, points) in enumerate(lines.items()):
        parts += _line(name, points, across, up, _COLOURS[number % len(_COLOURS)])
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """One logarithmic axis, from whole power of ten to whole power of ten."""

    def __init__(self, values: list[int] | list[float], start: float, end: float) -> None:
        self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.high = max(self.high, self.low + 1)
        self.start, self.end = start, end

    def place(self, value: float) -> float:
        """Give where a value stands, in pixels."""
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def tens(self) -> list[float]:
        """Give the powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for ten in across.tens:
        x = across.place(ten)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#d8dde0"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#383f43">{ten:,.0f}</text>'
        )
    for ten in up.tens:
        y = up.place(ten)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d8dde0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#383f43">{ten:g} s</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">records</text>')
    return parts


def _line(name: str, points: Points, across: _Axis, up: _Axis, colour: str) -> list[str]:
    places = [(across.place(n), up.place(s)) for n, s in sorted(points.items())]
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for (x, y), (n, s) in zip(places, sorted(points.items()), strict=True):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{n:,}: {s:.1f} s</title></circle>'
        )
    x, y = places[-1]
    # A point alone has its name above and before it, where no rising line of others passes.
    x, y, anchor = (x - 8, y - 6, "end") if len(places) == 1 else (x + 10, y + 4, "start")
    parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(name)}</text>')
    return parts
