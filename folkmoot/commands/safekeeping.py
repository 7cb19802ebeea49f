"""Keeping safe: `folkmoot backup` and `folkmoot restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from folkmoot.words import counted

if TYPE_CHECKING:
    from federation.backup import Copied, Trusted
    from federation.database import Database

File = Annotated[Path, typer.Argument(help="The file of the backup.")]


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(file: File) -> None:
    """Copy the whole database, as it stands at one moment, into a file; servers and crawls need not stop.

    The file is SQLite's, whichever database it was taken of. It holds the digests of the tokens: keep it as private as
    the database.
    """
    from folkmoot import wiring
    from folkmoot.settings import load
    from schema.errors import Conflict

    if file.exists():
        raise Conflict(f"{file} is there already: give the backup a name of its own.")
    base = wiring.database(load())
    aside = file.with_name(f".{file.name}.partial")
    try:
        done = _copied(base, aside)
        aside.rename(file)
    finally:
        base.dispose()
        for left in file.parent.glob(f"{aside.name}*"):
            left.unlink()
    typer.echo(f"{file}: {counted(done.records, 'record')} up to change {done.number}.")


def _copied(base: Database, aside: Path) -> Copied:
    import os

    import migrations
    from federation import backup as copying
    from federation import publishers
    from federation.database import Database

    with base.present() as session:
        publishers.epoch(session)  # there is nothing to keep before the first publication
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    migrations.upgrade(f"sqlite:///{aside}")
    made = Database(f"sqlite:///{aside}")
    try:
        with made.write() as session:
            done = copying.copy(base, session)
    finally:
        made.dispose()  # closing the last connection brings the log into the file
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    return done


def restore(file: File) -> None:
    """Make the database that the settings name, which must be empty, from a backup.

    It takes another epoch and appends every record again, so that whoever follows its feed reads it anew and nothing
    that was published after the backup lives on as a ghost. Where more than a fifth (and at least 20) of what an
    aggregator shows would go by that, it waits there until its operators release it. Tokens and keys that were revoked
    after the backup are good again: revoke them again. Where the backup was published under another public URL than the
    settings name, it says so: a server does not start until they agree.
    """
    import shutil
    import tempfile

    import migrations
    from federation import backup as copying
    from federation import publishers
    from federation.database import Database
    from folkmoot import wiring
    from folkmoot.settings import load
    from schema.errors import Misconfigured

    settings = load()
    url = publishers.check_public_url(settings.public_url)
    with file.open("rb") as opened:
        ours = opened.read(16) == b"SQLite format 3\0"
    if not ours:
        raise Misconfigured(f"{file} is no backup: folkmoot backup makes an SQLite file.")
    target = wiring.database(settings)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix="restore-") as folder:
        aside = Path(folder) / "backup.db"
        shutil.copyfile(file, aside)
        source = Database(f"sqlite:///{aside}")
        try:
            copying.check_sound(source)
            migrations.upgrade(source.url)  # a backup of an older version; the file itself stays as it is
            done = copying.restore(source, target, now=wiring.now(), name=file.name)
            with source.present() as session:
                trusted = copying.trusted(session, wiring.now())
                known = publishers.recall(session, "publicUrl")
        finally:
            source.dispose()
            target.dispose()
    typer.echo(
        f"Restored {counted(done.records, 'record')}, appended again up to change {done.number} under another epoch. "
        "Aggregators read this feed from the start at their next visit. Where more than a fifth of what they show (and "
        "at least 20 records) was published after the backup, they hold it until their operators release it: tell them."
    )
    typer.echo(_revoke_again(trusted))
    if known not in {None, url}:
        typer.echo(f"It cannot be served yet. {publishers.moved(str(known), url)}")


def _revoke_again(trusted: Trusted) -> str:
    """What was revoked after the backup is good again; only people can know what that was."""
    until = f"{trusted.until:%Y-%m-%d %H:%M} UTC" if trusted.until else "an unknown time"
    tokens, keys = counted(trusted.tokens, "token"), counted(trusted.keys, "signing key")
    return (
        f"The last that the backup knows of was at {until}. As it stood then, {tokens} and {keys} are good now: revoke "
        "again what was revoked since (folkmoot token list, folkmoot keys list). What was withdrawn as personal data "
        "since is published again when the server starts: keep readers away (stop the proxy before it) until it is "
        "withdrawn again (a copy of the audit log lists it, and an aggregator's page of this node)."
    )
