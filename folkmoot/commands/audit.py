"""`folkmoot audit`: who wrote what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from folkmoot.words import clean

if TYPE_CHECKING:
    from federation.database import ReadSession

app = typer.Typer(help="Who wrote what, by token, command or import.", no_args_is_help=True)

FORMATS = ("ndjson", "csv")
Whose = Annotated[str, typer.Option(help="Only what was written of this publisher, such as GB-LAE-EXA.")]


@app.command("list")
def show(
    publisher: Whose = "",
    record: Annotated[str, typer.Option(help="Only what was written of this record, by its id.")] = "",
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest at the end.")] = 50,
) -> None:
    """List the last writes: time, who, what, which record, digests of its data before and after."""
    from federation import audit

    with _reading() as session:
        found = audit.last(session, limit=last, publisher=publisher or None, record=record or None)
    for row in map(audit.shown, found):
        who = f"token {row['tokenId']} ({row['name']})" if "tokenId" in row else f"{row['actor']} {row['name']}"
        digests = f"{row.get('before', '')[:12] or '-'} > {row.get('after', '')[:12] or '-'}"
        line = (row["time"], who, row["action"], row.get("record", ""), digests, row.get("requestId", ""))
        typer.echo("\t".join(map(clean, line)))


@app.command()
def export(
    format: Annotated[str, typer.Option(help="ndjson or csv.")] = "ndjson",  # noqa: A002
    publisher: Whose = "",
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, print.")] = None,
) -> None:
    """Write the whole audit log, oldest first. It holds digests of records, never their data, and no tokens."""
    from federation import audit
    from folkmoot.files import opened, writable
    from schema.errors import UnknownFormat

    if format not in FORMATS:
        raise UnknownFormat("format", format, "one of " + ", ".join(FORMATS))
    if out is not None:
        writable(out)
    with _reading() as session, opened(out) as file:
        rows = map(audit.shown, audit.every(session, publisher=publisher or None))
        for part in _csv(rows) if format == "csv" else _ndjson(rows):
            file.write(part)


def _ndjson(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    import orjson

    for row in rows:
        yield orjson.dumps(row) + b"\n"


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    from exchange.cells import guarded
    from exchange.columns import encoded
    from federation.audit import MEMBERS

    def cell(value: object) -> str:
        return guarded(value) if isinstance(value, str) else str(value)

    yield from encoded(MEMBERS, ([cell(row.get(name, "")) for name in MEMBERS] for row in rows))


@contextmanager
def _reading() -> Iterator[ReadSession]:
    from folkmoot import wiring
    from folkmoot.settings import load

    base = wiring.database(load())
    try:
        with base.read() as session:
            yield session
    finally:
        base.dispose()
