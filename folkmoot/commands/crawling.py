"""`folkmoot crawl`: visit the nodes that are due."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from folkmoot.words import clean, counted

if TYPE_CHECKING:
    from federation.database import Database
    from federation.rounds import TurnResult
    from folkmoot.settings import Settings


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(crawl)


def crawl(
    once: Annotated[bool, typer.Option("--once", help="Stop when nothing is due any more.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Take every feed for due, whatever its time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a visit, for programs.")] = False,
) -> None:
    """Visit the nodes that are due, again and again; several crawls on one database share the work.

    Exit codes: 0 done; 1 with --once, when a visit failed.
    """
    from folkmoot import garbage

    garbage.rest()
    from federation import nodes, publishers
    from federation.database import clock
    from federation.memory import READ, frugal
    from folkmoot import logs, wiring
    from folkmoot.settings import load

    frugal(READ)
    settings = load()
    logs.configure(settings)
    base = wiring.database(settings)
    failed: list[str] = []
    visits = 0

    def tell(result: TurnResult) -> None:
        nonlocal visits
        visits += 1
        if result.outcome == "failed":
            failed.append(result.key)
        typer.echo(_json(result) if as_json else _line(result))

    garbage.resume()
    try:
        with base.read() as session:  # what is passed on says for ever who did
            publishers.own_url(session, settings.public_url)
        if now:
            with base.write() as writing:
                nodes.make_due(writing, now=clock(writing))
        asyncio.run(_run(settings, base, tell, once=once))
        if once and not visits and not as_json:
            typer.echo(_nothing(base))
    finally:
        base.dispose()
    if once and failed:
        raise typer.Exit(1)


async def _run(settings: Settings, base: Database, tell: object, *, once: bool) -> None:
    from federation import erasure
    from folkmoot import wiring

    eraser = erasure.Eraser(base)
    async with wiring.door(settings) as door:
        crawler = wiring.crawler(settings, base, door.get, door.robots)
        crawler.told = tell  # type: ignore[assignment]
        if once:
            await crawler.once()
            await asyncio.to_thread(eraser.turn)
            return
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await asyncio.gather(crawler.run(stop), eraser.run(stop))


def _nothing(base: Database) -> str:
    from federation import nodes

    with base.read() as session:
        known = nodes.any_known(session)
    if known:
        return "No node is due. To visit all of them now: folkmoot crawl --once --now"
    return "No node is known yet. Add one: folkmoot node add URL"


def _line(result: TurnResult) -> str:
    done = result.applied
    pages = counted(result.pages, "page")
    told = f"{done.created} new, {done.updated} changed, {done.deleted} withdrawn, {done.refused} refused"
    if done.held:
        told += f", {counted(done.held, 'removal')} held (folkmoot node show {result.key})"
    ends = {
        "ended": f"read to its end, {pages}: {told}",
        "budget": f"{pages} so far: {told}",
        "failed": f"failed: {result.error}",
        "lost": "taken over by another worker",
    }
    return clean(f"{result.key}: {ends[result.outcome]}")


def _json(result: TurnResult) -> str:
    import orjson

    found = {
        "key": result.key,
        "outcome": result.outcome,
        "pages": result.pages,
        **{name: getattr(result.applied, name) for name in result.applied.__slots__},
        "due": result.due,
        "error": result.error,
    }
    return orjson.dumps(found).decode()
