"""Worlds for the crawl."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federation.database import Database
from tests.integration.crawl.world import Aggregator, World

Run = Callable[..., tuple[int, str]]
"""Runs `folkmoot` with these words. Gives its exit code and what it printed."""


@pytest.fixture
def world() -> World:
    """Return a world in which nobody lives yet."""
    return World()


@pytest.fixture
def moot(database: Database, world: World) -> Aggregator:
    """Return an aggregator of that world, on SQLite and on PostgreSQL."""
    return Aggregator(database, world)


@pytest.fixture
def run(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    moot: Aggregator,
) -> Run:
    """Run the command line of that aggregator."""
    from folkmoot import cli

    told = {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path), "PUBLIC_URL": moot.url, "ROLE": "aggregator"}
    for name, value in told.items():
        monkeypatch.setenv(f"FOLKMOOT_{name}", value)

    def go(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["folkmoot", *words])
        capsys.readouterr()
        code: Any = 0
        try:
            cli.run()
        except SystemExit as ended:
            code = ended.code or 0
        printed = capsys.readouterr()
        return int(code), printed.out + printed.err

    return go
