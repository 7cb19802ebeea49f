"""What a request is, and how one is refused that is none: its head, its size and its host, over uvicorn's protocol.

uvicorn bounds no head, takes a request without a host or with two, and passes fields behind a body on as if they stood
before it. Nor does it answer those who came before garbage on the same connection; here each has its answer in turn.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import ClassVar, NamedTuple, NoReturn

import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.always import Always, Field
from api.problems import MEDIA_TYPE

log = structlog.get_logger("folkmoot.heads")
LONGEST = 65_536
"""Bytes that the address and the header fields of a request may have, or what stands between two pieces of its body."""
MOST_FIELDS = 100
"""How many fields there may be, with those behind the body."""


class Refusal(NamedTuple):
    """What is said of what is no request."""

    status: HTTPStatus
    detail: str


_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"The address and header fields have more than {LONGEST} bytes, or are over {MOST_FIELDS}.",
)
_NO_HOST = Refusal(
    HTTPStatus.BAD_REQUEST,
    "The request names no host, or two; HTTP/1.1 wants one Host (RFC 9112, section 3.2).",
)


class _NoRequest(Exception):
    """What has come is no request: the parser stops, and uvicorn asks for the refusal."""


class Heads(HttpToolsProtocol):
    """uvicorn's protocol, which takes a request for one only where its head is whole, bounded and to one host."""

    always: ClassVar[tuple[Field, ...]] = Always(https=False).quick
    """The fields that every answer has."""

    said: int = 0
    fields: int = 0
    """How many bytes and how many fields the request has brought, its body apart."""
    in_head: bool = True
    """Whether what comes belongs to the head of a request."""
    refusal: Refusal | None = None
    """Why the parser was stopped, where that was here and not by itself."""
    to_refuse: Refusal | None = None
    """What will be said when all that came before is answered. Nothing is read until then."""

    def on_message_begin(self) -> None:
        """Count from here on what the head brings."""
        self.said = self.fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self.said += len(url)
        if self.said > LONGEST:
            self._stop(_TOO_LARGE)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field. One behind the body is counted and not passed on: it may name an address, or a token."""
        self.fields += 1
        self.said += len(name) + len(value)
        if self.said > LONGEST or self.fields > MOST_FIELDS:
            self._stop(_TOO_LARGE)
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin with the body. Raises where it is not said whom is asked."""
        hosts = [name for name, _ in self.headers if name == b"host"]
        assert self.parser is not None
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            self._stop(_NO_HOST)
        super().on_headers_complete()
        self.in_head = False  # only now: an address that is none is refused as a head

    def on_message_complete(self) -> None:
        """What comes next is the head of another."""
        self.in_head = True
        super().on_message_complete()

    def _stop(self, refusal: Refusal) -> NoReturn:
        self.refusal = refusal
        raise _NoRequest

    def refuse_too_large(self) -> None:
        """Refuse what is neither head nor body, and as long as no head may be."""
        self._refuse_in_turn(_TOO_LARGE)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or one with too large a head, as a problem, and end the connection."""
        self._refuse_in_turn(self.refusal or Refusal(HTTPStatus.BAD_REQUEST, msg))

    def _refuse_in_turn(self, refusal: Refusal) -> None:
        """Refuse what came last, after the answers to all that came before; nothing more is read."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.in_head and not answering:
            self._refuse(refusal)
        elif self.in_head:
            self._refuse_later(refusal)
        elif self.pipeline:  # the body of one that has not begun
            self.pipeline.popleft()
            self._refuse_later(refusal)
        elif self.cycle.response_started:
            self.transport.close()  # one request gets no two answers
        else:
            self._refuse(refusal)

    def _refuse_later(self, refusal: Refusal) -> None:
        self.to_refuse = refusal
        self.flow.pause_reading()

    def on_response_complete(self) -> None:
        """Go on to the next request, or to the refusal of what came behind the last one."""
        last = not self.pipeline
        super().on_response_complete()
        if last and self.to_refuse and not self.transport.is_closing():
            self._refuse(self.to_refuse)

    def _refuse(self, refusal: Refusal) -> None:
        (status, detail), name = refusal, secrets.token_hex(16)
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
        who = str(self.client and self.client[0])
        log.warning("no request", status=status.value, detail=detail, client=who, request_id=name)
