"""What a forked process runs: imported once by the process that forks, so that a worker starts in milliseconds."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import federation.fetch
import federation.polite
import federation.rounds
import federation.tantivy_index
import folkmoot.cli
import folkmoot.commands.aggregator
import folkmoot.commands.crawling
import folkmoot.logs
import folkmoot.serving
import folkmoot.settings
import folkmoot.wiring
import tests.integration.crawl.worker
from federation.database import Database
from federation.follow import Follower
from federation.tantivy_index import TantivyIndex

T = TypeVar("T")
_load = folkmoot.settings.load


async def _blindly(_self: object, asking: Coroutine[Any, Any, T]) -> T:
    """Ask on without a look at how long the lease lasts."""
    return await asking


def command(arguments: list[str], settings: dict[str, str], log: str, patches: dict[str, Any]) -> None:
    """Run `folkmoot` with these arguments and settings, its output into a file.

    `patches` are settings beyond what an operator may choose (a short lease), or `module.NAME` with a value; with
    `blind`, the worker goes on after its lease by its own clock, so that only the fence is left to stop it.
    """
    from tests.proofs.chaos import die_with_parent

    die_with_parent()
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(told, stream)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115 - the forker's own may be closed
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.update(settings)
    if patches.pop("blind", False):
        federation.polite.Polite._within = _blindly  # type: ignore[method-assign, assignment]
    bent = {name: value for name, value in patches.items() if "." not in name}
    for name, value in patches.items():
        if "." in name:
            module, _, attribute = name.rpartition(".")
            setattr(importlib.import_module(module), attribute, value)
    folkmoot.settings.load = lambda: _load().model_copy(update=bent)
    sys.argv = ["folkmoot", *arguments]
    folkmoot.cli.run()


def crawl_made_up(url: str, owner: str) -> None:
    """Crawl the made-up world of `tests.integration.crawl.worker` until nothing is due."""
    from tests.proofs.chaos import die_with_parent

    die_with_parent()
    tests.integration.crawl.worker.main(url, owner)


def follow(url: str, folder: str, reached: str) -> None:
    """Follow the log into an index until killed; write into a file how far the last commit came."""
    from tests.proofs.chaos import die_with_parent

    die_with_parent()
    base, index = Database(url), TantivyIndex(Path(folder))
    follower = Follower(base, index)
    while True:
        number = follower.catch_up()
        aside = Path(f"{reached}.{os.getpid()}")
        aside.write_text(str(number))
        aside.replace(reached)
        time.sleep(0.01)
