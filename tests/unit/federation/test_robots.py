"""What a robots.txt permits, read through the door from a server on loopback: forbidden paths, and files that fail."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from federation.answers import MAX_ROBOTS
from federation.fetch import Door
from federation.robots import AGENT, MOST_RULES, Obeying, Permits, ask, concerning
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


@pytest.mark.parametrize(
    ("wish", "least", "most"),
    [("7200", 7_200, 7_200), ("date", 7_100, 7_200), ("soon", None, None), (None, None, None)],
)
def test_where_nobody_can_say_the_wish_of_the_host_is_kept(wish: str | None, least: int, most: int) -> None:
    """`Retry-After` of a robots.txt that cannot be had is the host's own word, in seconds or as a date."""
    if wish == "date":
        wish = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    said = {"Retry_After": wish} if wish is not None else {}
    (error,) = _fetched(_serving(reply(RULES, status="503 Busy", **said)), "/a")
    assert isinstance(error, Later)
    if least is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert least <= error.retry_after <= most


def test_a_robots_txt_that_is_refused_for_another_reason_forbids_all() -> None:
    """Only a redirect is a host without the file: what the door refuses otherwise is refused."""

    async def go() -> None:
        async with Door(user_agent="test") as door:
            await ask(door.robots, "http://exa.example/v1/changes")

    with pytest.raises(Refused) as refused:
        asyncio.run(go())
    assert refused.value.rule == "url-scheme"


SAID = {
    "our groups are one, wherever they stand": (
        "User-agent: folkmoot\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n\nuser-agent: FolkMoot/1.0\nDisallow: /b",
        "User-agent: folkmoot\nDisallow: /a\nDisallow: /b",
    ),
    "the groups of all are one where none is ours": (
        "User-agent: *\nDisallow: /a\nUser-agent: x\nDisallow: /\nUser-agent: *\nAllow: /b",
        "User-agent: folkmoot\nDisallow: /a\nAllow: /b",
    ),
    "a group of several names is ours too": (
        "user agent x\nuseragent: folkmoot\nUser-agent: *\nDisallow: /a  # but for the map\nCrawl-delay: 2",
        "User-agent: folkmoot\nDisallow: /a\nCrawl-delay: 2",
    ),
    "our group without a rule goes before that of all": ("User-agent: folkmoot\n\nUser-agent: *", ""),
    "a name that only begins like ours is another's": ("User-agent: folkmooter\nUser-agent: folk\nDisallow: /", ""),
    "rules before any name are nobody's": ("Disallow: /\nUser-agent: x", ""),
    "a name that is none begins a group of nobody": ("User-agent: *\nAllow: /\nUser-agent:\nDisallow: /", None),
    "a map of the site parts no names": (
        "User-agent: folkmoot\nSitemap: https://exa.example/map\nUser-agent: x\nDisallow: /a",
        "User-agent: folkmoot\nDisallow: /a",
    ),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "left"), SAID.values(), ids=SAID.keys())
def test_only_what_is_said_to_us_is_read(text: str, left: str | None) -> None:
    """Of a robots.txt our groups alone are kept, else those of all, as one group (RFC 9309, section 2.2.1)."""
    kept = concerning(text.encode())
    assert kept == ("User-agent: folkmoot\nAllow: /" if left is None else left).encode()
    assert concerning(kept) == kept


_NAMES = ("folkmoot", "FOLKMOOT", "folkmoot*", "*", "otherbot", "")
_LINES = st.one_of(
    st.tuples(st.sampled_from(["User-agent: ", "user agent ", "useragent:"]), st.sampled_from(_NAMES)).map("".join),
    st.tuples(
        st.sampled_from(["Disallow: ", "allow:", "dissalow "]), st.sampled_from(["/", "/a", "/b", "/*b$", ""])
    ).map("".join),
    st.sampled_from(["Crawl-delay: 3", "crawl delay 7", "Sitemap: /s", "Host x", "# no", "", "Noindex: /a", "words"]),
)


@given(lines=st.lists(_LINES, max_size=20))
def test_what_is_left_out_changes_nothing(lines: list[str]) -> None:
    """The whole file, read by protego, permits the same pages with the same delay."""
    text = "\n".join(lines)
    whole, permits = Protego.parse(text), Permits(text.encode())
    for path in ("/a", "/b", "/ab", "/c"):
        url = f"https://exa.example{path}"
        assert _forbids(permits, url) is not whole.can_fetch(url, AGENT)
    assert permits.delay == (whole.crawl_delay(AGENT) or 0.0)


def _forbids(permits: Permits, url: str) -> bool:
    try:
        permits.check(url)
    except Refused:
        return True
    return False


HOSTILE = {
    "many names over many rules": b"".join(b"user-agent: x%d\n" % n for n in range(18_000)) + b"allow: /\n" * 32_000,
    "our names over many rules": b"user-agent: folkmoot\nuser-agent: *\n" * 6_000 + b"allow: /\n" * 32_000,
    "rules alone": b"user-agent: *\n" + b"allow:/\n" * 65_000,
    "a name, a rule": b"user-agent:*\nallow:/\n" * 25_000,
    "no more than lines": b"\n" * MAX_ROBOTS,
    "a name without an end": b"user-agent: *\nuser agent" + b" " * MAX_ROBOTS,
    "rules of stars": b"user-agent: *\n" + (b"allow:/" + b"*a" * 250 + b"b\n") * 1_000,
    "no text at all": b"user-agent: *\nallow:/" + b"\xff" * MAX_ROBOTS,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_half_a_megabyte_of_anything_is_read_in_a_moment(text: bytes) -> None:
    """What the worst files cost is bounded: measured at 0.14 s and 6 MB to read, 0.03 s a page; held at ten times."""
    text, page = text[:MAX_ROBOTS], "https://exa.example/v1/changes?afterChangeNumber=1" + "a" * 1_900
    began = time.process_time()
    permits = Permits(text)
    read = time.process_time()
    _forbids(permits, page)
    assert read - began < 1.5
    assert time.process_time() - read < 0.3
    tracemalloc.start()
    try:
        Permits(text)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_rules_past_a_thousand_are_not_read() -> None:
    """A file has room for 65,000 rules, and each would be held against every page: the first thousand count."""
    many = b"User-agent: *\n" + b"Disallow: /x\n" * (MOST_RULES - 1) + b"Disallow: /a\nDisallow: /b"
    permits = Permits(many)
    assert [_forbids(permits, f"https://exa.example{path}") for path in ("/x", "/a", "/b")] == [True, True, False]
