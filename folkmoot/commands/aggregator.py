"""`folkmoot aggregator`: serve as an aggregator."""

from __future__ import annotations

import typer

app = typer.Typer(help="Serve the index of what other nodes publish.", no_args_is_help=True)


@app.command()
def serve() -> None:
    """Serve as an aggregator: API, feeds and web site."""
    from folkmoot.serving import serve as run
    from folkmoot.settings import load

    run(load().model_copy(update={"role": "aggregator"}))


@app.callback()
def aggregator() -> None:
    """Serve the index of what other nodes publish."""
