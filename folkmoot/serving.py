"""Start a server: an application in one process or in several, the index following the log beside it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from api.app import create_app
from api.counts import SIZE, Counts
from federation import publishers
from federation.database import Database
from federation.memory import SERVED, frugal
from folkmoot import garbage, wiring
from folkmoot.crowds import make_room
from folkmoot.logs import configure
from folkmoot.patience import Patient
from folkmoot.settings import Settings, share_figures
from schema.errors import Misconfigured

if TYPE_CHECKING:
    from ctypes import Array, c_ubyte

FAILED = 3
"""The exit code of a server that could not start, as uvicorn's own."""
HUNG_SECONDS = 30
"""How long one of several processes may be silent before it is ended and started again."""

STOP_SECONDS = 10
"""How long what is under way may go on when a server stops: a little longer than each of its clients may
(`Bounds.stop`), and no longer than what commonly stops servers waits before it kills them."""


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises `Misconfigured` where there is nothing to serve, or no address to serve at."""
    configure(settings)
    base = wiring.database(settings)
    try:
        ready(settings, base)
    finally:
        base.dispose()
    sockets = bound(settings.host, settings.port)
    many = settings.serve_workers > 1
    if not (_processes(settings, sockets) if many else _process(settings, sockets)):
        sys.exit(FAILED)


def _config(settings: Settings, counts: Array[c_ubyte] | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        partial(application, settings, os.getpid(), counts),
        factory=True,
        workers=settings.serve_workers,
        http=Patient,
        ws="none",
        log_config=None,
        server_header=False,
        access_log=False,
        # uvicorn would believe the X-Forwarded-For of whoever connects from this machine; api/limits.py reads it.
        proxy_headers=False,
        timeout_worker_healthcheck=HUNG_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _process(settings: Settings, sockets: list[socket.socket]) -> bool:
    server = uvicorn.Server(_config(settings))
    with suppress(KeyboardInterrupt):  # uvicorn has closed everything, and then says again that it was told to end
        server.run(sockets=sockets)
    return server.started


def _processes(settings: Settings, sockets: list[socket.socket]) -> bool:
    """Let several processes take turns at the sockets; one that dies is started again."""
    with tempfile.TemporaryDirectory(prefix="folkmoot-figures-") as folder:
        share_figures(folder)
        garbage.resume()
        counts = get_context("spawn").RawArray("B", SIZE)  # each process is handed it when it is started
        parent = _Parent(_config(settings, counts), sockets)
        parent.run()
    return all(process.exitcode != FAILED for process in parent.processes)


class _Parent(Multiprocess):
    """Lets go of the port before its processes stop: nobody would answer who connects from then on."""

    def terminate_all(self) -> None:
        """Close the sockets, and tell all to stop."""
        for one in self.sockets:
            one.close()
        super().terminate_all()


def application(settings: Settings, parent: int, counts: Array[c_ubyte] | None = None) -> FastAPI:
    """The application of one process; in a process of its own it ends when its parent is gone.

    `counts` is memory that it shares with others, to count who asks how often.
    """
    frugal(SERVED)
    configure(settings)
    make_room()
    Patient.configure(settings.trusted_proxies, https=settings.public_url.startswith("https://"))
    base = wiring.database(settings)
    services = wiring.services(settings, wiring.reading(settings, base))
    if counts is not None:
        services = replace(services, counts=Counts(memoryview(counts)))
    workers = [*wiring.background(settings, base, services), StopsWithSignal()]
    if services.tenant is not None:
        workers.append(services.tenant)
    if parent != os.getpid():
        workers.append(WithParent(parent))
    made = create_app(services, background=workers)
    garbage.resume()
    return made


class StopsWithSignal:
    """Tells the workers of this process to stop when it is told itself, and not when its last client is gone."""

    async def run(self, stop: asyncio.Event) -> None:
        """Hear the signals before uvicorn, which hears them too."""
        loop = asyncio.get_running_loop()
        heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def hear(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stop.set)
            before = heard[signal.Signals(number)]
            if callable(before):
                before(number, frame)

        for number in heard:
            signal.signal(number, hear)
        try:
            await stop.wait()
        finally:
            for number, before in heard.items():
                signal.signal(number, before)


@dataclass(frozen=True, slots=True)
class WithParent:
    """Ends this process when the one that started it is gone, so that nothing is left at the port."""

    parent: int

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second."""
        while not stop.is_set():
            if os.getppid() != self.parent:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)


def bound(host: str, port: int) -> list[socket.socket]:
    """Sockets at each address of a host, before anything else is started. Raises `Misconfigured` in one sentence."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise Misconfigured(f"FOLKMOOT_HOST is '{host}'; there is no such host or address on this machine.") from error
    made: list[socket.socket] = []
    last: OSError | None = None
    for family, kind, protocol, _name, address in dict.fromkeys(found):
        try:
            made.append(_bind(family, kind, protocol, address))
        except OSError as error:
            last = error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # a name may have an address less here
                break
    else:
        if made:
            return made
    for one in made:
        one.close()
    raise Misconfigured(_refused(host, port, last)) from last


def _bind(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _refused(host: str, port: int, error: OSError | None) -> str:
    code = error.errno if error else None
    if code == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken: end what listens there, or set FOLKMOOT_PORT to another."
    if code == errno.EACCES:
        return f"Port {port} of {host} may not be used by this account: set FOLKMOOT_PORT to one above 1023."
    if code == errno.EADDRNOTAVAIL:
        return f"FOLKMOOT_HOST is '{host}', which is no address of this machine."
    return f"Port {port} of {host} cannot be used: {error.strerror if error else 'it has no address'}."


def ready(settings: Settings, base: Database) -> None:
    """Raise unless there is a publisher, and the public URL is the one that was published under."""
    with base.read() as session:
        publishers.own_url(session, settings.public_url)
        if not publishers.every(session):
            raise Misconfigured(
                "There is no publisher yet, and a feed is never empty. Add one first: "
                'folkmoot publisher add GB-LAE-EXA --name "Exampleshire County Council"'
            )
