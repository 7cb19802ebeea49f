"""A real OpenSearch cluster on loopback: each node a Java process of its own, so that one can be killed.

Java 17 and Maven are needed; where they are absent `missing` says so in a sentence. Maven fetches OpenSearch the first
time (about 100 MB) and keeps it in its own folder.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
_CLASSPATH = HERE / "target" / "classpath"
_HEAP = 512
_QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LASTING = ("-XX:+UseG1GC", "-XX:G1ReservePercent=25", "-XX:InitiatingHeapOccupancyPercent=30")
"""As OpenSearch is delivered: a collector that waits until the heap is full has requests refused first."""
_PATIENCE = 180.0


def missing() -> str:
    """Why no cluster can be started here; empty where it can."""
    wanted = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return (
        f"OpenSearch is not tested: {' and '.join(wanted)} not found (Java 17 and Maven are needed)" if wanted else ""
    )


def build() -> None:
    """Compile the starter and resolve OpenSearch, once: without the network where Maven holds all of it."""
    sources = [HERE / "pom.xml", *(HERE / "src").rglob("*.java")]
    if _CLASSPATH.exists() and _CLASSPATH.stat().st_mtime > max(path.stat().st_mtime for path in sources):
        return
    for offline in (["--offline"], []):
        done = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", *offline, "compile"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
    raise RuntimeError(f"Maven could not build the cluster's starter:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


class Cluster:
    """Some nodes, named node1, node2, ... Use it as a context; at its end every process is gone."""

    def __init__(self, folder: Path, count: int = 3, *, heap: int = _HEAP, quick: bool = True) -> None:
        """`heap` is in megabytes a node. `quick` starts sooner and never compiles to the full: not for measuring."""
        self.folder = folder
        self.options = [f"-Xms{heap}m", f"-Xmx{heap}m", *(_QUICK if quick else _LASTING)]
        ports = _free_ports(2 * count)
        self.names = [f"node{number}" for number in range(1, count + 1)]
        self.ports = dict(zip(self.names, ports[:count], strict=True))
        self._transports = dict(zip(self.names, ports[count:], strict=True))
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        build()
        with ExitStack() as undo:
            undo.callback(self.close)
            for name in self.names:
                self.start(name)
            self.wait(len(self.names))
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def servers(self) -> str:
        """HOST:PORT of each node, joined by commas, those that were killed included."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def start(self, name: str) -> None:
        """Start a node; it joins the others in its own time."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        members = [f"{one}:{self.ports[one]}:{self._transports[one]}" for one in self.names]
        with (folder / "out").open("a") as out:
            self._running[name] = subprocess.Popen(
                ["java", *self.options, "-cp", _classpath(), "folkmoot.Cluster", str(self.folder), name, *members],
                stdin=subprocess.PIPE, stdout=out, stderr=out, text=True, cwd=folder,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """End a node as a power cut does."""
        child = self._running.pop(name)
        child.kill()
        child.wait()
        if child.stdin is not None:
            child.stdin.close()

    def wait(self, count: int, status: str = "green") -> None:
        """Wait until so many nodes are one cluster and its health is at least this."""
        until = time.monotonic() + _PATIENCE
        while (found := self._health(count, status)) is None:
            for name, child in self._running.items():
                if child.poll() is not None:
                    raise RuntimeError(f"{name} ended: {(self.folder / name / 'out').read_text()[-2000:]}")
            if time.monotonic() > until:
                raise RuntimeError(f"no cluster of {count} nodes after {_PATIENCE} s: {found}")
            time.sleep(0.3)

    def _health(self, count: int, status: str) -> Any:
        """What a node that runs says of the cluster; None while it is not yet as wanted."""
        port = self.ports[next(iter(self._running))]
        query = f"wait_for_nodes={count}&wait_for_status={status}&timeout=5s"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_cluster/health?{query}", timeout=10) as answer:
                return json.load(answer)
        except (OSError, urllib.error.HTTPError):
            return None

    def close(self) -> None:
        """End every process."""
        for name in list(self._running):
            self.kill(name)


def _classpath() -> str:
    return f"{HERE / 'target' / 'classes'}:{_CLASSPATH.read_text().strip()}"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
