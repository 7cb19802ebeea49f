"""What a test does where a program that it needs is not on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """Skip with a plain sentence; in CI fail, for there the promise is that all of it ran."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def program(*names: str) -> str:
    """Return the path of the first program that is here, or skip."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    absent(f"{names[0]} is not installed")


def judge(folder: Path, *arguments: str, seconds: float = 300, script: str = "judge.js") -> list[dict[str, Any]]:
    """Run the `judge.js` of a folder, or another script there, with its npm packages; return what it prints.

    Skips without Node.js or without the packages (`npm ci` in the folder; `.ci/run` does it).
    """
    node = program("node")
    if not (folder / "node_modules").is_dir():
        absent(f"the packages of {folder.name} are not installed: npm ci in {folder}")
    done = subprocess.run(
        [node, script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode not in {0, 1}:
        pytest.fail(f"{folder.name}/{script} broke off: {done.stderr[-2000:]}")
    verdicts: list[dict[str, Any]] = json.loads(done.stdout)
    return verdicts
