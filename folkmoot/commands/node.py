"""`folkmoot node`: serve as a node; and, on an aggregator, the nodes that it crawls.

Exit codes: 0 done; 1 a rule is broken; 2 unreachable, or unusable arguments and settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from folkmoot.commands import node_decisions
from folkmoot.commands.opening import opened
from folkmoot.commands.options import Workers
from folkmoot.words import counted

if TYPE_CHECKING:
    from federation.checks import Report
    from folkmoot.settings import Settings

app = typer.Typer(help="Serve as a node; look after the nodes that an aggregator crawls.", no_args_is_help=True)

Url = Annotated[str, typer.Argument(help="The node's address, or that of its manifest.")]
Name = Annotated[str, typer.Argument(help="The node's key or address.")]
Relays = Annotated[
    bool, typer.Option("--aggregator", help="Accept it as an aggregator, which may pass on others' records.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _examine(settings: Settings, url: str, *, aggregator: bool) -> Report:
    from federation import checks
    from folkmoot import wiring

    async def go() -> Report:
        async with wiring.door(settings) as door:
            return await checks.examine(wiring.obeying(door), url, now=wiring.now(), aggregator=aggregator)

    return asyncio.run(go())


@app.command()
def serve(workers: Workers = None) -> None:
    """Serve as a node: manifest, change feed, lists, files and pages of its publishers."""
    from folkmoot import garbage, lean

    garbage.rest()
    lean.serving()
    from folkmoot.serving import serve as run
    from folkmoot.settings import load

    run(load().serving("node", workers))


@app.command()
def add(
    url: Url,
    aggregator: Relays = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Take it even if it does not pass yet: nothing is served until it does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at a node, pin who it is, and crawl it from now on.

    One that breaks a rule that is a gate is refused, or with --preview looked at on each visit until it passes.
    """
    from federation import audit, nodes
    from federation.database import clock
    from federation.publishers import check_public_url, node_id
    from folkmoot import wiring
    from folkmoot.commands import node_shown as shown

    with opened() as (settings, base):
        report = _examine(settings, url, aggregator=aggregator)
        taken = report.manifest is not None and (report.passed or preview)
        if taken and report.manifest is not None:
            with base.write() as session:
                nodes.pin(
                    session,
                    report.manifest,
                    report.body,
                    me=node_id(check_public_url(settings.public_url)),
                    relays=aggregator,
                    every=settings.crawl_every,
                    now=clock(session),  # by which its first visit is due, whatever this machine's own says
                    state="active" if report.passed else "preview",
                )
                audit.note(session, "node.add", report.manifest.id, wiring.now())
    shown.report(report, as_json=as_json)
    if not as_json and report.passed:
        typer.echo("Added. It is read at the next crawl: folkmoot crawl --once")
    if taken and not report.passed:
        if not as_json:
            typer.echo("Added as a preview: it is looked at on each visit, and taken in when it passes.")
        return
    _exit(report)


@app.command()
def check(url: Url, aggregator: Relays = False, as_json: AsJson = False) -> None:
    """Look at a node and hold it to the rules. Nothing is changed; it need not be ours."""
    from folkmoot.commands import node_shown as shown
    from folkmoot.settings import load

    report = _examine(load(), url, aggregator=aggregator)
    shown.report(report, as_json=as_json)
    _exit(report)


def _exit(report: Report) -> None:
    if not report.passed:
        raise typer.Exit(2 if report.unreachable else 1)


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List the nodes, with their state and how their last visits went."""
    from federation import status
    from folkmoot.commands import node_shown as shown

    with opened() as (_settings, base), base.read() as session:
        found = status.listing(session, limit=10_000)
    shown.listing(found, as_json=as_json)


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one node: its visits, its counts, and what its publisher should mend."""
    from federation import nodes, status
    from folkmoot.commands import node_shown as shown

    with opened() as (_settings, base), base.read() as session:
        found = status.one(session, nodes.find(session, name).key)
    shown.node(found, as_json=as_json)


@app.command()
def pause(name: Name) -> None:
    """Stop visiting a node. Its records stay."""
    from federation import nodes
    from federation.database import clock

    _change(
        "node.pause",
        name,
        lambda session, known: nodes.pause(session, known, now=clock(session)),
        "is paused; its records stay as they are",
    )


@app.command()
def resume(name: Name) -> None:
    """Visit a node again, at once."""
    from federation import nodes
    from federation.database import clock

    def again(session: Any, known: Any) -> None:
        nodes.resume(session, known, now=clock(session))

    _change("node.resume", name, again, "is visited again")


@app.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Forget a node. Its records become tombstones without history, unless another route still carries them."""
    from federation import audit, nodes
    from federation.database import clock
    from folkmoot import wiring

    if not yes:
        typer.confirm(f"Forget {name}, and withdraw its records here?", abort=True)
    with opened() as (_settings, base), base.write() as session:
        known = nodes.find(session, name)
        done = nodes.remove(session, known, now=clock(session))
        audit.note(session, "node.remove", known.url, wiring.now())
    kept = done.updated + done.created
    typer.echo(
        f"{known.key} is removed: {counted(done.deleted, 'record')} withdrawn, {kept} kept through other routes."
    )


def _change(action: str, name: str, work: Callable[[Any, Any], None], told: str) -> None:
    from federation import audit, nodes
    from folkmoot import wiring

    with opened() as (_settings, base), base.write() as session:
        known = nodes.find(session, name)
        work(session, known)
        audit.note(session, action, known.url, wiring.now())
    typer.echo(f"{known.key} {told}.")


node_decisions.mount(app)
