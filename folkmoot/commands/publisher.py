"""`folkmoot publisher`: the bodies that this node publishes for."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The bodies that this node publishes for.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Publisher id: scheme and code, such as GB-LAE-EXA.")]


@app.command()
def add(
    publisher: Name,
    name: Annotated[str, typer.Option(help="The body's name.")],
    kind: Annotated[str, typer.Option("--type", help="What it is: county, district, unitary, office ...")] = "",
    region: Annotated[str, typer.Option(help="The region it lies in.")] = "",
    nation: Annotated[str, typer.Option(help="england, scotland, wales or northern-ireland.")] = "",
    gss: Annotated[str, typer.Option(help="The GSS code of its area (a place, never a key).")] = "",
    url: Annotated[str, typer.Option(help="Its web site.")] = "",
    relation: Annotated[str, typer.Option(help="own, hosted or unofficial.")] = "own",
) -> None:
    """Publish for a body: its organisation record becomes the first change."""
    from federation import publishers
    from folkmoot import wiring
    from folkmoot.settings import load
    from schema.identifiers import split_publisher_id

    scheme, code = split_publisher_id(publisher)
    told = {"type": kind, "region": region, "nation": nation, "gss": gss, "url": url}
    organisation = {"name": name, "identifiers": [{"scheme": scheme, "id": code}]}
    organisation |= {member: value for member, value in told.items() if value}
    settings = load()
    base = wiring.database(settings)
    with base.write() as session:
        made = publishers.add(
            session,
            public_url=publishers.check_public_url(settings.public_url),
            organisation=organisation,
            now=wiring.now(),
            relation=relation,
        )
    base.dispose()
    typer.echo(f"{made} is published as {settings.public_url}/id/{made}/organisation/{made}")


@app.command("list")
def show() -> None:
    """List the publishers of this node."""
    from federation import publishers
    from folkmoot import wiring
    from folkmoot.settings import load

    base = wiring.database(load())
    with base.read() as session:
        found = publishers.every(session)
        names = publishers.organisations(session, found)
    base.dispose()
    for publisher in found:
        typer.echo(f"{publisher.id}\t{names[publisher.id]['name']}\t{publisher.relation}\t{publisher.id_prefix}")
