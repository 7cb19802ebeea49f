"""What an operator decides about a node: `folkmoot node release`, `reject` and `moved`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from folkmoot.commands.opening import opened
from folkmoot.words import counted

if TYPE_CHECKING:
    from federation.database import Database
    from federation.nodes import Known
    from folkmoot.settings import Settings
    from schema.manifest import Manifest

Name = Annotated[str, typer.Argument(help="The node's key or address.")]
Removals = Annotated[bool, typer.Option("--removals", help="The removals that wait for a person.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(release)
    app.command()(reject)
    app.command()(moved)
    app.command()(grant)


def release(
    name: Name,
    removals: Removals = False,
    identity: Annotated[
        bool, typer.Option("--identity", help="The node itself, as its manifest stands now: keys, role and prefixes.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Let what is held of a node happen: --removals, the records that it took away; --identity, who it is now."""
    if not removals and not identity:
        raise typer.BadParameter("say what: --removals or --identity")
    if identity:
        _identity(name, yes=yes)
    if removals:
        _removals(name)


def _removals(name: str) -> None:
    from federation import audit, erasure, nodes
    from federation import removals as held
    from folkmoot import wiring

    with opened() as (_settings, base), base.write() as session:
        known = nodes.find(session, name)
        done = held.release(session, known.id, now=wiring.now())
        erased = erasure.of_node(session, known.id, now=wiring.now())
        audit.note(session, "node.release", f"removals of {known.url}", wiring.now())
    kept = f", {done.created + done.updated} kept through other routes" if done.created + done.updated else ""
    typer.echo(f"{known.key}: {counted(done.deleted, 'record')} withdrawn{kept}.")
    if erased:
        typer.echo(f"{counted(erased, 'record')} withdrawn as personal data erased.")


def _identity(name: str, *, yes: bool) -> None:
    from federation import audit, nodes, pinning
    from federation.database import clock
    from folkmoot import wiring
    from folkmoot.commands import node_shown as shown
    from schema.errors import NotFound

    with opened() as (settings, base):
        try:
            known = _known(base, name)
        except NotFound:
            _identity_of_relayed(settings, base, name, yes=yes)
            return
        manifest, body = _asked(settings, known.url, known.key)
        shown.identity(known.keys, pinning.offered(manifest), known.role, manifest.role)
        if not yes:
            typer.confirm(f"Take {known.key} as it is now?", abort=True)
        with base.write() as session:
            after = nodes.release(session, known, manifest, body, now=clock(session))
            audit.note(session, "node.release", f"identity of {known.url}", wiring.now())
    visited = "stays paused" if after.state == "paused" else "visited again at once"
    typer.echo(f"{known.key} is known by this from now on, and {visited}.")


def _identity_of_relayed(settings: Settings, base: Database, name: str, *, yes: bool) -> None:
    """Do the same for a node that is not read here: relays pass its records on."""
    from federation import audit, origins, pinning
    from federation.database import clock
    from federation.identity import manifest_url
    from folkmoot import wiring
    from folkmoot.commands import node_shown as shown
    from schema.errors import NotFound

    url = manifest_url(name)
    with base.read() as session:
        if not origins.heard_of(session, url):
            raise NotFound(f"{name} is not among the nodes (folkmoot node list shows them), and no relay told of it.")
        known = origins.keys(session, url)
    manifest, _body = _asked(settings, url, url)
    shown.identity(known, pinning.offered(manifest), manifest.role)
    if not yes:
        typer.confirm(f"Relays pass its records on. Take the keys of {url} as they are now?", abort=True)
    with base.write() as session:
        origins.confirm(session, url, manifest, now=clock(session))
        audit.note(session, "node.release", f"identity of {url}", wiring.now())
    typer.echo(f"{url} is known by these keys from now on.")


def reject(name: Name, removals: Removals = False) -> None:
    """Refuse what is held of a node. With --removals: its records stay, and the removals are forgotten."""
    from federation import audit, nodes
    from federation import removals as held
    from folkmoot import wiring

    if not removals:
        raise typer.BadParameter("say what: --removals")
    with opened() as (_settings, base), base.write() as session:
        known = nodes.find(session, name)
        count = held.reject(session, known.id)
        audit.note(session, "node.reject", f"removals of {known.url}", wiring.now())
    typer.echo(
        f"{known.key}: {counted(count, 'removal')} forgotten; the records stay. The node's feed was read past them: "
        "they come up again only when it is read from its beginning, and wait again if they are still as many."
    )


def moved(
    name: Name, to: Annotated[str, typer.Argument(help="Where it is now, or its manifest there.")], yes: Yes = False
) -> None:
    """Follow a node to another address. Asked first, unless a key that it was known by has signed what is there."""
    from federation import moving, pinning
    from federation.database import clock
    from federation.identity import manifest_url
    from federation.publishers import check_public_url, node_id
    from folkmoot.commands import node_shown as shown

    with opened() as (settings, base):
        known = _known(base, name)
        manifest, body = _asked(settings, manifest_url(to), known.key)
        if not asyncio.run(_signed(settings, known, manifest)):
            shown.identity(known.keys, pinning.offered(manifest), known.role, manifest.role)
            if not yes:
                typer.confirm(f"No key of {known.key} stands behind this. Is it at {manifest.id} now?", abort=True)
        me = node_id(check_public_url(settings.public_url))
        with base.write() as session:
            key = moving.there(session, known, manifest, body, me=me, now=clock(session))
    typer.echo(f"{known.key} is {key} from now on, and read there from its beginning. Old ids lead to the new ones.")


def grant(
    name: Name, prefix: Annotated[str, typer.Argument(help="The idPrefix on another host, as its manifest has it.")]
) -> None:
    """Let a node publish ids that begin with the address of another host."""
    from federation import audit, nodes
    from federation.database import clock
    from folkmoot import wiring

    with opened() as (_settings, base), base.write() as session:
        known = nodes.find(session, name)
        publisher = nodes.grant(session, known, prefix, now=clock(session))
        audit.note(session, "node.grant", f"{prefix} to {known.url}", wiring.now(), publisher=publisher)
    typer.echo(
        f"{known.key} publishes for {publisher} under {prefix} from now on. Records refused before are taken when"
    )
    typer.echo("they change, or when its feed is read from its beginning.")


def _known(base: Database, name: str) -> Known:
    from federation import nodes

    with base.read() as session:
        return nodes.find(session, name)


async def _signed(settings: Settings, known: Known, manifest: Manifest) -> bool:
    from federation import moving
    from folkmoot import wiring

    async with wiring.door(settings) as door:
        return await moving.signed(wiring.obeying(door), known, manifest, now=wiring.now())


def _asked(settings: Settings, url: str, key: str) -> tuple[Manifest, bytes]:
    """The manifest as it is now, through the door. Raises `Refused` where it says that it is another's."""
    from federation import papers
    from folkmoot import wiring

    async def ask() -> bytes:
        async with wiring.door(settings) as door:
            return await (await door.get(url)).small()

    body = asyncio.run(ask())
    return papers.own(body, url, key), body
