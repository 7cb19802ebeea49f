"""Processes that read a file which somebody else made: limited in memory, time and output, so that they die alone."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

UNREADABLE, TOO_LARGE, NO_ROOM = 3, 4, 5
"""How a child ends that has not read the file: the file is at fault, it wants too much, or the disk is full."""
_ROOT = Path(__file__).resolve().parent.parent
_LOOK, _SOON = 0.05, 0.001
_GRACE = 5  # seconds of processor time between the signal that says why and the one that says nothing
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PDEATHSIG = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_STOPS = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


class Stopped(Exception):
    """A file was not read to its end, since this server is being stopped, or its child was told to end."""


def end_with_parent() -> None:
    """Have this process killed when the one that started it is gone, whose number is its argument: nobody waits for it.

    By the system, where it can (Linux): a library that holds the interpreter for long would keep a look of our own
    waiting. Elsewhere the limits end it. The system means the thread that started it; that one waits in `run`.
    """
    import ctypes  # noqa: PLC0415 - the server itself needs none of it

    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != int(sys.argv[1]):  # it was gone before the system was told
        os._exit(-_STOPS[0])


def confine(*, memory: int, seconds: int, output: int) -> None:
    """Limit this process, in bytes and in seconds of the processor. Where the system allows less, that stays."""
    wanted = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (seconds, seconds + _GRACE),
        resource.RLIMIT_FSIZE: (output, output),
        resource.RLIMIT_CORE: (0, 0),
    }
    for what, (soft, hard) in wanted.items():
        allowed = resource.getrlimit(what)[1]
        most = hard if allowed == resource.RLIM_INFINITY else min(hard, allowed)
        resource.setrlimit(what, (min(soft, most), most))


def ending(error: BaseException) -> int:
    """How a child ends by what it could not help; 0 where that is none of these."""
    number = error.errno if isinstance(error, OSError) else None
    # A library that has no memory left may say so in its own words, with the reason behind them.
    if isinstance(error.__cause__ or error, MemoryError) or number in (errno.EFBIG, errno.ENOMEM):
        return TOO_LARGE
    return NO_ROOM if number in _FULL else 0


def leave(code: int) -> NoReturn:
    """End this process at once: what could not be written is not tried again, and no memory is given back by halves."""
    sys.stderr.flush()
    os._exit(code)


def no_room() -> OSError:
    """What a child met that ended with `NO_ROOM`."""
    return OSError(errno.ENOSPC, "A file could not be read, since the disk for temporary files is full")


def run(
    module: str,
    given: IO[bytes],
    out: IO[bytes],
    told: IO[bytes],
    *,
    seconds: float,
    group: bool = False,
    stopping: Callable[[], bool] | None = None,
) -> int:
    """Let a module of ours read `given` and write `out`, and `told` where it cannot. Gives its exit code.

    That is minus the signal that ended it: SIGXCPU where it took too long, by the processor or by the clock. It ends
    with all that it has started itself where it leads a `group`, and with this process (`end_with_parent`).

    Where there is `stopping`, raises `Stopped` once it says so, and where the child alone was told to end: who stops a
    service sends that to all its processes, and the server learns of it only when its last answer is out; who wants
    memory back sends it to the largest.
    """
    environment = {
        "PYTHONPATH": str(_ROOT), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": tempfile.gettempdir(),
    }  # fmt: skip
    command = [sys.executable, "-P", "-m", module, str(os.getpid())]
    # Our own module under our own interpreter; the foreign bytes go in by standard input only.
    child = subprocess.Popen(  # noqa: S603
        command, stdin=given, stdout=out, stderr=told, env=environment, start_new_session=group
    )
    try:
        in_time = _wait(child.pid, time.monotonic() + seconds, stopping)
    finally:
        _end(child, group=group)
    if stopping is not None and child.returncode in _STOPS:
        raise Stopped
    return child.returncode if in_time else -signal.SIGXCPU


def _wait(pid: int, until: float, stopping: Callable[[], bool] | None) -> bool:
    """Whether a child ends in time. It is not reaped, so that nothing else has its number, nor that of its group."""
    pause = _SOON
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if stopping is not None and stopping():
            raise Stopped
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, pause))
        pause = min(pause * 2, _LOOK)
    return True


def _end(child: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a child, and with a group all that it has started, which may have outlived it."""
    if group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()
