"""How long a client may take, and how much it may say before it is heard: the head of a request, a body, an answer.

uvicorn waits for ever for a header, a body or a reader. The protocol here notes when each began, looks once a second,
and cuts off a client that is slower than anybody's network. So who reads or writes slowly holds a connection for a
bounded time, and never a thread: bodies are read before a thread is taken, and a file in blocks. Nor does uvicorn
bound the head of a request or the number of connections; here both are. Where connections leave no room, the address
that has the most of them gives way first; a proxy that the operator names is no such address.
"""

from __future__ import annotations

import asyncio
import fcntl
import resource
import secrets
import socket
import struct
import sys
import termios
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from itertools import islice
from typing import Any, ClassVar

import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.always import Always, Field
from api.problems import MEDIA_TYPE
from folkmoot.crowds import Crowds, Networks, networks, whose

log = structlog.get_logger("folkmoot.patience")
_RESET = struct.pack("ii", 1, 0)
_OTHER_FILES = 300
"""Open files that are left for all else: the database, the index, downloads."""
_MOST_FILES = 65_536
_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds to wait in any case, and bytes a second that earn more: for a header, a body, the reading of an answer.

    No body lasts `longest`, whatever it brings: one that is sent on after its answer has no other end. When the server
    stops, who is being answered has `stop` seconds. `look` is the time between two looks. `head` is how many bytes the
    address and the header fields of a request may have, and what stands between two pieces of its body; `fields` how
    many fields there may be, with those behind its body.
    """

    header: float = 10.0
    body: float = 20.0
    body_rate: float = 2_000.0
    longest: float = 3_600.0
    answer: float = 30.0
    answer_rate: float = 4_000.0
    stop: float = 8.0
    look: float = 1.0
    head: int = 65_536
    fields: int = 100


class _TooLarge(Exception):
    """The head of a request is larger than its bounds."""


class _NoHost(Exception):
    """A request names no host, or two (RFC 9112, section 3.2)."""


def make_room() -> None:
    """Let this process have as many files open as the system lets it: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@cache
def room() -> int:
    """How many connections there may be at a time."""
    return max(100, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES)


def introduce(proxies: str, *, https: bool) -> None:
    """What all connections know of the server: which proxies are no crowd, and what every answer says."""
    Patient.proxies = networks(proxies)
    Patient.always = Always(https=https).quick


def unsent(number: int) -> int:
    """Bytes that the kernel holds of a connection, until the other side has them; 0 where the system does not tell.

    It takes up to some megabytes, and gives room in jumps of a third: who reads is long not seen to by what it takes.
    """
    if sys.platform != "linux" or number < 0:
        return 0
    held = fcntl.ioctl(number, termios.TIOCOUTQ, b"\0\0\0\0")  # for a socket: SIOCOUTQ, by another name
    return int.from_bytes(held, sys.byteorder)


