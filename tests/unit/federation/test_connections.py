"""How many connections a crawling process has open at a time."""

from __future__ import annotations

import asyncio

import pytest

from federation.fetch import Door

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class _Hosts:
    """Servers at many addresses that keep their connections open, and how many of those there were at once."""

    def __init__(self) -> None:
        self.open = self.most = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while (await reader.readuntil(b"\r\n\r\n")) and not writer.is_closing():
                await asyncio.sleep(0.02)
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.open -= 1
            writer.close()


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_connections_than_are_allowed(connections: int) -> None:
    """A door asks many hosts at once over so many connections, idle ones included, and every request is answered."""

    async def go() -> int:
        hosts = _Hosts()
        servers = [await asyncio.start_server(hosts.talk, f"127.0.9.{n}", 0) for n in range(1, 9)]
        urls = ["http://{}:{}/".format(*server.sockets[0].getsockname()) for server in servers]
        async with Door(user_agent="test", allow_private=True, gap=0, connections=connections) as door:
            answers = await asyncio.gather(*(door.get(url) for url in urls * 3))
        for server in servers:
            server.close()
        assert [answer.status for answer in answers] == [200] * 24
        return hosts.most

    assert asyncio.run(go()) == connections
