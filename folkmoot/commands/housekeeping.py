"""Keeping house: `folkmoot migrate`, `openapi` and `doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from folkmoot import failures
from folkmoot.words import counted

if TYPE_CHECKING:
    from federation.database import ReadSession
    from folkmoot.settings import Settings

EXAMPLE_URL = "https://moot.example"


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(migrate)
    app.command("openapi")(openapi)
    app.command()(doctor)


def migrate(
    revision: Annotated[str, typer.Argument(help="The revision to come to; head is the newest.")] = "head",
) -> None:
    """Bring the database up to a revision of its tables. Serving does this by itself."""
    import migrations
    from folkmoot.settings import load

    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    migrations.upgrade(settings.database, revision)
    typer.echo(f"The database is at revision {migrations.HEAD if revision == 'head' else revision}.")


def openapi(
    role: Annotated[str, typer.Option(help="node or aggregator.")] = "node",
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, print.")] = None,
    write: Annotated[Path | None, typer.Option(help="The folder to write both roles' files to.")] = None,
) -> None:
    """Describe the API as OpenAPI 3.1."""
    if role not in ("node", "aggregator"):
        raise typer.BadParameter("expected node or aggregator", param_hint="--role")
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name in ("node", "aggregator"):
            (write / f"{name}.json").write_bytes(described(name))
            typer.echo(f"{write / name}.json")
        return
    if out is None:
        typer.echo(described(role), nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(described(role))
    typer.echo(str(out))


def described(role: str) -> bytes:
    """The contract of a role as it is committed: sorted members, a public URL that is an example."""
    import json
    import tempfile

    from api.app import create_app
    from federation.database import Database
    from folkmoot import wiring
    from folkmoot.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"role": role, "public_url": EXAMPLE_URL, "data_dir": folder})
        base = Database(settings.database)
        services = wiring.services(settings, base)
        made = create_app(services).openapi()
        base.dispose()
    return (json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look at settings, database, publishers, public URL, data folder, index. Exit code 1 where something is amiss."""
    import json

    from folkmoot.settings import load

    settings = load()
    found = _all(settings)
    if as_json:
        typer.echo(json.dumps({"checks": found}))
    else:
        for check in found:
            typer.echo(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['detail']}")
    raise typer.Exit(0 if all(check["ok"] for check in found) else 1)


def _all(settings: Settings) -> list[dict[str, Any]]:
    """Every look in order. What needs another to be in order, as most need the database, is not looked at before."""
    found: list[dict[str, Any]] = []
    looks = {name: look for name, look in LOOKS.items() if name != "replica" or settings.read_database_url}
    for name, look in looks.items():
        amiss = [check["name"] for check in found if not check["ok"]]
        in_folder = name == "index" and not settings.index_url
        needed = next((one for one in ("database", *(["data folder"] * in_folder)) if one in amiss), None)
        waits = {"name": name, "ok": False, "detail": f"not looked at: it needs the {needed}."}
        found.append(waits if needed else _looked(name, look, settings))
    return found


def _looked(name: str, look: Callable[[Settings], str], settings: Settings) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "detail": look(settings)}
    except Exception as error:
        told = failures.sentence(error)
        if told is None:
            raise
        return {"name": name, "ok": False, "detail": told}


def _settings(settings: Settings) -> str:
    return f"{settings.role}, data in {settings.data_dir}"


def _database(settings: Settings) -> str:
    from migrations import HEAD, current
    from schema.errors import Misconfigured

    at = current(settings.database)
    if at != HEAD:
        raise Misconfigured(f"it is at revision {at or 'none'}, and this program needs {HEAD}: run folkmoot migrate.")
    return f"revision {at}"


@contextmanager
def _reading(settings: Settings) -> Iterator[ReadSession]:
    from federation.database import Database

    base = Database(settings.database)
    try:
        with base.read() as session:
            yield session
    finally:
        base.dispose()


def _publishers(settings: Settings) -> str:
    from federation import publishers
    from schema.errors import Misconfigured

    with _reading(settings) as session:
        found = publishers.every(session)
    if not found:
        raise Misconfigured("there is none: add one with folkmoot publisher add.")
    return ", ".join(publisher.id for publisher in found)


def _public_url(settings: Settings) -> str:
    from federation import publishers

    url = publishers.check_public_url(settings.public_url)
    with _reading(settings) as session:
        known = publishers.recall(session, "publicUrl")
    if known is not None and known != url:
        raise publishers.moved(known, url)
    return url


def _folder(settings: Settings) -> str:
    from federation.database import Database
    from federation.tenant import claimed

    base = Database(settings.database)
    try:
        with claimed(settings.data_dir, base):
            return "no server with another database uses it"
    finally:
        base.dispose()


def _replica(settings: Settings) -> str:
    from federation import log
    from federation.database import Database
    from folkmoot import wiring

    written = Database(settings.database)
    replica = wiring.reading(settings, written)
    try:
        with replica.read() as session:
            reached = log.latest(session)
        with written.read() as session:
            latest = log.latest(session)
    finally:
        replica.dispose()
        written.dispose()
    return f"{counted(max(0, latest - reached), 'change')} behind the log's {latest}"


def _index(settings: Settings) -> str:
    from federation import log
    from federation.scan import epoch
    from folkmoot import wiring

    with _reading(settings) as session:
        latest, ours = log.latest(session), epoch(session)
    index = wiring.index(settings)
    try:
        index.refresh()
        reached = index.reached()
    finally:
        index.close()
    if reached is None:
        return "not built yet: a server builds it when it starts"
    if reached.epoch != ours:
        return "of another database: a server makes it anew when it starts"
    return f"{counted(max(0, latest - reached.number), 'change')} behind the log's {latest}"


def _limits(settings: Settings) -> str:
    if not settings.a_minute:
        return "off: anybody may ask as often as they like (FOLKMOOT_RATE_LIMIT)"
    told = f"{settings.a_minute:,} requests a minute for an address and for a token"
    if settings.trusted_proxies:
        return f"{told}; the clients of {settings.trusted_proxies} are told apart"
    return f"{told}; behind a proxy nobody is limited: FOLKMOOT_TRUSTED_PROXIES names none"


LOOKS: dict[str, Callable[[Settings], str]] = {
    "settings": _settings,
    "limits": _limits,
    "database": _database,
    "publishers": _publishers,
    "public URL": _public_url,
    "data folder": _folder,
    "replica": _replica,
    "index": _index,
}
