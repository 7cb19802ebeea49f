"""Servers of the demo: each a process of its own, with its own folder, database and port, all ended with the demo."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from folkmoot.settings import inherited
from schema.errors import FolkmootError

READY_WITHIN = 60


class DemoFailed(FolkmootError):
    """A step of the demo did not do what it should."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """One server: where it keeps its data, where it listens, and how to run commands as its operator would."""

    name: str
    role: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    ending: bool = False

    @property
    def url(self) -> str:
        """Its public URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Its settings, as an operator would export them."""
        mine = {
            "FOLKMOOT_DATA_DIR": str(self.folder),
            "FOLKMOOT_PUBLIC_URL": self.url,
            "FOLKMOOT_PORT": str(self.port),
            "FOLKMOOT_ALLOW_PRIVATE": "1",
            "FOLKMOOT_MIN_POLL_SECONDS": "5",
            "FOLKMOOT_CRAWL_EVERY": "5",
        }
        return inherited() | mine | dict(self.settings)

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run `folkmoot ARGUMENTS` as this server's operator; gives what it printed. Raises `DemoFailed`."""
        self._go_on()
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "folkmoot", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in codes:
            said = (done.stderr or done.stdout).strip()
            raise DemoFailed(f"{self.name}: folkmoot {' '.join(arguments)} ended with {done.returncode}: {said}")
        return done.stdout

    def start(self) -> None:
        """Start serving. The log goes to a file in the server's folder. Raises `DemoFailed` where the demo ends."""
        self._go_on()
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "folkmoot", self.role, "serve"],
            env=self.environment,
            cwd=self.folder,
            stdout=log,
            stderr=log,
        )
        log.close()

    def _go_on(self) -> None:
        if self.ending:
            raise DemoFailed(f"{self.name}: the demo is ending.")

    def wait(self) -> None:
        """Wait until it is ready and its index has reached the log. Raises `DemoFailed` with the end of its log."""
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until:
            if self.process is not None and self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.url + "/health/ready", timeout=5) as told:  # noqa: S310 - our own server
                    if json.load(told)["checks"]["index"]["lag"] == 0:
                        return
            except (urllib.error.URLError, OSError):
                pass  # it is not ready yet
            time.sleep(0.1)
        tail = (self.folder / "server.log").read_text(errors="replace")[-1500:]
        raise DemoFailed(f"{self.name} did not become ready on {self.url}:\n{tail}")

    def stop(self) -> None:
        """End the process, and wait for its end."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
