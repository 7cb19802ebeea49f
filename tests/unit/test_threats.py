"""Every threat and fault that the house knows has a test named after it: T01 to T40, `test_t01_...`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = {f"t{number:02}" for number in range(1, 41)}
_NAME = re.compile(r"test_(t\d\d)_\w+")
WAITING = {
    *("t01", "t02", "t03", "t04", "t05", "t06", "t07", "t38", "t39"),  # the door out, hostile nodes
    *("t08", "t23", "t29", "t30", "t32", "t36"),  # fuzzing, uploads, the supply chain
    *("t10", "t11", "t17"),  # signatures and moves
    *("t12", "t13", "t35", "t37"),  # removals, silence, erasure, rewound nodes
    *("t21", "t22", "t24", "t25", "t26", "t27", "t28", "t31"),  # the door in
}
"""Rows whose tests are not here yet."""


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
    """No row is without a test, but those that wait for theirs; and no test names a row that there is not."""
    named = _named()
    assert named.keys() <= ROWS
    assert ROWS - named.keys() <= WAITING


def test_no_row_waits_longer_than_it_must() -> None:
    """A row whose test has come is waited for no more."""
    assert _named().keys() & WAITING == set()
