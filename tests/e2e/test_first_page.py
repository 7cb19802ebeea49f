"""The first page is true: its commands are run and its output compared, line by line."""

from __future__ import annotations

from pathlib import Path

from scripts.console import differences

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_what_its_commands_print() -> None:
    """Each command on the first page prints what the page shows, on real servers and real databases."""
    assert differences((ROOT / "README.md").read_text(encoding="utf-8")) == []
