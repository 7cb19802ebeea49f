"""Work in processes of their own: what takes the interpreter for seconds must not keep requests waiting."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_AGAIN, _LOOK = 0.2, 1.0
LONGEST = 6 * 3_600.0
"""Seconds after which a process is given up: it waits for a database that is cut off, or for a disk."""


class Broken(ChildProcessError):
    """A process did not do its work. `pid` is the one it had; the sentence has the end of what it said."""

    def __init__(self, pid: int, sentence: str) -> None:
        super().__init__(sentence)
        self.pid = pid


def started(
    module: str, *, stdin: int, stdout: int | None = None, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """Start `main` of a module of ours in an interpreter of its own, which a key at the terminal does not reach."""
    begin = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from {module} import main; main()"
    return subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        [sys.executable, "-P", "-c", begin], stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    )


def end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody waits for what it does."""

    def look(parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=look, args=(os.getppid(),), name="with-parent", daemon=True).start()


class Apart:
    """The processes that work for this one: they end when `end` says so."""

    def __init__(self) -> None:
        self._working: set[subprocess.Popen[bytes]] = set()

    def run(self, module: str, asked: bytes) -> bytes:
        """Call `main` of a module of ours, which reads what is asked and writes its answer. Raises `Broken`.

        By standard input, for an address may hold a password, and the arguments of a process are seen by all.
        """
        pipe = subprocess.PIPE
        child = started(module, stdin=pipe, stdout=pipe, stderr=pipe)
        self._working.add(child)
        try:
            answer, told = child.communicate(asked, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            raise Broken(child.pid, f"{module} has not ended in {LONGEST / 3_600:g} hours") from None
        finally:
            child.kill()
            self._working.discard(child)
        if child.returncode:
            end = told[-500:].decode("utf-8", "replace").strip()
            raise Broken(child.pid, f"{module} ended with {child.returncode}: {end}")
        return answer

    def end(self) -> None:
        """End what works now."""
        for child in list(self._working):
            child.terminate()


async def unless_stopped(stop: asyncio.Event, work: Callable[[], object], give_up: Callable[[], None]) -> None:
    """Do work in a thread. When `stop` is set meanwhile it is given up, and what it raises then is nobody's concern."""
    working = asyncio.create_task(asyncio.to_thread(work))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    while not working.done():
        give_up()  # again and again: its process may not have been there the first time
        await asyncio.wait({working}, timeout=_AGAIN)
    if stop.is_set():
        await asyncio.gather(working, return_exceptions=True)
    else:
        await working
