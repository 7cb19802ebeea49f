"""Processes that are measured: started, watched and ended, each with its time, its processor time and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from benchmarks.places import ROOT

READY_WITHIN = 120.0
_WATCH = 0.1
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


class Failed(Exception):
    """A process that was to be measured did not do its work; the sentence has the end of what it said."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process took: seconds by the clock and of the processor, its most anonymous memory in MB, its output."""

    seconds: float
    cpu: float
    peak_mb: float
    output: str = ""


@dataclass
class Child:
    """A process of its own. `peak_mb` is the most anonymous memory it was seen with, looked at ten times a second.

    What `serves` writes all it says to its log, and its memory is not looked at; the others are listened to.
    """

    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    serves: bool = False
    peak_mb: float = 0.0

    def start(self) -> Self:
        """Start it now. Its output is kept, its errors go to the log."""
        errors: IO[bytes] | int = self.log.open("ab") if self.log else subprocess.DEVNULL
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(part) for part in self.command],
            env=inherited() | dict(self.environment),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=errors if self.serves else subprocess.PIPE,
            stderr=errors,
        )
        if not isinstance(errors, int):
            errors.close()
        self._watched = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if not self.serves:  # to look takes the machine's time, and nobody asks for the memory of those
            self._watcher.start()
        return self

    def ask(self, line: str) -> str:
        """Say a line to it and hear one back. Raises `Failed` where it has ended."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        return self.hear()

    def hear(self) -> str:
        """Wait for its next line. Raises `Failed` where it ended instead."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if not said:
            raise Failed(f"{self.command[:4]} ended instead of answering: {self._tail()}")
        return said.decode().rstrip("\n")

    def wait(self) -> Spent:
        """Wait for its end. Raises `Failed` where it did not end well."""
        assert self.process.stdout is not None
        output = self.process.stdout.read().decode()
        _pid, status, used = os.wait4(self.process.pid, 0)
        seconds = time.monotonic() - self.began
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self._end()
        if self.process.returncode:
            raise Failed(f"{self.command[:6]} ended with {self.process.returncode}: {output[-500:]}{self._tail()}")
        return Spent(seconds, used.ru_utime + used.ru_stime, self.peak_mb, output)

    @property
    def ended(self) -> bool:
        """Whether it has ended; what it spent can still be asked for."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def stop(self) -> None:
        """End it, politely at first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._end()

    def _end(self) -> None:
        self._watched.set()
        if self._watcher.ident is not None:
            self._watcher.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _watch(self) -> None:
        while not self._watched.is_set():
            self.peak_mb = max(self.peak_mb, anonymous_mb(self.process.pid))
            self._watched.wait(_WATCH)

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-1_500:] if self.log and self.log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def inherited() -> dict[str, str]:
    """Give the environment less the settings of Folkmoot, and with this checkout to import from.

    Where Python may write no bytecode, a checkout is compiled anew at each start: an installed server never is.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOLKMOOT_", _NO_BYTECODE))}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(*command: str | Path, environment: Mapping[str, str] | None = None, log: Path | None = None) -> Spent:
    """Run a command to its end."""
    return Child(command, environment or {}, log).start().wait()


def python(*arguments: str | Path) -> list[str | Path]:
    """Give the command of a module or script in our own environment."""
    return [sys.executable, *arguments]


def anonymous_mb(pid: int) -> float:
    """Give the anonymous memory of a process: not what it maps of files, which the machine may take back."""
    return _told_mb(pid, "smaps_rollup", "Anonymous:")


def resident_mb(pid: int) -> float:
    """Give all memory of a process, files that it maps and libraries that it shares included."""
    return _told_mb(pid, "status", "VmRSS:")


def _told_mb(pid: int, file: str, name: str) -> float:
    try:
        told = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0.0
    line = next((line for line in told.splitlines() if line.startswith(name)), "")
    return int(line.split()[1]) / 1_000 if line else 0.0


def fetch(url: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Get a page from a server of ours."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        body: bytes = answer.read()
        return body


def ready(url: str, child: Child, *, within: float = READY_WITHIN) -> None:
    """Wait until a server answers 200. Raises `Failed` with the end of its log."""
    until = time.monotonic() + within
    while time.monotonic() < until and child.process.poll() is None:
        try:
            fetch(url)
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
        else:
            return
    raise Failed(f"{url} never answered: {child._tail()}")  # noqa: SLF001
