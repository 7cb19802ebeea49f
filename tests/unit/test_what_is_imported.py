"""What a start waits for: each command imports what it runs, and a server what it serves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from folkmoot.cli import COMMANDS, GROUPS, command_line

HEAVY = {
    "typer",
    "pydantic",
    "sqlalchemy",
    "sqlmodel",
    "fastapi",
    "starlette",
    "rich",
    "structlog",
    "orjson",
    "tantivy",
}


def _imported(program: str) -> set[str]:
    """Return the names of all modules that a program of its own has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(); print(*sys.modules, end='')"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("\n")[2].split())


def _asked(*words: str) -> set[str]:
    arguments = ["folkmoot", *words]
    return _imported(
        f"sys.argv = {arguments}\nfrom folkmoot.__main__ import main\ntry:\n  main()\nexcept SystemExit: 0"
    )


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_told_before_any_library_is_imported(word: str) -> None:
    """`folkmoot --version` waits for the interpreter alone."""
    modules = _asked(word)
    assert "folkmoot.__main__" in modules
    assert not modules & {*HEAVY, "folkmoot.cli", "asyncio"}


@pytest.mark.parametrize("words", [("--help",), ("node", "--help"), ("import", "--help")])
def test_help_waits_for_the_command_line_alone(words: tuple[str, ...]) -> None:
    """Help imports neither the web nor the database."""
    modules = _asked(*words)
    assert "typer" in modules
    assert not modules & (HEAVY - {"typer", "pydantic", "rich"})  # typer itself reads options by pydantic


def test_a_command_imports_the_module_that_it_stands_in_and_no_other() -> None:
    """What other commands need is not waited for."""
    mine = {name for name in _asked("token", "--help") if name.startswith("folkmoot.commands.")}
    assert "folkmoot.commands.token" in mine
    assert not mine & {f"folkmoot.commands.{name}" for name in {*GROUPS, *COMMANDS.values()} - {"token"}}


def _commands(command: Any) -> set[str]:
    """Return the names of what stands in a group; nothing for a single command."""
    return set(getattr(command, "commands", ()))


def test_every_command_is_found_by_its_first_word() -> None:
    """The table of commands is whole: each command stands in what its own word builds, and is the same."""
    whole: Any = get_command(command_line())
    assert _commands(whole) == {*GROUPS, *COMMANDS}
    for name, command in whole.commands.items():
        alone: Any = get_command(command_line(name))
        assert alone.commands[name].help == command.help
        assert _commands(alone.commands[name]) == _commands(command)
        assert bool(_commands(command)) is (name in GROUPS)


def test_an_unknown_word_builds_all_of_it() -> None:
    """Whoever mistypes a command is told of those that there are."""
    assert _commands(get_command(command_line("improt"))) == {*GROUPS, *COMMANDS}


def test_a_server_on_sqlite_waits_for_nothing_that_it_may_never_need() -> None:
    """Readers of files, calendars, the other database, migrations and other engines are imported when they are used."""
    modules = _imported("import folkmoot.serving, folkmoot.wiring, federation.importer, federation.tantivy_index")
    assert {"api.app", "fastapi", "sqlalchemy"} <= modules
    unused = {"exchange.reading", "icalendar", "python_calamine", "alembic", "opensearchpy", "websockets", "psycopg"}
    unused |= {"sqlalchemy.dialects.postgresql", "httpx2", "jinja2", "nacl", "rfc8785", "protego", "xml.etree"}
    assert not modules & unused


def test_a_server_imports_neither_what_draws_in_colour_nor_what_watches_files() -> None:
    """What structlog and uvicorn would import to no use is left out of a start, and whoever asks later gets it."""
    program = "from folkmoot import lean\nlean.serving()\n"
    modules = _imported(program)
    assert {"structlog", "uvicorn"} <= modules
    assert not modules & {"rich", "pygments", "watchfiles"}
    assert {"rich", "watchfiles"} <= _imported(f"{program}import rich, watchfiles")


def test_the_collector_of_cycles_looks_again_once_the_server_is_built() -> None:
    """It rests while a server starts and not longer; what stood then is never looked at."""
    program = "from folkmoot import garbage\nimport gc\ngarbage.rest()\nassert not gc.isenabled()\ngarbage.resume()\n"
    _imported(f"{program}assert gc.isenabled() and gc.get_freeze_count() > 1_000")
