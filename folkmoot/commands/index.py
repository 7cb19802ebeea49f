"""`folkmoot index`: the search index, which follows the log and can always be made anew."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The search index: rebuild it, or compare it with the database.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def rebuild(json: Json = False) -> None:
    """Build the index anew beside the one that serves, then let it take its place; servers need not stop."""
    import time

    import orjson

    from federation import follow
    from folkmoot import wiring
    from folkmoot.settings import load

    settings = load()
    base, index = wiring.database(settings), wiring.index(settings)
    began = time.monotonic()
    number = follow.rebuild(base, index)
    documents = index.count()
    seconds = round(time.monotonic() - began, 2)
    index.close()
    base.dispose()
    if json:
        typer.echo(orjson.dumps({"changeNumber": number, "documents": documents, "seconds": seconds}))
    else:
        typer.echo(f"Rebuilt up to change {number}: {documents:,} records in {seconds} s.")


@app.command()
def verify(json: Json = False) -> None:
    """Compare every live record with the index. Exit code 1 where they differ."""
    import orjson

    from federation.verify import verify as compare
    from folkmoot import wiring
    from folkmoot.settings import load

    settings = load()
    base, index = wiring.database(settings), wiring.index(settings)
    try:
        found = compare(base, index)
    finally:
        index.close()
        base.dispose()
    if json:
        typer.echo(orjson.dumps(found.told()))
    else:
        for line in found.lines():
            typer.echo(line)
    raise typer.Exit(1 if found.differences else 0)
