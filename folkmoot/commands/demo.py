"""`folkmoot demo`: the main job, end to end, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    check: Annotated[bool, typer.Option("--check", help="Verify what the demo shows, then stop.")] = False,
) -> None:
    """Five fictional councils publish, a region and a nation find; stays up until Ctrl-C."""
    from folkmoot.demo.run import run

    run(check=check, say=typer.echo)
