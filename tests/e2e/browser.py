"""Pages in a real browser: what axe finds, what overflows a phone, what is fetched from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.absent import judge, program

AXE = Path(__file__).parent / "axe"


def visit(urls: Iterable[str], *, screenshots: Path | None = None) -> list[dict[str, Any]]:
    """Open each URL in Chromium at 1280 and 320 pixels; return two verdicts a URL.

    A verdict: `{url, screen, status, violations, passes, overflow, outside, errors}`; `overflow` in pixels beyond
    the screen, `outside` the requests to other origins, `errors` what the console said. Skips without Chromium,
    Node.js or the packages of `tests/e2e/axe`.
    """
    chromium = program("chromium", "chromium-browser", "google-chrome")
    pictures = ["--screenshots", str(screenshots)] if screenshots else []
    return judge(AXE, chromium, *pictures, *urls)


def load(urls: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """Open each URL in Chromium and do to its elements what a hand could; return what ran or could run.

    A verdict: `{url, status, dialogs, reports, able, outside}`; `reports` are those of the page's policy, `able` the
    elements and attributes that could run something. `folder` is for the list. Skips as `visit` does.
    """
    chromium = program("chromium", "chromium-browser", "google-chrome")
    listed = folder / "urls.json"
    listed.write_text(json.dumps(list(urls)))
    return judge(AXE, chromium, str(listed), script="loads.js", seconds=900)


def complaints(verdicts: Iterable[dict[str, Any]]) -> list[str]:
    """Return one line for each thing wrong on a page; an empty list is a clean bill."""
    lines = []
    for verdict in verdicts:
        where = f"{verdict['url']} ({verdict['screen']})"
        for found in verdict["violations"]:
            targets = ", ".join(node["target"] for node in found["nodes"])
            scheme = " in the dark" if found.get("dark") else ""
            lines.append(f"{where}: {found['rule']}{scheme}: {found['help']}: {targets}")
        lines += [f"{where}: asks another origin: {url}" for url in verdict["outside"]]
        lines += [f"{where}: console: {error}" for error in verdict["errors"]]
        if verdict["overflow"] > 0:
            lines.append(f"{where}: wider than the screen by {verdict['overflow']} pixels")
    return lines
