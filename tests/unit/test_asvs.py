"""docs/asvs.md: each requirement has its row, and each test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "asvs.md").read_text()
NUMBER = re.compile(r"\b(\d+\.\d+\.\d+)(?:-(\d+\.\d+\.\d+))?")
# How many requirements of level 1 and 2 each section of ASVS 5.0.0 has, by their last numbers where they run from 1.
RUNS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2, "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1, "3.2": 2, "3.3": 4,
    "3.4": 6, "3.5": 5, "3.7": 2, "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4, "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5,
    "7.5": 2, "7.6": 2, "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1, "9.1": 3, "9.2": 4, "11.1": 2, "11.2": 3, "11.3": 3,
    "11.4": 4, "11.5": 1, "11.6": 1, "12.1": 3, "12.2": 2, "12.3": 4, "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5,
    "14.1": 2, "14.2": 4, "14.3": 3, "15.1": 3, "15.2": 3, "15.3": 7, "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3,
    "16.5": 3, "17.1": 1, "17.2": 4, "17.3": 2,
}  # fmt: skip


def told() -> set[str]:
    """Return the numbers that stand in the first column, ranges of one section spelt out."""
    found: set[str] = set()
    for line in PAGE.splitlines():
        if not line.startswith("| "):
            continue
        for first, last in NUMBER.findall(line.split("|")[1]):
            section, _, start = first.rpartition(".")
            end = int((last or first).rpartition(".")[2])
            found |= {f"{section}.{number}" for number in range(int(start), end + 1)}
    return found


def known() -> set[str]:
    """Return the names of all tests of the project."""
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    }


def test_no_requirement_is_left_out() -> None:
    """Each requirement of levels 1 and 2 of ASVS 5.0.0, and each of the ten risks to APIs, has its row."""
    wanted = {f"{section}.{number}" for section, last in RUNS.items() for number in range(1, last + 1)}
    assert wanted - told() == set()
    assert re.findall(r"^\| API(\d+) ", PAGE, re.MULTILINE) == [str(number) for number in range(1, 11)]
    assert "10.1.1-10.7.3" in PAGE
    assert [int(one) for one in re.findall(r"^## V(\d+) ", PAGE, re.MULTILINE)] == list(range(1, 18))


def test_each_test_that_is_named_is_there() -> None:
    """A row that names a test names one that the project has."""
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 80
    assert named - known() == set()
