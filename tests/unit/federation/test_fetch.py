"""The door against a server on loopback that misbehaves in one way at a time."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import struct
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Self

import httpcore2
import httpx2
import pytest

from federation import answers
from federation.fetch import Door, Limits
from federation.parcels import Parcel
from federation.robots import Obeying
from federation.seam import Answer
from folkmoot.ajar import Ajar
from schema.errors import FolkmootError, Later, Refused, Vanished
from tests.hostile.tls import serving, trusted

OK = b'{"ok": true}'
JSON = "application/json"
Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def reply(body: bytes = OK, status: str = "200 OK", kind: str | None = JSON, **headers: str) -> bytes:
    """Write an answer out."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Server:
    """What a test talks to: `raw` answers every request with these bytes, or `handler` does what it likes."""

    def __init__(self, raw: bytes = b"", handler: Handler | None = None) -> None:
        self.raw, self.handler = raw, handler
        self.heads: list[str] = []
        self.times: list[float] = []
        self.open = self.most = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heads.append(head)
                self.times.append(time.monotonic())
                if self.handler is not None:
                    await self.handler(head, writer)
                else:
                    writer.write(self.raw)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.open -= 1
        finally:
            writer.close()


QUICK, PATIENT = Limits(connect=1.0, read=0.3, page=0.6), Limits()
"""Where time is what is tried, and everywhere else: a machine may pause for half a second."""


def fetched(
    server: Server, path: str = "/", *, headers: dict[str, str] | None = None, limits: Limits = PATIENT
) -> Answer:
    """Fetch one page from a server that is started for it."""

    async def go() -> Answer:
        async with server, Door(user_agent="test", allow_private=True, gap=0, limits=limits) as door:
            return await door.get(server.url(path), headers)

    return asyncio.run(go())


def raised(server: Server, path: str = "/", *, limits: Limits = PATIENT) -> FolkmootError:
    """Fetch what cannot be had, and give why."""
    with pytest.raises(FolkmootError) as error:
        fetched(server, path, limits=limits)
    return error.value


def rule(server: Server, path: str = "/") -> str:
    """The rule that a refusal names."""
    error = raised(server, path)
    assert isinstance(error, Refused), error
    return error.rule


def test_page_is_fetched() -> None:
    """A JSON answer comes with status, body, headers in lower case and how long it took."""
    server = Server(reply(b"[1]", kind="application/json; charset=utf-8", ETag='"x"'))
    answer = fetched(server, headers={"If-None-Match": '"x"'})
    assert (answer.status, answer.body, answer.headers["etag"], answer.ms >= 0) == (200, b"[1]", '"x"', True)
    head = server.heads[0].lower()
    assert "if-none-match" in head
    assert "accept-encoding: gzip\r\n" in head
    assert "user-agent: test" in head


def test_not_modified_has_no_body() -> None:
    """304 is an answer where it was asked what had changed; else it says nothing, and is refused."""
    unchanged = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert fetched(Server(unchanged), headers={"If-None-Match": '"x"'}).status == 304
    assert rule(Server(unchanged)) == "status"


def test_gzip_is_unpacked() -> None:
    """One gzip is taken, small or large."""
    for body in (OK, b'{"a": "' + bytes(range(97, 123)) * 40_000 + b'"}'):
        raw = gzip.compress(body, compresslevel=0)
        assert fetched(Server(reply(raw, Content_Encoding="gzip"))).body == body


