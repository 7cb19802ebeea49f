"""`folkmoot publisher`: the bodies that this node publishes for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from folkmoot.settings import Settings

app = typer.Typer(help="The bodies that this node publishes for.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Publisher id: scheme and code, such as GB-LAE-EXA.")]
KIND_HELP = "What it is: county, district, unitary, office ..."
REGION_HELP = "The region it lies in."
NATION_HELP = "The nation it lies in, such as England."
GSS_HELP = "The GSS code of its area (a place, never a key)."
URL_HELP = "Its web site."
RELATION_HELP = "own, hosted or unofficial."


@app.command()
def add(
    publisher: Id,
    name: Annotated[str, typer.Option(help="The body's name.")],
    kind: Annotated[str, typer.Option("--type", help=KIND_HELP)] = "",
    region: Annotated[str, typer.Option(help=REGION_HELP)] = "",
    nation: Annotated[str, typer.Option(help=NATION_HELP)] = "",
    gss: Annotated[str, typer.Option(help=GSS_HELP)] = "",
    url: Annotated[str, typer.Option(help=URL_HELP)] = "",
    relation: Annotated[str, typer.Option(help=RELATION_HELP)] = "own",
) -> None:
    """Publish for a body: its organisation record becomes the first change."""
    from federation import publishers
    from folkmoot import wiring
    from folkmoot.settings import load
    from schema.identifiers import split_publisher_id

    publishers.check_relation(relation)
    scheme, code = split_publisher_id(publisher)
    told = {"type": kind, "region": region, "nation": nation, "gss": gss, "url": url}
    organisation = {"name": name, "identifiers": [{"scheme": scheme, "id": code}]}
    organisation |= {member: value for member, value in told.items() if value}
    settings = load()
    public_url = publishers.check_public_url(settings.public_url)
    base = wiring.database(settings)
    try:
        with base.write() as session:
            made = publishers.add(
                session,
                public_url=public_url,
                organisation=organisation,
                now=wiring.now(),
                relation=relation,
                sign=settings.sign,
            )
    finally:
        base.dispose()
    _warn(settings)
    typer.echo(f"{made} is published as {public_url}/id/{made}/organisation/{made}")


def _warn(settings: Settings) -> None:
    """Say what is hard to mend later: ids under an address that only this machine knows."""
    if "public_url" not in settings.model_fields_set:
        typer.echo(
            f"folkmoot: warning: FOLKMOOT_PUBLIC_URL is not set, so every id begins with {settings.public_url} for "
            "ever, an address of this machine alone. To publish to others, set it to your own address and begin "
            "again with an empty data folder.",
            err=True,
        )


@app.command("set")
def change(
    publisher: Id,
    name: Annotated[str | None, typer.Option(help="The body's name.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help=KIND_HELP)] = None,
    region: Annotated[str | None, typer.Option(help=REGION_HELP)] = None,
    nation: Annotated[str | None, typer.Option(help=NATION_HELP)] = None,
    gss: Annotated[str | None, typer.Option(help=GSS_HELP)] = None,
    url: Annotated[str | None, typer.Option(help=URL_HELP)] = None,
    relation: Annotated[str | None, typer.Option(help=RELATION_HELP)] = None,
) -> None:
    """Change what is said of a publisher; an option with an empty text takes the member out."""
    from federation import publishers
    from folkmoot import wiring
    from folkmoot.settings import load
    from schema.errors import Misconfigured

    told = {"name": name, "type": kind, "region": region, "nation": nation, "gss": gss, "url": url}
    members = {member: value for member, value in told.items() if value is not None}
    if not members and relation is None:
        raise Misconfigured("Say what to change: --name, --type, --region, --nation, --gss, --url or --relation.")
    settings = load()
    public_url = publishers.check_public_url(settings.public_url)
    base = wiring.database(settings)
    try:
        with base.write() as session:
            differs = publishers.change(
                session, publisher, public_url=public_url, members=members, now=wiring.now(), relation=relation
            )
    finally:
        base.dispose()
    typer.echo(f"{publisher} is changed." if differs else f"{publisher} is so already; nothing is changed.")


@app.command("list")
def show() -> None:
    """List the publishers of this node."""
    from federation import publishers
    from folkmoot import wiring
    from folkmoot.settings import load

    base = wiring.database(load())
    try:
        with base.read() as session:
            found = publishers.every(session)
            names = publishers.organisations(session, found)
    finally:
        base.dispose()
    typer.echo("id\tname\trelation\tids begin with")
    for publisher in found:
        typer.echo(f"{publisher.id}\t{names[publisher.id]['name']}\t{publisher.relation}\t{publisher.id_prefix}")
