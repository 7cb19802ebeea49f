"""`folkmoot aggregator`: serve as an aggregator."""

from __future__ import annotations

import typer

from folkmoot.commands.options import Workers

app = typer.Typer(help="Serve the index of what other nodes publish.", no_args_is_help=True)


@app.command()
def serve(workers: Workers = None) -> None:
    """Serve as an aggregator: API, feeds and web site."""
    from folkmoot import garbage, lean

    garbage.rest()
    lean.serving()
    from folkmoot.serving import serve as run
    from folkmoot.settings import load

    run(load().serving("aggregator", workers))


@app.callback()
def aggregator() -> None:
    """Serve the index of what other nodes publish."""
