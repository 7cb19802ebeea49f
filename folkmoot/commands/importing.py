"""`folkmoot import` and `folkmoot check`: a register's file, published or only looked at.

Text is read in this process, where a server reads it in a child: nobody else is served here, and the file is the
operator's own. A workbook has a child of its own everywhere.

Exit codes: 0 done; 1 rows were refused and nothing landed; 2 unreadable file or usage; 3 held by the removal guard.
"""

from __future__ import annotations

import gc
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from folkmoot import failures
from folkmoot.files import writable
from folkmoot.words import counted

if TYPE_CHECKING:
    from exchange.reading import PublisherFacts
    from exchange.report import Report
    from federation.database import Database
    from federation.register import Outcome
    from federation.wishes import File, Wish
    from folkmoot.settings import Settings

CODES = {"done": 0, "refused": 1, "held": 3}
UNUSABLE = 2

Register = Annotated[Path, typer.Argument(help="The register: CSV, XLSX, JSON or NDJSON.")]
Kind = Annotated[str, typer.Option(help="organisation, roadmap-item, contract, tool, asset or skill.")]
Whose = Annotated[str, typer.Option(help="Whose register it is, such as GB-LAE-EXA; not needed where there is one.")]
Format = Annotated[str, typer.Option(help="csv, xlsx, json, ndjson, lga, contracts-finder, notices or plain.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON, in every case.")]
Faults = Annotated[str, typer.Option(help="Write the problems to this file, as CSV to open beside the register.")]


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(bring)
    app.command()(check)


def bring(
    file: Register,
    kind: Kind,
    publisher: Whose = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="The file is a part of the register: add and update only.")
    ] = False,
    accept_good_rows: Annotated[
        bool, typer.Option("--accept-good-rows", help="Publish the good rows where others are refused.")
    ] = False,
    confirm_removals: Annotated[
        bool, typer.Option("--confirm-removals", help="Remove what is gone, however much it is.")
    ] = False,
    format: Format = "",  # noqa: A002
    json: Json = False,
    faults_csv: Faults = "",
) -> None:
    """Publish a register: a file is all that one publisher says of one kind, and only what differs changes."""
    from federation.wishes import File, Wish
    from folkmoot import wiring
    from folkmoot.settings import load

    try:
        body, settings = _opened(file, faults_csv), load()
        wish = Wish(partial, accept_good_rows, confirm_removals, dry_run)
        base = wiring.database(settings)
        try:
            whose = publisher or _only(base)
            outcome = _run(settings, base, File(body, file.name, kind, whose, format or None), wish)
        finally:
            base.dispose()
        _write_faults(outcome.report, faults_csv)
    except Exception as error:  # noqa: BLE001 - what is no one's fault but ours goes on
        _failed(error, json=json)
    _tell(outcome, dry_run=dry_run, json=json)
    raise typer.Exit(CODES[outcome.state])


def check(
    what: Annotated[str, typer.Argument(help="A register's file, or the address of a node.")],
    kind: Kind = "",
    publisher: Whose = "",
    format: Format = "",  # noqa: A002
    json: Json = False,
    faults_csv: Faults = "",
) -> None:
    """Look at a register before it is imported, or hold somebody's node to the rules. Nothing is changed."""
    if what.startswith(("https://", "http://")):
        from folkmoot.commands import node

        node.check(what, as_json=json)
        return
    if not kind:
        _unusable("Say with --kind what the register holds: contract, tool, ...", json=json)
    _check_file(Path(what), kind, publisher, format, json=json, faults_csv=faults_csv)


