"""Machines of a proof: network namespaces on one bridge, which are gone when the proof's process is.

Each is held by a sleeping process that dies with its parent; with the last process of a namespace the kernel takes
away its interfaces. Nothing is made in the machine's own namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
NEEDED = ("unshare", "nsenter", "setpriv", "ip")
DYING = ("setpriv", "--pdeathsig", "KILL")


def unavailable() -> str:
    """Say in a sentence why there can be no namespaces here; empty where there can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"network namespaces need {', '.join(missing)} (util-linux and iproute2)"
    if os.geteuid() != 0:
        return "network namespaces are not allowed here: only root may make them"
    try:
        with Network() as network:
            network.machine("10.77.0.2")
    except (subprocess.CalledProcessError, TimeoutError) as error:
        return f"network namespaces are not allowed here: {error}"
    return ""


class Machine:
    """A namespace, held by a process. Commands run in it; they die when the proof does."""

    def __init__(self, stack: ExitStack) -> None:
        self._holder = subprocess.Popen([*DYING, "unshare", "--net", "sleep", "1000"])
        stack.callback(self._holder.wait)
        stack.callback(self._holder.kill)
        ours, deadline = Path("/proc/self/ns/net").readlink(), time.monotonic() + 5
        while Path(f"/proc/{self.pid}/ns/net").readlink() == ours:
            if time.monotonic() > deadline or self._holder.poll() is not None:
                raise TimeoutError("no namespace was made")
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        """The holder's process id."""
        return self._holder.pid

    def inside(self, command: Sequence[str]) -> list[str]:
        """A command line that runs in this namespace."""
        return ["nsenter", "-t", str(self.pid), "-n", *DYING, *command]

    def run(self, *command: str) -> str:
        """Run a command to its end. Raises `CalledProcessError`."""
        return subprocess.run(self.inside(command), check=True, capture_output=True, text=True, cwd=ROOT).stdout

    def start(self, *command: str, env: Mapping[str, str] | None = None, log: Path) -> subprocess.Popen[bytes]:
        """Start a command, whose output goes to a file."""
        with log.open("ab") as out:
            return subprocess.Popen(self.inside(command), stdout=out, stderr=out, cwd=ROOT, env=env)


class Network:
    """A bridge in a namespace of its own (10.77.0.1), and machines on it."""

    HUB = "10.77.0.1"

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        try:
            self.hub = Machine(self._stack)
            for line in (
                "link set lo up",
                "link add bridge type bridge",
                f"addr add {self.HUB}/16 dev bridge",
                "link set bridge up",
            ):
                self.hub.run("ip", *line.split())
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._stack.close()

    def machine(self, address: str) -> Machine:
        """Make a machine with an address on the bridge."""
        made, end = Machine(self._stack), f"port{self._count}"
        self._count += 1
        self.hub.run(*f"ip link add {end} type veth peer name eth0 netns {made.pid}".split())
        self.hub.run(*f"ip link set {end} master bridge up".split())
        for line in ("link set lo up", f"addr add {address}/16 dev eth0", "link set eth0 up"):
            made.run("ip", *line.split())
        return made
