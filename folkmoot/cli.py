"""The command line: `folkmoot --help`.

Exit codes: 0 done; 1 something was refused; 2 unusable file, setting or arguments; 3 held until a person says so.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from folkmoot import __version__, failures
from schema.errors import Held

app = typer.Typer(
    name="folkmoot",
    help="Publish a council's roadmap and contracts, crawl other councils, search them together.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
GROUPS = ("publisher", "node", "aggregator", "index", "token")
COMMANDS = ("importing", "exporting", "crawling", "housekeeping", "demo")


def _mount() -> None:
    for name in GROUPS:
        module = importlib.import_module(f"folkmoot.commands.{name}")
        app.add_typer(module.app, name=name)
    for name in COMMANDS:
        importlib.import_module(f"folkmoot.commands.{name}").mount(app)


@app.callback()
def folkmoot(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and exit.")] = False,
) -> None:
    """Set by settings FOLKMOOT_... or a folkmoot.toml (docs/settings.md)."""
    if version:
        typer.echo(f"folkmoot {__version__}")
        raise typer.Exit


def run() -> None:
    """Run, and tell an error in one sentence instead of a traceback."""
    try:
        app()
    except Exception as error:
        told = failures.sentence(error)
        if told is None:
            raise
        typer.echo(f"folkmoot: {told}", err=True)
        sys.exit(3 if isinstance(error, Held) else 2)


_mount()