def _check_file(file: Path, kind: str, publisher: str, wanted: str, *, json: bool, faults_csv: str) -> None:
    """Read the file as an import would, without a database."""
    from exchange.reading import read_register

    try:
        body = _opened(file, faults_csv)
        with _busy(f"Reading {file.name}"):
            reading = read_register(
                body, filename=file.name, kind=kind, publisher=_somebody(publisher), format=wanted or None
            )
        report = reading.report
        if not publisher:  # whose name the buyers should bear is not known
            report.problems = [fault for fault in report.problems if fault.code != "other-buyer"]
        _write_faults(report, faults_csv)
    except Exception as error:  # noqa: BLE001
        _failed(error, json=json)
    refused = f"{counted(report.refused, 'row')} would be refused." if report.refused else ""
    extra = [f"{counted(len(reading.records), 'record')}, layout {reading.layout}"]
    if not reading.records:
        extra.append("The file holds no record: an import would hold it, and remove nothing until that is confirmed.")
    _print(report, refused, json=json, extra=extra, changes=False)
    raise typer.Exit(CODES["refused" if report.refused else "done"])


def _opened(file: Path, faults_csv: str) -> bytes:
    """The file's bytes. Where the problems are to go is tried before the import: it must not fail after it."""
    from schema.errors import Malformed

    try:
        body = file.read_bytes()
    except OSError as error:
        raise Malformed(_unreadable(file, error)) from error
    if faults_csv:
        target = Path(faults_csv)
        if target.exists() and target.samefile(file):
            raise Malformed("--faults-csv names the register itself, which would be lost. Name another file.")
        writable(target)
    return body


def _unreadable(file: Path, error: OSError) -> str:
    if file.is_dir():
        return f"{file} is a folder; name a register's file."
    if not file.exists():
        return f"There is no file {file}."
    return f"{file} cannot be read: {error.strerror or error}."


def _only(base: Database) -> str:
    from federation import publishers
    from schema.errors import Misconfigured

    with base.read() as session:
        names = [publisher.id for publisher in publishers.every(session)]
    if len(names) != 1:
        told = f"it has {', '.join(names)}" if names else "it has none: folkmoot publisher add adds one"
        raise Misconfigured(f"Say whose register this is with --publisher; {told}.")
    return names[0]


def _run(settings: Settings, base: Database, file: File, wish: Wish) -> Outcome:
    from federation import publishers, register
    from folkmoot import wiring

    with base.read() as session:
        url = publishers.own_url(session, settings.public_url)
    # Rows and records make no circles of references: to look for some among a hundred thousand, again and again,
    # would cost a tenth of the time.
    gc.disable()
    try:
        with _busy(f"Importing {file.name}"):
            return register.run(base, file, wish, node=publishers.node_id(url), now=wiring.now())
    finally:
        gc.enable()


def _somebody(publisher: str) -> PublisherFacts:
    from exchange.reading import PublisherFacts

    name = publisher or "XM-CHECK-FILE"
    return PublisherFacts(name, name, f"https://check.invalid/id/{name}/")


def _busy(sentence: str) -> AbstractContextManager[object]:
    """A sign of life on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(sentence)


def _write_faults(report: Report, faults_csv: str) -> None:
    from folkmoot import telling

    if faults_csv:
        telling.write_csv(report, Path(faults_csv))


def _tell(outcome: Outcome, *, dry_run: bool, json: bool) -> None:
    from folkmoot import telling

    extra: list[str] = []
    if dry_run and outcome.state in ("done", "held"):
        extra = [*telling.difference(outcome), "A dry run: nothing was changed."]
    _print(outcome.report, outcome.error, json=json, extra=extra)


def _print(report: Report, error: str, *, json: bool, extra: list[str], changes: bool = True) -> None:
    from rich.console import Console

    from folkmoot import telling

    if json:
        typer.echo(telling.as_json(report, error))
        return
    telling.tell_problems(report, Console())
    for line in (*extra, *telling.tell_counts(report, changes=changes)):
        typer.echo(line)
    if error:
        typer.echo(f"folkmoot: {error}", err=True)


def _failed(error: Exception, *, json: bool) -> NoReturn:
    told = failures.sentence(error)
    if told is None:
        raise error
    _unusable(told, json=json)


def _unusable(sentence: str, *, json: bool) -> NoReturn:
    from folkmoot import telling

    if json:
        typer.echo(telling.as_json(None, sentence))
    else:
        typer.echo(f"folkmoot: {sentence}", err=True)
    raise typer.Exit(UNUSABLE)
