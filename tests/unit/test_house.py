"""The house's promises about itself: names, words, decisions, and no unfinished work."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

import folkmoot

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("schema", "exchange", "federation", "insight", "api", "folkmoot", "migrations")
MARKS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "raise NotImplemented" + "Error")
UNFINISHED = re.compile(rf"(?<![\w-])({'|'.join(MARKS)})(?![\w-])")


def committed(*patterns: str) -> list[Path]:
    """Return the files that git tracks, as they stand in the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: what is committed cannot be listed")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_the_checkouts_own(room: str) -> None:
    """No package of the environment shadows a room, for their names are plain words."""
    found = importlib.import_module(room).__file__
    assert found is not None
    assert Path(found).resolve().is_relative_to(ROOT / room)


def test_the_version_stands_in_one_place() -> None:
    """folkmoot/__init__.py says the version; pyproject.toml reads it from there."""
    project = (ROOT / "pyproject.toml").read_text()
    assert 'version = { attr = "folkmoot.__version__" }' in project
    said = re.compile(rf'version\w*\s*(:[^=]+)?=\s*"{re.escape(folkmoot.__version__)}"')
    holders = [path.relative_to(ROOT).as_posix() for path in committed("*.py") if said.search(path.read_text())]
    assert [name for name in holders if not name.startswith("tests/")] == ["folkmoot/__init__.py"]


def test_every_decision_is_in_the_index_and_whole() -> None:
    """Each page of docs/decisions is linked from its README and has its four parts."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    pages = sorted(folder.glob("[0-9]*.md"))
    assert re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", index) == [page.name for page in pages]
    for number, page in enumerate(pages, start=1):
        text = page.read_text()
        assert text.startswith(f"# {number:04}: "), page.name
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives"], page.name


def test_every_test_says_its_rule() -> None:
    """Each test function has a docstring, which is the rule that it holds."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in committed("tests/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_unfinished_work_is_committed() -> None:
    """What is committed is done: no marker of work to come."""
    marked = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in committed("*.py", "*.html", "*.js", "*.css", "*.sh", "Makefile", ".ci/run")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert marked == []


def test_no_path_of_this_machine_is_committed() -> None:
    """The checkout works in any folder: nothing in it names the one that it was written in."""
    naming = []
    for path in committed():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if f"{ROOT}/" in text:
            naming.append(path.relative_to(ROOT).as_posix())
    assert naming == []


def test_links_between_pages_lead_somewhere() -> None:
    """Each relative link of a page in the repository names a file that is there."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in committed("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert broken == []
