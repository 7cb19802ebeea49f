"""The command line: `folkmoot --help`.

Exit codes: 0 done; 1 something was refused; 2 unusable file, setting or arguments; 3 held until a person says so.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer

from folkmoot import __version__, failures
from folkmoot.words import clean
from schema.errors import Held

GROUPS = ("publisher", "node", "aggregator", "index", "token", "keys", "audit")
COMMANDS = {
    "import": "importing",
    "check": "importing",
    "export": "exporting",
    "crawl": "crawling",
    "move": "moving",
    "migrate": "housekeeping",
    "openapi": "housekeeping",
    "doctor": "housekeeping",
    "backup": "safekeeping",
    "restore": "safekeeping",
    "demo": "demo",
}
"""Single commands, and the module under `folkmoot/commands/` that each stands in."""


def command_line(word: str = "") -> typer.Typer:
    """Build the command line: all of it, or only what a command needs whose first word is known."""
    app = typer.Typer(
        name="folkmoot",
        help="Publish a council's roadmap and contracts, crawl other councils, search them together.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(folkmoot)
    known = word in GROUPS or word in COMMANDS
    for name in (word,) if word in GROUPS else () if known else GROUPS:
        app.add_typer(_module(name).app, name=name)
    for name in dict.fromkeys([COMMANDS[word]] if word in COMMANDS else () if known else COMMANDS.values()):
        _module(name).mount(app)
    return app


def _module(name: str) -> Any:
    return importlib.import_module(f"folkmoot.commands.{name}")


def folkmoot(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and exit.")] = False,
) -> None:
    """Set by settings FOLKMOOT_... or a folkmoot.toml (docs/settings.md)."""
    if version:
        typer.echo(f"folkmoot {__version__}")
        raise typer.Exit


def run() -> None:
    """Run, and tell an error in one sentence instead of a traceback."""
    word = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    try:
        command_line(word)()
    except Exception as error:
        told = failures.sentence(error)
        if told is None:
            raise
        typer.echo("\n".join(map(clean, f"folkmoot: {told}".split("\n"))), err=True)
        sys.exit(3 if isinstance(error, Held) else 2)