class Counting:
    """A transport that knows how much it was given to send."""

    __slots__ = ("_transport", "given", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.given = 0
        self.is_closing = transport.is_closing
        send = transport.write

        def write(data: bytes) -> None:
            self.given += len(data)
            send(data)

        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience."""

    bounds: ClassVar[Bounds] = Bounds()
    proxies: ClassVar[Networks] = ()
    always: ClassVar[tuple[Field, ...]] = Always(https=False).quick
    crowds: ClassVar[Crowds[Patient]] = Crowds()
    """Of the process, as the room is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header; where there is no room, somebody goes who has been waited for longer."""
        counting: Any = Counting(transport)
        super().connection_made(counting)
        self.whose = whose(self.client[0], self.proxies) if self.client else None
        if self.whose is not None:
            self.crowds.join(self.whose, self)
        self.said = self.fields = 0
        self.in_head = True
        self.too_large = False
        self.to_refuse: tuple[HTTPStatus, str] | None = None
        self.since: float | None = time.monotonic()
        self.taken = self.brought = 0
        self.unread_since: float | None = None
        self.read_before = 0
        self.ends: float | None = None
        self.looking = self.loop.call_later(self.bounds.look, self._look)
        if len(self.connections) > self.room():
            self._giving_way().cut_off("crowd")

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self.looking.cancel()
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self.connections.discard(self)
        if self.whose is not None:
            self.crowds.leave(self.whose, self)

    def data_received(self, data: bytes) -> None:
        """Note when a request began. What comes behind one that will be refused is not looked at."""
        if self.to_refuse:
            return
        self.taken += len(data)
        if self.since is None:
            self.since, self.taken = time.monotonic(), len(data)
        super().data_received(data)
        if self.since is None and self.cycle is not None and self.cycle.response_complete:
            self._keep_a_while()
        beyond = self.since is not None and self.taken > self.bounds.head
        if beyond and not self.transport.is_closing():
            self.too_large = True
            self.send_400_response("")

    def _keep_a_while(self) -> None:
        """Wait for the next request. uvicorn did so since the answer, until more came of the request itself."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """Count from here on what the head brings."""
        self.said = self.fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._hear(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field. One behind the body is counted and not passed on: it may name an address, or a token."""
        self.fields += 1
        self._hear(len(name) + len(value))
        if self.in_head:
            super().on_header(name, value)

    def _hear(self, more: int) -> None:
        self.said += more
        if self.said > self.bounds.head or self.fields > self.bounds.fields:
            self.too_large = True
            raise _TooLarge

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or one with too large a head, as a problem, and end the connection."""
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self.too_large else HTTPStatus.BAD_REQUEST
        most = (
            f"The address and header fields have more than {self.bounds.head} bytes, or are over {self.bounds.fields}."
        )
        self._refuse_in_turn(status, most if self.too_large else msg)

    def _refuse_in_turn(self, status: HTTPStatus, detail: str) -> None:
        """Refuse what came last, after the answers to all that came before; nothing more is read."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.in_head and not answering:
            self._refuse(status, detail)
        elif self.in_head:
            self._refuse_later(status, detail)
        elif self.pipeline:  # the body of one that has not begun
            self.pipeline.popleft()
            self._refuse_later(status, detail)
        elif self.cycle.response_started:
            self.transport.close()  # one request gets no two answers
        else:
            self._refuse(status, detail)

    def _refuse_later(self, status: HTTPStatus, detail: str) -> None:
        self.to_refuse, self.since = (status, detail), None
        self.flow.pause_reading()

    def on_response_complete(self) -> None:
        """Go on to the next request, or to the refusal of what came behind the last one."""
        last = not self.pipeline
        super().on_response_complete()
        if last and self.to_refuse and not self.transport.is_closing():
            self._refuse(*self.to_refuse)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        name = secrets.token_hex(16)
        told = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail, "requestId": name}
        body = orjson.dumps(told)
        fields = [
            *((b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())),
            *((b"cache-control", b"no-store"), (b"connection", b"close"), (b"x-request-id", name.encode())),
            *self.always,
        ]
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        self.transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() + head + b"\r\n" + body)
        self.transport.close()
        log.warning("no request", status=status.value, detail=detail, request_id=name)

    def _giving_way(self) -> Patient:
        """Who goes: one of the address that has the most connections, else one of all; the newcomer where none is slow.

        An address with the most gives its oldest before a newcomer of somebody else.
        """
        crowd = self.crowds.largest(_LOOKED_AT)
        if crowd:
            return self._slowest(crowd) or (self if self.whose == crowd[0].whose else crowd[0])
        return self._slowest(islice(self.connections, _LOOKED_AT)) or self

    def _slowest(self, some: Iterable[object]) -> Patient | None:
        """Of others, the one that has been waited for longest: for its request, or for its reading of an answer."""
        others = [one for one in some if isinstance(one, Patient) and one is not self]
        asked = [one for one in others if one.since is not None]
        now = time.monotonic()
        late = [one for one in asked if now - (one.since or now) > one.bounds.look]  # who has just come is not slow yet
        reading = [one for one in others if one.unread_since is not None and one.waiting()]
        return min(late or reading or asked, key=lambda one: one.since or one.unread_since or now, default=None)

    @staticmethod
    def room() -> int:
        """How many connections there may be at a time."""
        return room()

    def on_headers_complete(self) -> None:
        """Count from here on what the body brings. Raises where it is not said whom is asked."""
        hosts = [name for name, _ in self.headers if name == b"host"]
        assert self.parser is not None
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise _NoHost
        self.since, self.taken, self.brought = time.monotonic(), 0, 0
        super().on_headers_complete()
        self.in_head = False  # only now: an address that is none is refused as a head

    def on_chunk_header(self) -> None:
        """Count anew what is neither head nor body: what a chunk says of itself, and the fields behind the last one."""
        self.taken = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; nothing else counts as one."""
        self.taken, self.brought = 0, self.brought + len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing any more: the request is whole."""
        self.since, self.in_head = None, True
        super().on_message_complete()

    def shutdown(self) -> None:
        """Let what is under way end, for a while: a server that stops waits for nobody's pace."""
        super().shutdown()
        self.ends = time.monotonic() + self.bounds.stop

    def _look(self) -> None:
        why = self._overdue(time.monotonic())
        if why:
            self.cut_off(why)
        else:
            self.looking = self.loop.call_later(self.bounds.look, self._look)

    def cut_off(self, why: str) -> None:
        """End the connection. Reset and not closed: the kernel would go on holding what is not read, for minutes."""
        log.warning("client cut off", at=why, client=str(self.client and self.client[0]))
        self._leave()  # now, for the next newcomer to find somebody else, though the loop tells of it later
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _overdue(self, now: float) -> str:
        """What this client is too slow at; "" where it is not."""
        if self.ends is not None and now > self.ends:
            return "stop"
        if self.since is not None and not self.flow.read_paused:
            waited = now - self.since
            if not self.in_head:  # nor is what is sent on after an early answer: its sender reads that at the end
                if waited > min(self.bounds.body + self.brought / self.bounds.body_rate, self.bounds.longest):
                    return "body"
            elif waited > self.bounds.header:
                return "header"
        return "answer" if self._unread(now) else ""

    def waiting(self) -> int:
        """Bytes that were sent and not yet read; a look may be a second old, and know of some that were read since."""
        transport: Any = self.transport
        return int(transport.get_write_buffer_size())

    def _unread(self, now: float) -> bool:
        """Whether what was sent has waited too long for its reader, for how much of it was read meanwhile."""
        transport: Any = self.transport
        waiting = self.waiting()
        if not waiting:
            self.unread_since = None
            return False
        read = transport.given - waiting - unsent(transport.get_extra_info("socket").fileno())
        if self.unread_since is None:
            self.unread_since, self.read_before = now, read
        else:
            earned = (read - self.read_before) / self.bounds.answer_rate
            return bool(now - self.unread_since > self.bounds.answer + earned)
        return False
