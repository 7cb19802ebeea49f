"""`folkmoot export`: the live records of a kind, as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from folkmoot.files import opened, writable

if TYPE_CHECKING:
    from federation.bulk import Writer
    from federation.database import Reading
    from schema.entry import Entry

FORMATS = ("csv", "ndjson", "json", "lga")


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    kind: Annotated[str, typer.Argument(help="organisation, roadmap-item, contract, tool, asset or skill.")],
    format: Annotated[str, typer.Option(help="csv, ndjson, json, or lga for contracts.")] = "csv",  # noqa: A002
    publisher: Annotated[str, typer.Option(help="Only what this publisher publishes, such as GB-LAE-EXA.")] = "",
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, print.")] = None,
) -> None:
    """Write the live records of a kind, as they stand at one moment."""
    from federation import snapshot
    from folkmoot import wiring
    from folkmoot.settings import load
    from schema.errors import NotFound

    write = _writer(kind, format)
    if out is not None:
        writable(out)
    base = wiring.database(load())
    try:
        with base.read() as session:
            snapshot.freeze(session)
            if publisher and not snapshot.publishes(session, publisher):
                raise NotFound(f"Nothing of {publisher} is held here (folkmoot publisher list shows who publishes).")
            entries = snapshot.live(session, kind, publisher or None)
            with opened(out) as file:
                for part in write(entries, session):
                    file.write(part)
    finally:
        base.dispose()


def _writer(kind: str, wanted: str) -> Writer:
    from federation.bulk import lga_csv, ndjson, plain_csv
    from schema.errors import BadParameter, UnknownFormat
    from schema.kinds import KINDS

    if kind not in KINDS:
        raise BadParameter("KIND", kind, "one of " + ", ".join(KINDS))
    if wanted not in FORMATS:
        raise UnknownFormat("format", wanted, "one of " + ", ".join(FORMATS))
    if wanted == "lga" and kind != "contract":
        raise UnknownFormat("format", wanted, "another format: the LGA's register is of contracts")
    return {"csv": plain_csv, "ndjson": ndjson, "json": _as_json, "lga": lga_csv}[wanted]


def _as_json(entries: Iterable[Entry], _session: Reading) -> Iterator[bytes]:
    """One object with all list items, a line each."""
    from schema.entry import record_json

    yield b'{"items":['
    for turn, entry in enumerate(entries):
        yield (b",\n" if turn else b"\n") + record_json(entry)
    yield b"\n]}\n"
