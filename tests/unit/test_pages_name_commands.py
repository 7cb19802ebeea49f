"""What the pages tell people to type is there to be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from folkmoot.cli import command_line

ROOT = Path(__file__).parents[2]
JOIN = ROOT / "api" / "templates" / "join.html"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), JOIN]
LINE = re.compile(r"^(?:\$ )?(folkmoot [^|>#&\n]+)", re.MULTILINE)
INLINE = re.compile(r"`(folkmoot [a-z][^`]*)`")


def _commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", "")  # a line that goes on in the next is one command
        blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
        fences = "\n".join([*blocks, *re.findall(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL)])
        found += [(page.name, line.strip()) for line in (*LINE.findall(fences), *INLINE.findall(text))]
    return sorted(set(found))


@pytest.mark.parametrize(("page", "line"), _commands())
def test_a_command_on_a_page_exists_with_its_options(page: str, line: str) -> None:
    """Each command that a page names is one of ours, and takes the options that the page gives it."""
    words = shlex.split(line)[1:]
    command: Any = typer.main.get_command(command_line())
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or not words or words[0].startswith("-"), f"{page}: {line}"
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("-")} <= known, f"{page}: {line}"


def test_pages_are_looked_at() -> None:
    """The commands are found: the pages name more than a few."""
    assert len(_commands()) > 15
    assert any(page == JOIN.name for page, _ in _commands())


def test_the_site_says_how_to_install_as_the_documents_do() -> None:
    """Who reads how to join gets Folkmoot by the two lines that hosts are told, and they name a target of make."""
    install = re.search(r"<pre[^>]*>(make \S+)\n(export PATH=.*)\n", JOIN.read_text(encoding="utf-8"))
    assert install
    for line in install.groups():
        assert f"\n{line}\n" in (ROOT / "docs" / "host-a-node.md").read_text(encoding="utf-8")
        assert f"`{line}`" in (ROOT / "README.md").read_text(encoding="utf-8")
    target = install[1].removeprefix("make ")
    assert re.search(rf"^{target}: ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