BOMB = gzip.compress(random.Random(1).randbytes(900_000) + b" " * 34_000_000)
BROKEN: dict[str, tuple[bytes, str]] = {
    "html": (reply(b"<html>", kind="text/html"), "content-type"),
    "no type": (reply(kind=None), "content-type"),
    "json-like": (reply(kind="application/json+x"), "content-type"),
    "brotli": (reply(Content_Encoding="br"), "encoding"),
    "twice": (reply(gzip.compress(gzip.compress(OK)), Content_Encoding="gzip, gzip"), "encoding"),
    "no gzip": (reply(OK, Content_Encoding="gzip"), "encoding"),
    "more behind": (reply(gzip.compress(OK) + b"more", Content_Encoding="gzip"), "encoding"),
    "bomb": (reply(BOMB, Content_Encoding="gzip"), "page-bytes"),
    "ratio": (reply(gzip.compress(b" " * 20_000_000), Content_Encoding="gzip"), "page-ratio"),
    "declared too long": (reply().replace(b"Length: 12", b"Length: 9999999"), "page-bytes"),
    "another charset": (reply(kind='application/json; charset="ISO-8859-1"'), "content-type"),
    "framed twice": (reply(b"c\r\n" + OK + b"\r\n0\r\n\r\n", Transfer_Encoding="chunked"), "framing"),
    "forbidden": (reply(status="403 Forbidden"), "status"),
    "created": (reply(status="201 Created"), "status"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "broken"), BROKEN.values(), ids=BROKEN.keys())
def test_answers_that_break_a_rule_are_refused(raw: bytes, broken: str) -> None:
    """Type, encoding, size and status are judged, each refusal named by its rule."""
    assert rule(Server(raw)) == broken


