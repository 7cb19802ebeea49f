"""How many connections a crawling process has open at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from federation.database import Database
from federation.fetch import Door
from folkmoot import wiring
from folkmoot.settings import Settings

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


@pytest.mark.parametrize(("private", "gap"), [(False, 1.5), (True, 0.0)])
def test_a_crawl_is_as_polite_as_its_settings(tmp_path: Path, private: bool, gap: float) -> None:  # noqa: FBT001
    """Connections and gap of the settings reach the door and the leases; in private networks there is no gap."""
    values = {"data_dir": tmp_path, "crawl_connections": 7, "crawl_gap": 1.5, "allow_private": private}
    settings = Settings.model_validate(values)
    base = Database(f"sqlite:///{tmp_path / 'none.db'}")

    async def go() -> None:
        async with wiring.door(settings) as door:
            assert (door._open._value, door._gap) == (7, gap)
            assert wiring.crawler(settings, base, door.get).gap == gap

    asyncio.run(go())
    base.dispose()
