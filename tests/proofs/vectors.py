"""All requests that others would have us make, by the real door on real sockets: `python -m tests.proofs.vectors HUB`.

It runs on a machine of its own (a network namespace). The one public host stands in the namespace of the process HUB,
whose sockets this program makes there; it prints how many vectors were refused and how often that host was asked.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.fetch import Door
from schema.errors import Bad, Refused
from tests.hostile.outside import GOOD, PUBLIC, Outside
from tests.hostile.test_ssrf import ADDRESSES, TARGETS, WAYS, Way
from tests.hostile.tls import serving, trusted


@dataclass
class Abroad(Outside):
    """The outside world behind a real network."""

    asked: int = 0

    def door(self, **options: Any) -> Door:
        """The real door, closed as it is for the open internet."""
        return Door(user_agent="folkmoot/test", gap=0.0, resolve=self.resolve, ca=trusted(), **options)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the public host."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                writer.write(self.respond(head.decode("latin-1").split(" ")[1]))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


def listening(hub: int) -> socket.socket:
    """A socket at the public address, in another process's network namespace (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as here, Path(f"/proc/{hub}/ns/net").open() as there:
        if libc.setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            return socket.create_server((PUBLIC, 443))
        finally:
            libc.setns(here.fileno(), 0)


async def tried(abroad: Abroad, way: Way, target: str) -> str:
    """Try one vector; gives why it was refused."""
    abroad.respond = lambda _path: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    async with abroad.door() as door:
        try:
            await way(abroad, door, target)
        except (Refused, Bad) as refused:
            return getattr(refused, "rule", "bad")
    raise AssertionError((way.__name__, target))


async def everything(hub: int) -> dict[str, Any]:
    """Try each target by each way."""
    abroad = Abroad(inward={f"inward{n}.example": [a] for n, a in enumerate(ADDRESSES)})
    with closing(listening(hub)) as sock:
        async with await asyncio.start_server(abroad.answer, sock=sock, ssl=serving(GOOD)):
            refused = [await tried(abroad, way, target) for way in WAYS for target in TARGETS]
            rules = {rule: refused.count(rule) for rule in sorted(set(refused))}
            return {"vectors": len(refused), "asked": abroad.asked, "rules": rules}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(everything(int(sys.argv[1])))))