def test_endless_body_is_cut() -> None:
    """A body without length is read up to the cap and no further."""

    async def pour(_head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    error = raised(Server(handler=pour), limits=replace(QUICK, read=5, page=10))
    assert isinstance(error, Refused)
    assert error.rule == "page-bytes"


def test_a_body_in_crumbs_is_refused() -> None:
    """Thousands of pieces of a byte each are not read to the end: they are sent for what each costs."""

    async def crumble(_head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"1\r\n1\r\n" * (answers.MANY_PIECES + 1) + b"0\r\n\r\n")

    error = raised(Server(handler=crumble))
    assert isinstance(error, Refused)
    assert error.rule == "framing"
    assert error.detail.endswith("comes in crumbs: 4097 bytes in 4097 pieces.")


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad", "503 Busy", "429 Slow down", "408 Late"])
def test_trouble_is_for_later(status: str) -> None:
    """What may pass is tried again."""
    assert isinstance(raised(Server(reply(status=status))), Later)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_gone_is_gone(status: str) -> None:
    """404 and 410 say that the node has vanished."""
    error = raised(Server(reply(status=status)))
    assert isinstance(error, Vanished)
    assert str(error.status) in status


def test_retry_after_is_read() -> None:
    """`Retry-After` is understood in seconds and as a date; nonsense is nothing."""
    error = raised(Server(reply(status="503 Busy", Retry_After="120")))
    assert isinstance(error, Later)
    assert error.retry_after == 120
    now = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    at = format_datetime(now.replace(hour=10), usegmt=True)
    read = [answers.retry_after(text, now) for text in (at, "5", " 7 ", "soon", "-3", None, "٣", "9" * 30)]
    assert read == [3600, 5, 7, None, None, None, None, 1e9]
    unzoned = ["Mon, 02 Nov 2026 10:00:00 -0000", "Mon, 02 Nov 2026 10:00:00", "Mon, 02 Nov 2026 08:00:00"]
    assert [answers.retry_after(text, now) for text in unzoned] == [3600, 3600, 0], "a date without a zone is UTC"
    years = [f"Mon, 02 Nov {year} 10:00:00 GMT" for year in ("9" * 20, "99999", "0")]
    edges = [
        "Mon, 01 Jan 1 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 02 Nov 2026 10:00:00 +99999999999",
    ]
    assert {answers.retry_after(text, now) for text in years} <= {None, 0.0}, "a year that is none is no date"
    assert all(wish is None or wish >= 0 for wish in (answers.retry_after(text, now) for text in edges))


async def _hang(_head: str, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _drip(_head: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _cut(_head: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()


async def _garbage(_head: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")


async def _reset(_head: str, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("handler", [_hang, _drip, _cut, _garbage, _reset])
def test_broken_connections_are_for_later_in_time(handler: Handler) -> None:
    """A server that hangs, drips, cuts off, resets or speaks something else is left in time, and told of in words."""
    started = time.monotonic()
    error = raised(Server(handler=handler), limits=QUICK)
    assert isinstance(error, Later)
    assert ": ." not in error.detail
    assert time.monotonic() - started < 2


def test_cut_off_gzip_is_for_later() -> None:
    """A gzip that ends too early broke off; it is no bomb and no lie."""
    raw = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    half = (raw.compress(bytes(range(256)) * 500) + raw.flush(zlib.Z_SYNC_FLUSH))[:-40]
    assert isinstance(raised(Server(reply(half, Content_Encoding="gzip"))), Later)


def test_nobody_listens() -> None:
    """A port on which nobody listens, and a name that does not resolve, are for later."""

    async def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("unknown name")

    async def go() -> None:
        async with Door(user_agent="test", allow_private=True, limits=QUICK) as door:
            with pytest.raises(Later):
                await door.get("http://127.0.0.1:9/")
        async with Door(user_agent="test", resolve=unknown) as door:
            with pytest.raises(Later):
                await door.get("https://exa.example/")

    asyncio.run(go())


@pytest.mark.parametrize(
    ("addresses", "reached"),
    [
        (["127.0.9.9", "127.0.0.1"], True),
        (["127.0.0.1", "127.0.9.9"], True),
        (["127.0.9.9", "127.0.9.8"], False),
        (["127.0.9.9", "127.0.9.8", "127.0.0.1"], False),
    ],
)
def test_the_second_address_is_tried_where_the_first_is_dead(addresses: list[str], *, reached: bool) -> None:
    """A host of several addresses is asked at the first, and where nobody listens there at the second; not further."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return addresses

    async def go() -> bytes | Parcel:
        async with Server(reply()) as server, Door(user_agent="test", allow_private=True, resolve=resolve) as door:
            return (await door.get(f"http://exa.example:{server.port}/")).body

    if reached:
        assert asyncio.run(go()) == OK
        return
    with pytest.raises(Later) as later:
        asyncio.run(go())
    assert later.value.cause == "connection"


def _told_over_tls(ending: Callable[[asyncio.StreamWriter], None]) -> Answer | Later:
    """Fetch what a server of https says without a length, and how it ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + OK)
        await writer.drain()
        ending(writer)

    async def go() -> Answer | Later:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving("127.0.0.1"))
        port = server.sockets[0].getsockname()[1]
        try:
            async with Door(user_agent="test", allow_private=True, ca=trusted()) as door:
                return await door.get(f"https://127.0.0.1:{port}/")
        except Later as error:
            return error
        finally:
            server.close()

    return asyncio.run(asyncio.wait_for(go(), 20))


def test_what_tls_says_is_all_is_whole() -> None:
    """An answer without a length is whole where the server ends TLS as it should."""
    answer = _told_over_tls(lambda writer: writer.close())
    assert isinstance(answer, Answer)
    assert answer.body == OK


def test_what_is_cut_off_within_tls_is_not_whole() -> None:
    """An answer without a length whose connection breaks off is for later: more may have stood behind the cut."""
    error = _told_over_tls(lambda writer: writer.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR))
    assert isinstance(error, Later)
    told = "127.0.0.1 cut the connection off without saying that this is all."
    assert (error.detail, error.cause) == (told, "cut")


def _moved(**to: str) -> Handler:
    async def handler(head: str, writer: asyncio.StreamWriter) -> None:
        path = head.split(" ")[1]
        location = to.get(path.strip("/") or "start")
        writer.write(reply(status="302 Found", Location=location) if location else reply())

    return handler


def test_redirects_on_the_same_host_are_followed() -> None:
    """Up to three redirects within the same scheme, host and port are followed by hand."""
    server = Server(handler=_moved(start="/a", a="/b", b="c"))
    assert fetched(server).url.endswith("/c")
    assert rule(Server(handler=_moved(start="/a", a="/b", b="/c", c="/d"))) == "redirects"


def test_t38_robots_txt_is_asked_of_what_a_redirect_leads_to() -> None:
    """A page that may be asked for leads to one that may not: that is not asked for, and told as `robots`."""
    asked: list[str] = []
    moved = _moved(start="/a", a="/private/b", here="/c")

    async def handler(head: str, writer: asyncio.StreamWriter) -> None:
        asked.append(head.split(" ")[1])
        if asked[-1] == "/robots.txt":
            writer.write(reply(b"User-agent: *\nDisallow: /private/\n", kind="text/plain"))
        else:
            await moved(head, writer)

    async def go() -> None:
        async with Server(handler=handler) as server, Door(user_agent="t", allow_private=True, gap=0.0) as door:
            get = Obeying(door.get, door.robots)
            assert (await get(server.url("/here"))).url.endswith("/c")
            with pytest.raises(Refused) as met:
                await get(server.url("/start"))
            assert (met.value.rule, "/private/b" in met.value.detail) == ("robots", True)

    asyncio.run(go())
    assert asked == ["/robots.txt", "/here", "/c", "/start", "/a"]


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost/",
        "https://127.0.0.1/",
        "http://127.0.0.1:1/",
        "//else.example/",
        "ftp://127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://[::1",
        "",
    ],
)
def test_redirects_elsewhere_are_refused(location: str) -> None:
    """Another scheme, host or port, or no address at all, is not followed."""
    assert rule(Server(handler=_moved(start=location or "http://"))) in {"redirects", "url"}


@pytest.mark.parametrize("url", ["", "exa.example", "ftp://exa.example/", "https://", "https://exa.example:99999/", "https://u:p@exa.example/", "https://①②⑦.⓪.⓪.①/", "https://exa.example/" + "x" * 3_000, "https://exa.example:22/", "http://exa.example/"])  # fmt: skip  # noqa: E501
def test_urls_are_refused_before_anything_is_resolved(url: str) -> None:
    """What is no proper https URL is refused without a look-up."""

    async def never(_host: str, _port: int) -> list[str]:
        raise AssertionError("it was resolved")

    async def go() -> None:
        async with Door(user_agent="test", resolve=never) as door:
            await door.get(url)

    with pytest.raises(Refused):
        asyncio.run(go())


def test_rebinding_is_in_vain() -> None:
    """A name is resolved once for each page; a flip to an inward address is refused, and never connected to."""
    turns = iter(["8.8.8.8", "127.0.0.1"])
    connected: list[str] = []

    class Backend(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, *_args: object, **_kw: object) -> httpcore2.AsyncNetworkStream:
            connected.append(host)
            raise httpcore2.ConnectError

    async def flip(_host: str, _port: int) -> list[str]:
        return [next(turns)]

    async def go() -> list[type[Exception]]:
        found: list[type[Exception]] = []
        async with Door(user_agent="test", resolve=flip, gap=0) as door:
            door._transport._pool._network_backend._inner = Backend()  # type: ignore[attr-defined]
            for _ in range(2):
                try:
                    await door.get("https://exa.example/")
                except FolkmootError as error:
                    found.append(type(error))
        return found

    assert asyncio.run(go()) == [Later, Refused]
    assert connected == ["8.8.8.8"]


def test_transport_has_the_place_for_our_network() -> None:
    """The private attribute that the pinning needs is there, and holds what connects."""
    transport = httpx2.AsyncHTTPTransport()
    assert isinstance(transport._pool._network_backend, httpcore2.AsyncNetworkBackend)
    assert type(Door(user_agent="test")._transport._pool._network_backend).__name__ == "Pinned"


def test_unchecked_address_is_not_connected_to() -> None:
    """What was not checked is refused at the socket, whoever asks."""
    backend = Door(user_agent="test")._transport._pool._network_backend
    with pytest.raises(Refused):
        asyncio.run(backend.connect_tcp("exa.example", 443))


def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment sees nothing."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetched(Server(reply())).body == OK


def test_cookies_are_not_kept() -> None:
    """A cookie that a node sets is not sent back."""
    server = Server(reply(Set_Cookie="a=b"))

    async def go() -> None:
        async with server, Door(user_agent="test", allow_private=True, gap=0) as door:
            await door.get(server.url())
            await door.get(server.url())

    asyncio.run(go())
    assert len(server.heads) == 2
    assert "cookie" not in server.heads[1].lower()


def test_one_connection_a_host_with_a_gap() -> None:
    """Pages of one host come one after the other, a gap apart."""
    server = Server(reply())

    async def go() -> None:
        async with server, Door(user_agent="test", allow_private=True, gap=0.1) as door:
            await asyncio.gather(*(door.get(server.url(f"/{n}")) for n in range(4)))

    asyncio.run(go())
    gaps = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert (len(gaps), min(gaps) >= 0.095, server.most) == (3, True, 1)


def test_four_connections_an_address() -> None:
    """Many hosts behind one address are asked four at a time."""
    busy = most = 0

    async def slow(_head: str, writer: asyncio.StreamWriter) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.05)
        busy -= 1
        writer.write(reply())

    async def here(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def go() -> None:
        server = Server(handler=slow)
        async with server, Door(user_agent="test", allow_private=True, gap=0, resolve=here) as door:
            await asyncio.gather(*(door.get(f"http://n{n}.localhost:{server.port}/") for n in range(12)))

    asyncio.run(go())
    assert most == 4


@pytest.mark.parametrize("times", [1, 3], ids=["new connections", "kept connections"])
def test_four_connections_at_whichever_address_is_dialled(times: int) -> None:
    """Names of a dead address and a live one are asked four at a time at the live one, over kept connections too."""
    busy = most = 0

    async def slow(_head: str, writer: asyncio.StreamWriter) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.03)
        busy -= 1
        writer.write(reply())

    async def first_dead(host: str, _port: int) -> list[str]:
        return [f"127.0.9.{int(host.partition('.')[0][1:]) + 1}", "127.0.0.1"]

    async def go() -> None:
        server = Server(handler=slow)
        async with server, Door(user_agent="test", allow_private=True, gap=0, resolve=first_dead) as door:
            for _ in range(times):
                await asyncio.gather(*(door.get(f"http://n{n}.localhost:{server.port}/") for n in range(12)))

    asyncio.run(go())
    assert most == 4


