"""`folkmoot index`: the search index, which follows the log and can always be made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from federation.database import Database
    from federation.index import Index

app = typer.Typer(help="The search index: rebuild it, or compare it with the database.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def rebuild(json: Json = False) -> None:
    """Build the index anew beside the one that serves, then let it take its place; servers need not stop."""
    import time

    import orjson

    from federation import follow

    began = time.monotonic()
    with _opened() as (base, index):
        number = follow.rebuild(base, index)
        documents = index.count()
    seconds = round(time.monotonic() - began, 2)
    if json:
        typer.echo(orjson.dumps({"changeNumber": number, "documents": documents, "seconds": seconds}))
    else:
        typer.echo(f"Rebuilt up to change {number}: {documents:,} records in {seconds} s.")


@app.command()
def verify(json: Json = False) -> None:
    """Compare every live record with the index. Exit code 1 where they differ."""
    import orjson

    from federation.verify import verify as compare

    with _opened() as (base, index):
        found = compare(base, index)
    if json:
        typer.echo(orjson.dumps(found.told()))
    else:
        for line in found.lines():
            typer.echo(line)
    raise typer.Exit(1 if found.differences else 0)


@contextmanager
def _opened() -> Iterator[tuple[Database, Index]]:
    """Give the database and its index. Raises `Misconfigured` where another database's server has the index's folder.

    Else a rebuild would put this database's records in the place of those that it serves.
    """
    from federation.tenant import claimed
    from folkmoot import wiring
    from folkmoot.settings import load

    settings = load()
    with ExitStack() as stack:
        base = wiring.database(settings)
        stack.callback(base.dispose)
        if not settings.index_url:
            stack.enter_context(claimed(settings.data_dir, base))
        index = wiring.index(settings)
        stack.callback(index.close)
        yield base, index
