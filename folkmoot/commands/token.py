"""`folkmoot token`: who may write through the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from federation.database import Database

app = typer.Typer(help="Tokens for writing through the API.", no_args_is_help=True)


@app.command()
def create(
    publisher: Annotated[str, typer.Option(help="The publisher whose records it may write, such as GB-LAE-EXA.")],
    name: Annotated[str, typer.Option(help="What it is for, such as the system that will hold it.")],
    kinds: Annotated[str, typer.Option(help="Kinds that it may write, joined by commas; all of them without.")] = "",
    days: Annotated[int, typer.Option(help="Days until it expires.")] = 365,
) -> None:
    """Make a token. It is printed once and kept nowhere: store it where secrets are kept."""
    from federation import tokens
    from folkmoot import wiring

    wanted = [kind.strip() for kind in kinds.split(",") if kind.strip()]
    with _node() as base, base.write() as session:
        made = tokens.create(session, publisher=publisher, name=name, kinds=wanted, days=days, now=wiring.now())
    typer.echo(f"Token {made.id} for {publisher}, until {made.expires:%Y-%m-%d}. It is shown this once:", err=True)
    typer.echo(made.secret)


@app.command("list")
def show() -> None:
    """List the tokens: number, name, publisher, kinds, first characters, until when, last day of use."""
    from federation import tokens

    with _node() as base, base.read() as session:
        found = tokens.every(session)
    for token in found:
        used = f"{token.last_used:%Y-%m-%d}" if token.last_used else "never"
        end = f"revoked {token.revoked:%Y-%m-%d}" if token.revoked else f"until {token.expires:%Y-%m-%d}"
        line = (token.id, token.name, token.publisher, token.kinds, f"{token.hint}...", end, f"used {used}")
        typer.echo("\t".join(str(cell) for cell in line))


@app.command()
def revoke(token: Annotated[int, typer.Argument(help="The token's number, as the list shows it.")]) -> None:
    """End a token at once."""
    from federation import tokens
    from folkmoot import wiring

    with _node() as base, base.write() as session:
        tokens.revoke(session, token, wiring.now())
    typer.echo(f"Token {token} is revoked.")


@app.command()
def rotate(
    token: Annotated[int, typer.Argument(help="The number of the token that is to end, as the list shows it.")],
    overlap_days: Annotated[int, typer.Option(help="For how many days more it is good; 0 ends it at once.")] = 7,
    days: Annotated[int, typer.Option(help="Days until the new one expires.")] = 365,
) -> None:
    """Make a new token with the reach of an old one, which is good for some days more. The new one is printed once."""
    from federation import tokens
    from folkmoot import wiring

    with _node() as base, base.write() as session:
        made = tokens.rotate(session, token, wiring.now(), overlap_days=overlap_days, days=days)
        ends = tokens.ends(session, token)
    last = f"is good until {ends:%Y-%m-%d %H:%M} UTC" if overlap_days else "has ended"
    told = f"Token {made.id} takes the place of token {token}, which {last}. "
    typer.echo(f"{told}Token {made.id} is good until {made.expires:%Y-%m-%d}, and shown this once:", err=True)
    typer.echo(made.secret)


@contextmanager
def _node() -> Iterator[Database]:
    from folkmoot import wiring
    from folkmoot.settings import load

    base = wiring.database(load())
    try:
        yield base
    finally:
        base.dispose()