def test_who_dials_a_dead_address_takes_nothing_from_the_second() -> None:
    """While names wait at a first address that does not answer, their second is free for others."""

    async def names(host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] if host.startswith("good") else ["127.0.9.9", "127.0.0.1"]

    class Silent(httpcore2.AsyncNetworkBackend):
        def __init__(self, inner: httpcore2.AsyncNetworkBackend) -> None:
            self.inner = inner

        async def connect_tcp(self, host: str, *args: object, **named: object) -> httpcore2.AsyncNetworkStream:
            if host == "127.0.9.9":
                await asyncio.sleep(1)
                raise httpcore2.ConnectTimeout
            return await self.inner.connect_tcp(host, *args, **named)  # type: ignore[arg-type]

    async def go() -> float:
        async with Server(reply()) as server, Door(user_agent="test", allow_private=True, resolve=names) as door:
            network = door._transport._pool._network_backend
            network._inner = Silent(network._inner)  # type: ignore[attr-defined]
            waiting = [asyncio.create_task(door.get(f"http://n{n}.localhost:{server.port}/")) for n in range(8)]
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await door.get(f"http://good.localhost:{server.port}/")
            took = time.monotonic() - began
            await asyncio.gather(*waiting)
            return took

    assert asyncio.run(go()) < 0.8


def test_a_door_ajar_is_opened_once_by_what_first_goes_through_it() -> None:
    """No door is made until something is asked; ten that ask at once go through one, and it is closed at the end."""
    made: list[Door] = []

    def make() -> Door:
        made.append(Door(user_agent="folkmoot/test", allow_private=True, gap=0))
        return made[-1]

    async def go() -> set[int]:
        async with Server(reply()) as server, Ajar(make) as ajar:
            await asyncio.sleep(0)
            assert not made
            got = await asyncio.gather(*(ajar.get(server.url()) for _one in range(10)))
            return {answer.status for answer in [*got, await ajar.post(server.url(), b"{}", {})]}

    assert asyncio.run(go()) == {200}
    assert len(made) == 1
