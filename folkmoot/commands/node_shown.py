"""How nodes are shown on the command line: tables on a terminal, plain lines elsewhere, JSON where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from folkmoot.words import clean, counted

if TYPE_CHECKING:
    from federation.checks import Report
    from federation.rule import Rule

_COLUMNS = ("key", "name", "role", "state", "records", "refused", "problems", "last good visit")


def _print(found: object) -> None:
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


def _table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; elsewhere a line a row, tabs between, so that other programs can cut it.

    Other people's words are no markup, and steer no terminal.
    """
    if not console.is_terminal:
        for row in rows:
            typer.echo("\t".join(clean(cell) for cell in row))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console.print(table)


def report(found: Report, *, as_json: bool) -> None:
    """What each rule found, and what to do about it."""
    from federation.summary import summary

    if as_json:
        _print(summary(found))
        return
    typer.echo(
        f"{clean(found.url)}: {counted(len(found.readings), 'item')} on {counted(len(found.steps), 'page')} read"
    )
    broken = [r for r in found.results if not r.kept]
    marks = [("stops" if r.of.gate else r.severity, r.rule, f"{r.found} {r.advice}", _section(r.of)) for r in broken]
    _table(Console(), ("", "rule", "found", "asked by"), marks)
    kept = len(found.results) - len(broken)
    typer.echo(f"{counted(kept, 'rule')} of {len(found.results)} kept.")
    if not found.passed:
        typer.echo("Not accepted: mend what is marked as stops.")


def _section(rule: Rule) -> str:
    return f"{rule.standard}, {rule.section}"


def listing(found: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """The nodes, a line each."""
    if as_json:
        _print(found)
        return
    rows = [
        (
            node["key"],
            node["name"],
            node["role"],
            node["state"],
            node["records"],
            node["refused"],
            sum(node["problemCounts"].values()),
            node["lastGoodVisit"] or "never",
        )
        for node in found
    ]
    console = Console()
    _table(console, _COLUMNS, rows if console.is_terminal else [_COLUMNS, *rows])


def node(found: dict[str, Any], *, as_json: bool) -> None:
    """One node with its problems, and what waits for the operator."""
    from federation.told import to_decide

    if as_json:
        _print(found)
        return
    console = Console()
    plain = [(name, value) for name, value in found.items() if not isinstance(value, dict | list)]
    _table(console, ("", ""), [(name, "" if value is None else value) for name, value in plain])
    problems = [
        (p["severity"], p["rule"], p["recordId"] or "", p["pointer"], p["message"], p["count"])
        for p in found["problems"]
    ]
    if problems:
        _table(console, ("", "rule", "record", "pointer", "what", "times"), problems)
    for sentence in to_decide(found["problems"]):
        typer.echo(clean(sentence))


def identity(known: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], *roles: str) -> None:
    """What a node was known by, and what it shows now: a line a key, with its thumbprint."""
    from federation.sign import thumbprint

    before, after = ({key["kid"]: key for key in keys} for keys in (known, shown))
    if roles[0] != roles[-1]:
        typer.echo(f"role\twas {clean(roles[0])}\tis {clean(roles[-1])}")
    for kid in dict.fromkeys([*before, *after]):
        was, now = before.get(kid), after.get(kid)
        told = (
            "new" if was is None else "gone" if now is None else "another key" if was["x"] != now["x"] else "as before"
        )
        if now is not None and "revoked" in now:
            told += f", revoked {now['revoked']}"
        typer.echo(clean(kid) + f"\t{thumbprint(now or was or {})}\t{clean(told)}")
