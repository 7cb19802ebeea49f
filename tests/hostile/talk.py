"""Raw sockets that speak HTTP as well, or as badly, as they are told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from tests.hostile.node import FEED, WELL_KNOWN, Document, Node

JSON = "application/json"


def reply(body: bytes, *, status: str = "200 OK", kind: str | None = JSON, **headers: str) -> bytes:
    """Write an answer out; `_` in the name of a header is a hyphen."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def written(page: Document) -> bytes:
    """A document as JSON, in which items that are bytes stand as they are."""
    items = page.get("items")
    if not isinstance(items, list):
        return json.dumps(page).encode()
    found = b",".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)
    rest = json.dumps({name: value for name, value in page.items() if name != "items"}).encode()
    return rest[:-1] + (b"," if len(rest) > 2 else b"") + b'"items":[' + found + b"]}"


@dataclass(slots=True)
class Talk:
    """One request to a node, and the socket to answer on."""

    node: Node
    path: str
    headers: dict[str, str]
    writer: asyncio.StreamWriter

    @property
    def after(self) -> int:
        """The change number that is asked for."""
        tail = self.path.rpartition("=")[2]
        return int(tail) if tail.isdigit() else 0

    async def send(self, *parts: bytes) -> None:
        """Send bytes, as they are."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def forever(self, part: bytes = b"", pause: float = 0.0) -> None:
        """Send the same bytes again and again; or nothing, and never end."""
        while True:
            if part:
                await self.send(part)
            await asyncio.sleep(pause if part else 60)

    def reset(self) -> None:
        """Cut the connection off with a reset."""
        made: socket.socket = self.writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def cut(self) -> None:
        """End the connection below TLS, which does not say that this is all."""
        made: socket.socket = self.writer.get_extra_info("socket")
        made.shutdown(socket.SHUT_WR)

    def document(self) -> Document | None:
        """What a good node says to this request."""
        if self.path == WELL_KNOWN:
            return self.node.manifest()
        return self.node.page(self.after) if self.path.startswith(FEED) else None


async def good(talk: Talk) -> None:
    """Answer as a good node does."""
    document = talk.document()
    await talk.send(reply(b"{}", status="404 Not Found") if document is None else reply(written(document)))


Answer = Callable[[Talk], Awaitable[None]]
Greet = Callable[[Node, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What comes before the first request: a handshake of TLS, or what stands in its place."""


@dataclass(slots=True)
class Servers:
    """Nodes that listen, each answering with a function that may be changed at any time."""

    answers: dict[str, Answer] = field(default_factory=dict)
    greets: dict[str, Greet] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    _open: list[asyncio.Server] = field(default_factory=list)
    _talks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for server in self._open:
            server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def listen(
        self, n: int, answer: Answer = good, *, port: int = 0, greet: Greet | None = None, **options: Any
    ) -> Node:
        """Let another node listen; a port of 0 is any that is free. With `greet` it is one of https."""
        options |= {"scheme": "http" if greet is None else "https"}
        address = Node(n, port, **options).address
        server = await asyncio.start_server(self._connected, address, port, backlog=64)
        self._open.append(server)
        node = Node(n, server.sockets[0].getsockname()[1], **options)
        self.answers[node.address], self.nodes[node.address] = answer, node
        if greet is not None:
            self.greets[node.address] = greet
        return node

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        address = writer.get_extra_info("sockname")[0]
        try:
            if address in self.greets:
                await self.greets[address](self.nodes[address], reader, writer)
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                named = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:])}
                talk = Talk(self.nodes[address], head[0].split(" ")[1], named, writer)
                self.asked.append((address, talk.path))
                self.headers.append(named)
                await self.answers[address](talk)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            return
        finally:
            self._talks.discard(task)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                writer.close()
