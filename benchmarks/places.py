"""Where the bench keeps what it builds, and which addresses its made-up nodes have."""

from __future__ import annotations

import hashlib
import shutil
import socket
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
BUILD = ROOT / "build" / "bench"
PORT = 18_700
_TRIES = 50


def fresh(name: str) -> Path:
    """Give an empty folder under the bench's own."""
    folder = BUILD / "run" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def addresses(count: int, *, net: int = 0) -> list[str]:
    """Give the addresses of `count` nodes, one a host: all of 127.0.0.0/8 is this machine's own on Linux.

    A crawler is polite to a host, so ten councils must be ten hosts. `net` keeps several sets of nodes apart.
    """
    return [f"127.{87 + net}.0.{number}" for number in range(1, count + 1)]


def site_port(hosts: list[str]) -> int:
    """Give the port that the nodes listen on: nearly always the same one, so that pages are made once and kept."""
    for port in range(PORT, PORT + _TRIES):
        with suppress(OSError):
            for host in hosts:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, port))
            return port
    raise OSError(f"no port from {PORT} to {PORT + _TRIES} is free for the made-up nodes")


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def digest(*files: Path) -> str:
    """Tell one content of some files from another."""
    held = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(held).hexdigest()[:12]
