"""What a robots.txt permits, read through the door from a server on loopback: forbidden paths, and files that fail."""

from __future__ import annotations

import asyncio

import pytest

from federation.fetch import Door
from federation.robots import Obeying, ask
from federation.seam import Answer
from schema.errors import FolkmootError, Later, Refused
from tests.unit.federation.test_fetch import QUICK, Server, reply

RULES = b"User-agent: *\nDisallow: /private\nCrawl-delay: 0.3"


def _serving(robots: bytes) -> Server:
    """A server whose robots.txt is this answer, and whose pages are all JSON."""

    async def handler(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(robots if head.startswith("GET /robots.txt ") else reply())

    return Server(handler=handler)


def _asked(server: Server) -> list[str]:
    return [head.split(" ")[1] for head in server.heads]


def _fetched(server: Server, *paths: str) -> list[Answer | FolkmootError]:
    """Fetch these pages one after the other as robots.txt wishes; a page that cannot be had gives why."""

    async def go() -> list[Answer | FolkmootError]:
        got: list[Answer | FolkmootError] = []
        async with server, Door(user_agent="test", allow_private=True, gap=0, limits=QUICK) as door:
            get = Obeying(door.get, door.robots)
            for path in paths:
                try:
                    got.append(await get(server.url(path)))
                except FolkmootError as error:
                    got.append(error)
        return got

    return asyncio.run(go())


def test_a_forbidden_page_is_told_by_its_path_and_never_asked_for() -> None:
    """The refusal names the host and the path, not what was asked of it, and the page itself is not fetched."""
    server = _serving(reply(RULES, kind="text/plain"))
    (error,) = _fetched(server, "/private/x?key=1")
    assert isinstance(error, Refused)
    told = f"The robots.txt of 127.0.0.1:{server.port} forbids /private/x to folkmoot."
    assert (error.rule, error.detail) == ("robots", told)
    assert _asked(server) == ["/robots.txt"]


def test_a_robots_txt_is_asked_for_once_and_its_delay_is_kept() -> None:
    """For a few requests to one host its robots.txt is fetched once, and they are its Crawl-delay apart."""
    server = _serving(reply(RULES, kind="text/plain"))
    first, second = _fetched(server, "/a", "/b")
    assert [isinstance(first, Answer), isinstance(second, Answer)] == [True, True]
    assert _asked(server) == ["/robots.txt", "/a", "/b"]
    assert server.times[2] - server.times[1] >= 0.29


@pytest.mark.parametrize(
    "robots",
    [
        reply(RULES, status="404 Not Found"),
        reply(RULES, status="403 Forbidden"),
        reply(RULES, status="302 Found", Location="https://else.example/robots.txt"),
        reply(RULES, status="302 Found", Location="/robots.txt"),
    ],
    ids=["missing", "not for us", "off the host", "in circles"],
)
def test_where_there_is_no_robots_txt_nothing_is_forbidden(robots: bytes) -> None:
    """4xx, and a redirect that is not followed, are a host without a robots.txt, whatever they carry."""
    (answer,) = _fetched(_serving(robots), "/private")
    assert isinstance(answer, Answer)
    assert answer.status == 200


@pytest.mark.parametrize("status", ["429 Slow", "500 Oops", "503 Busy"])
def test_where_nobody_can_say_nothing_is_asked(status: str) -> None:
    """429 and 5xx say neither yes nor no: the host is left for later, and its pages are not fetched."""
    server = _serving(reply(RULES, status=status))
    (error,) = _fetched(server, "/a")
    assert isinstance(error, Later)
    told = f"http://127.0.0.1:{server.port}/robots.txt answers {status[:3]}; until it can be read, nothing is asked."
    assert error.detail == told
    assert _asked(server) == ["/robots.txt"]


def test_a_robots_txt_that_is_refused_for_another_reason_forbids_all() -> None:
    """Only a redirect is a host without the file: what the door refuses otherwise is refused."""

    async def go() -> None:
        async with Door(user_agent="test") as door:
            await ask(door.robots, "http://exa.example/v1/changes")

    with pytest.raises(Refused) as refused:
        asyncio.run(go())
    assert refused.value.rule == "url-scheme"
