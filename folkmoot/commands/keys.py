"""`folkmoot keys`: the key that signs what this node publishes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from folkmoot.commands.opening import opened
from folkmoot.words import counted

if TYPE_CHECKING:
    from federation.database import Database

app = typer.Typer(help="The key that signs what this node publishes.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def new() -> None:
    """Give a node that signs nothing a key, and sign all that it publishes."""
    from federation import keys
    from folkmoot import wiring

    with _opened() as (base, node), base.write() as session:
        signer, changes = keys.new(session, node=node, now=wiring.now())
    typer.echo(f"{signer.kid} signs from now on; {counted(changes, 'change')} signed and said again.")


@app.command()
def rotate() -> None:
    """Put a new key in the place of the one that signs; the old one endorses it, and aggregators take it."""
    from federation import keys
    from folkmoot import wiring

    with _opened() as (base, _node), base.write() as session:
        old, signer = keys.rotate(session, now=wiring.now())
    typer.echo(f"{signer.kid} signs from now on; what {old} signed stays good.")


@app.command()
def revoke(
    kid: Annotated[str, typer.Argument(help="The key's name, as the list shows it.")],
    reason: Annotated[str, typer.Option(help="Why, for everybody to read.")],
) -> None:
    """Say that a key is not to be believed any more, such as one that was stolen, and sign all again."""
    from federation import keys
    from folkmoot import wiring

    with _opened() as (base, node), base.write() as session:
        before = keys.signs(session)
        signer, changes = keys.revoke(session, kid, reason, node=node, now=wiring.now())
    typer.echo(f"{kid} is revoked; {counted(changes, 'change')} signed again with {signer.kid}.")
    if before == kid:
        typer.echo(
            f"No key that aggregators know could endorse {signer.kid}: each serves its last good copy until its "
            "operator confirms it. Tell them its thumbprint: folkmoot keys list"
        )


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """List the keys: name, state, since when, until when, thumbprint."""
    import json

    from federation import keys

    with _opened() as (base, _node), base.read() as session:
        found = keys.listing(session)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("No key: what is published here is not signed (folkmoot keys new).")
    for key in found:
        until = f"until {key['until']}" if "until" in key else ""
        cells = (key["kid"], key["state"], f"since {key['since']}", until, key["thumbprint"], key.get("reason", ""))
        typer.echo("\t".join(cell for cell in cells if cell))


@contextmanager
def _opened() -> Iterator[tuple[Database, str]]:
    from federation.publishers import node_id, own_url

    with opened() as (settings, base):
        with base.read() as session:  # what is signed again says by whom
            node = node_id(own_url(session, settings.public_url))
        yield base, node
