"""How soon the application and the command line are there, against the least that Python and FastAPI need."""

from __future__ import annotations

import socket
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import taking_turns
from benchmarks.figures import Measured
from benchmarks.ours import Moot
from benchmarks.places import HERE, free_port, fresh
from benchmarks.processes import Child, Failed, python, resident_mb, run
from benchmarks.scene import Scene

WITHIN = 60.0
ROUNDS = 3
"""How many times as often as the other parts this one measures: a start is short, and its time scatters."""
_ASK = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def measure(scene: Scene) -> list[Measured]:
    """Give the figures of starting."""
    moot = scene.held(scene.compared)
    folder = fresh("starting")
    print("Starting", flush=True)
    memory: dict[str, list[float]] = {"ours": [], "one route": []}

    def ours(_number: int) -> float:
        return _ready(moot.child("aggregator", "serve", serves=True), moot.port, memory["ours"])

    def one_route(_number: int) -> float:
        port = free_port()
        command = python(HERE / "peers" / "framework.py", str(port))
        return _ready(Child(command, log=folder / "log", serves=True), port, memory["one route"])

    for start in (ours, one_route):
        start(0)  # what is read from the disk once is not what is measured
    for seen in memory.values():
        seen.clear()
    found = taking_turns.turns({"ours": ours, "one route": one_route}, ROUNDS * scene.rounds)
    return [*_told(scene, found, memory), _version(scene, moot, folder)]


def _told(scene: Scene, found: dict[str, list[float]], memory: dict[str, list[float]]) -> Sequence[Measured]:
    mine, theirs = found["ours"], found["one route"]
    note = f"{statistics.median(mine) * 1_000:,.0f} ms against {statistics.median(theirs) * 1_000:,.0f} ms"
    held = f"{statistics.median(memory['ours']):.0f} MB against {statistics.median(memory['one route']):.0f} MB"
    print(f"  ready {note}; {held}", flush=True)
    return [
        Measured("startup.ready", {"x": taking_turns.ratio(mine, theirs)}, scene.size, note, found),
        Measured("startup.memory", {"x": taking_turns.ratio(*memory.values())}, scene.size, held, memory),
    ]


def _ready(child: Child, port: int, memory: list[float]) -> float:
    """Give seconds from the process's start until it answers 200, and note its memory then."""
    with child:
        while time.monotonic() - child.began < WITHIN and child.process.poll() is None:
            if _answers(port):
                seconds = time.monotonic() - child.began
                memory.append(resident_mb(child.process.pid))
                return seconds
            time.sleep(0.002)
    raise Failed(f"{child.command} never answered")


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(_ASK)
        return line.recv(64).startswith(b"HTTP/1.1 200")
    return False


def _version(scene: Scene, moot: Moot, folder: Path) -> Measured:
    command = Path(sys.executable).with_name("folkmoot")
    log = folder / "log"

    def ours(_number: int) -> float:
        return run(command, "--version", environment=moot.environment, log=log).seconds

    def least(_number: int) -> float:
        return run(sys.executable, "-c", "pass", log=log).seconds

    found = taking_turns.turns({"ours": ours, "pass": least}, 4 * scene.rounds)
    note = (
        f"{statistics.median(found['ours']) * 1_000:.0f} ms against {statistics.median(found['pass']) * 1_000:.0f} ms"
    )
    print(f"  --version {note}", flush=True)
    ratio = taking_turns.ratio(found["ours"], found["pass"])
    return Measured("startup.version", {"x": ratio}, scene.size, note, found)
