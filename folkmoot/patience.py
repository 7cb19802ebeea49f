"""How long a client may take: for the head of a request, a body, the reading of an answer.

uvicorn waits for ever for a header, a body or a reader. The protocol here notes when each began, looks once a second,
and cuts off a client that is slower than anybody's network. So who reads or writes slowly holds a connection for a
bounded time, and never a thread: bodies are read before a thread is taken, and a file in blocks. Nor does uvicorn
bound the number of connections; here it is. Where connections leave no room, the address that has the most of them
gives way first; a proxy that the operator names is no such address.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import structlog

from api.always import Always
from folkmoot.crowds import Crowds, Networks, networks, room, whose
from folkmoot.heads import LONGEST, Heads, Refusal
from folkmoot.reading import Counting, Reader

log = structlog.get_logger("folkmoot.patience")
_RESET = struct.pack("ii", 1, 0)
_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds to wait in any case, and bytes a second that earn more: for a header, a body, the reading of an answer.

    No body lasts `longest`, whatever it brings: one that is sent on after its answer has no other end. When the server
    stops, who is being answered has `stop` seconds. `look` is the time between two looks.
    """

    header: float = 10.0
    body: float = 20.0
    body_rate: float = 2_000.0
    longest: float = 3_600.0
    answer: float = 30.0
    answer_rate: float = 4_000.0
    stop: float = 8.0
    look: float = 1.0


class Patient(Heads):
    """uvicorn's protocol, with an end to its patience."""

    bounds: ClassVar[Bounds] = Bounds()
    proxies: ClassVar[Networks] = ()
    crowds: ClassVar[Crowds[Patient]] = Crowds()
    """Of the process, as the room is."""

    @classmethod
    def configure(cls, proxies: str, *, https: bool) -> None:
        """What all connections know of the server: which proxies are no crowd, and what every answer says."""
        cls.proxies = networks(proxies)
        cls.always = Always(https=https).quick

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header; where there is no room, somebody goes who has been waited for longer."""
        counting: Any = Counting(transport)
        super().connection_made(counting)
        self.whose = whose(self.client[0], self.proxies) if self.client else None
        if self.whose is not None:
            self.crowds.join(self.whose, self)
        self.reader = Reader(counting)
        self.since: float | None = time.monotonic()
        self.taken = self.brought = 0
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
        beyond = self.since is not None and self.taken > LONGEST
        if beyond and not self.transport.is_closing():
            self.refuse_too_large()

    def _keep_a_while(self) -> None:
        """Wait for the next request. uvicorn did so since the answer, until more came of the request itself."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _refuse_later(self, refusal: Refusal) -> None:
        self.since = None
        super()._refuse_later(refusal)

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
        reading = [one for one in others if one.reader.since is not None and one.reader.waiting()]
        return min(late or reading or asked, key=lambda one: one.since or one.reader.since or now, default=None)

    @staticmethod
    def room() -> int:
        """How many connections there may be at a time."""
        return room()

    def on_headers_complete(self) -> None:
        """Count from here on what the body brings."""
        super().on_headers_complete()
        self.since, self.taken, self.brought = time.monotonic(), 0, 0

    def on_chunk_header(self) -> None:
        """Count anew what is neither head nor body: what a chunk says of itself, and the fields behind the last one."""
        self.taken = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; nothing else counts as one."""
        self.taken, self.brought = 0, self.brought + len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing any more: the request is whole."""
        self.since = None
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
        late = self.reader.is_late(now, self.bounds.answer, self.bounds.answer_rate)
        return "answer" if late else ""
