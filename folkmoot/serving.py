"""Start a server: one application, one process, the index following the log beside it."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import suppress

import uvicorn

from api.app import create_app
from federation import publishers
from federation.database import Database
from folkmoot import wiring
from folkmoot.logs import configure
from folkmoot.settings import Settings
from schema.errors import Misconfigured

FAILED = 3
"""The exit code of a server that could not start, as uvicorn's own."""


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises `Misconfigured` where there is nothing to serve, or no address to serve at."""
    configure(settings)
    base = wiring.database(settings)
    ready(settings, base)
    sockets = bound(settings.host, settings.port)
    app = create_app(wiring.services(settings, base), background=wiring.background(settings, base))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, server_header=False, access_log=False))
    try:
        with suppress(KeyboardInterrupt):  # uvicorn has closed everything, and then says again that it was told to end
            server.run(sockets=sockets)
    finally:
        base.dispose()
    if not server.started:
        sys.exit(FAILED)


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
    url = publishers.check_public_url(settings.public_url)
    with base.read() as session:
        if not publishers.every(session):
            raise Misconfigured(
                "There is no publisher yet, and a feed is never empty. Add one first: "
                'folkmoot publisher add GB-LAE-EXA --name "Exampleshire County Council"'
            )
        known = publishers.recall(session, "publicUrl")
        if known != url:
            raise publishers.moved(str(known), url)
