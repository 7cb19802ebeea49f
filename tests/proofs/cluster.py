"""PostgreSQL servers of a proof's own: one that listens on a private bridge, a primary with its replica."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests import postgres
from tests.proofs.namespaces import DYING


def _as_nobody() -> list[str]:
    if os.geteuid() != postgres.ROOT:
        return []
    nobody = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


class Cluster:
    """One server in a folder: `url` is its database over a unix socket; it dies with the proof."""

    def __init__(self, folder: Path, name: str, *, safe: bool = False) -> None:
        """`safe`: what is committed is on the disk, as outside of tests; else what is quick."""
        self._unsafe = () if safe else postgres.UNSAFE_BUT_QUICK
        self.run, self.data, self.sockets = folder, folder / name, folder / f"{name}.sockets"
        self.bin = _reachable_binaries(folder)
        self.url = self.named("postgres")
        self._process: subprocess.Popen[bytes] | None = None

    def make(self, *, trust: str = "") -> None:
        """Make an empty cluster that lets its own account in, and a network (`10.77.0.0/16`) where one is named."""
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        if trust:
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {trust} trust\n")

    def copy(self, primary: Cluster) -> None:
        """Make this the streaming replica of a server that runs."""
        self._run(
            "pg_basebackup", "-h", str(primary.sockets), "-U", "postgres", "-D", str(self.data), "-R", "--no-sync"
        )

    def start(self, *, listen: str = "", inside: Sequence[str] = ()) -> None:
        """Start and wait until it answers. `inside` is what a command line begins with in another namespace."""
        self.sockets.mkdir(mode=0o777, exist_ok=True)
        self.sockets.chmod(0o777)
        options = [f"-c{setting}" for setting in (*self._unsafe, f"unix_socket_directories={self.sockets}")]
        server = [str(self.bin / "postgres"), "-D", str(self.data), f"-clisten_addresses={listen}", *options]
        with (self.run / f"{self.data.name}.log").open("ab") as log:
            command = [*inside, *_as_nobody(), *DYING, *server]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.run)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError((self.run / f"{self.data.name}.log").read_text()[-2000:])

    def crash(self) -> None:
        """Stop without a checkpoint and start again, as `pg_ctl restart -m immediate` does: it recovers by its log."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        self.start()

    def stop(self) -> None:
        """Stop at once, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(20)

    def create(self, name: str, *, host: str | None = None) -> str:
        """Create a migrated database; gives its URL, at a host where one is named."""
        import migrations

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrations.upgrade(self.named(name))
        return self.named(name) if host is None else f"postgresql://postgres@{host}/{name}"

    def named(self, name: str) -> str:
        """Give the URL of a database over the unix socket."""
        return f"postgresql://postgres@/{name}?host={self.sockets}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_nobody(), str(self.bin / program), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=self.run)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])


def _reachable_binaries(folder: Path) -> Path:
    found = postgres.binaries()
    if os.geteuid() != postgres.ROOT or postgres._reachable(found):
        return found
    copied = folder / "postgresql"
    if not copied.exists():
        shutil.copytree(found.parent, copied)
    return copied / found.name


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that the server's account may write to, with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="moot-"))
    if os.geteuid() == postgres.ROOT:
        nobody = pwd.getpwnam("nobody")
        os.chown(made, nobody.pw_uid, nobody.pw_gid)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
