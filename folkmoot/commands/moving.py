"""`folkmoot move`: this server goes to another address."""

from __future__ import annotations

from typing import Annotated

import typer

from folkmoot.commands.opening import opened
from folkmoot.words import counted


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(move)


def move(
    url: Annotated[str, typer.Argument(help="The new public URL, an origin without a path.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Publish under another public URL: every record gets a new id and is said again; old ids lead to the new."""
    from federation import moving
    from federation.publishers import check_public_url
    from folkmoot import wiring

    to = check_public_url(url)
    if not yes:
        typer.confirm(f"Give every record an id under {to}? Stop the server and what writes first.", abort=True)
    with opened() as (_settings, base), base.write() as session:
        changes = moving.here(session, to, now=wiring.now())
    typer.echo(f"{counted(changes, 'change')} said again under {to}.")
    typer.echo(
        f"Set FOLKMOOT_PUBLIC_URL={to}, start the server, and tell your aggregators: folkmoot node moved OLD {to}"
    )
