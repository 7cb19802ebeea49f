"""Every setting, command and operation is documented, and the pages say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from scripts import reference

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_reference_pages_are_those_of_the_code(name: str) -> None:
    """A page made from the code equals what would be made now: otherwise run make docs."""
    assert (ROOT / name).read_text() == reference.PAGES[name](), "run make docs"


def test_every_setting_says_what_it_is_for() -> None:
    """A setting without a description is not a setting that anyone can use."""
    from folkmoot.settings import Settings

    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_command_and_option_says_what_it_does() -> None:
    """Each command has a help text, and so has each of its arguments and options."""
    from folkmoot.cli import command_line

    silent = []
    for words, command in reference.commands(get_command(command_line())):
        named = " ".join(words)
        silent += [] if command.help else [named]
        silent += [f"{named} {p.name}" for p in command.params if p.name != "help" and not p.help]
    assert silent == []


@pytest.mark.parametrize("asked", ["--help", "--version"])
def test_help_and_version_are_quick(asked: str) -> None:
    """`folkmoot --help` and `--version` import neither FastAPI nor SQLAlchemy, and so answer at once."""
    program = (
        "import sys\n"
        "from folkmoot.__main__ import main\n"
        f"sys.argv = ['folkmoot', {asked!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print({'fastapi', 'sqlalchemy', 'pydantic', 'tantivy'} & sys.modules.keys(), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "set()"
    assert "folkmoot" in done.stdout
