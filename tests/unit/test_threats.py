"""Every threat and fault that the house knows has a test named after it: T01 to T40, `test_t01_...`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = {f"t{number:02}" for number in range(1, 41)}
_NAME = re.compile(r"test_(t\d\d)_\w+")


def _named() -> dict[str, list[str]]:
    """By row, the tests that are named after it."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                met = _NAME.fullmatch(node.name)
                if met:
                    found.setdefault(met[1], []).append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def test_every_threat_has_a_test_named_after_it() -> None:
    """No row is without a test, and no test names a row that there is not."""
    assert _named().keys() == ROWS
