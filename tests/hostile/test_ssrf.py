"""Requests that others would have us make: 65 targets by six ways in, and not one connection (T01 to T03)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from federation import checks
from federation.fetch import MAX_REDIRECTS, Door, Limits
from federation.identity import feed_of, read_manifest
from federation.robots import Obeying
from federation.robots import ask as ask_robots
from schema.errors import Bad, FolkmootError, Later, Refused
from tests.hostile.node import OGL, WELL_KNOWN, Node
from tests.hostile.outside import GOOD, PUBLIC, Outside, no_sockets
from tests.hostile.talk import Servers, Talk, reply, written
from tests.proof import figure
from tests.services import NOW

ADDRESSES = (
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",  # noqa: S104
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1",
    "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
)  # fmt: skip
SPELLINGS = (
    "http://127.0.0.1/", "https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/",
    "https://0x7f000001/", "https://0x7f.1/", "https://017700000001/", "https://0177.0.0.1/", "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[0:0:0:0:0:0:0:1]/",
    "https://[fe80::1%25eth0]/", "https://localhost/", "https://localhost./", "https://LOCALHOST/",
    "https://moot.localhost/", "https://127.0.0.1.:443/", "https://user:pass@exa.example/",
    "https://exa.example@127.0.0.1/", "https://exa.example:22/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x",
)  # fmt: skip
BY_ADDRESS = {f"https://inward{n}.example/": address for n, address in enumerate(ADDRESSES)}
TARGETS = (*BY_ADDRESS, *SPELLINGS)
Way = Callable[[Outside, Door, str], Awaitable[object]]


def _manifest() -> dict[str, Any]:
    node = Node(0, 0)
    told = json.dumps(node.manifest()).replace(node.url, f"https://{GOOD}")
    found: dict[str, Any] = json.loads(told)
    return found


def _page(following: str) -> bytes:
    return reply(written({"next": following, "license": OGL, "items": [], "epoch": "first"}))


async def registration(_outside: Outside, door: Door, target: str) -> object:
    """A node whose address this is wishes to join."""
    raise _broken(await checks.examine(Obeying(door.get, door.robots), target, now=NOW))


async def following(outside: Outside, door: Door, target: str) -> object:
    """The `next` of a page."""
    outside.respond = lambda path: reply(json.dumps(_manifest()).encode()) if "well" in path else _page(target)
    raise _broken(await checks.examine(door.get, f"https://{GOOD}", now=NOW))


def _broken(report: checks.Report) -> Refused:
    (broken,) = [result for result in report.results if not result.kept]
    assert broken.of.gate
    return Refused(broken.rule, broken.found)


async def redirect(outside: Outside, door: Door, target: str) -> object:
    """Where a page redirects to."""
    outside.respond = lambda _path: reply(b"", status="302 Found", Location=target.encode().decode("latin-1"))
    return await door.get(f"https://{GOOD}/v1/changes")


async def manifest(_outside: Outside, door: Door, target: str) -> object:
    """The feed that a manifest names, were its node at that address."""
    found = _manifest()
    found["feeds"][0]["url"] = target + "v1/changes"
    read = read_manifest(json.dumps(found).encode(), f"https://{GOOD}{WELL_KNOWN}")
    return await door.get(feed_of(read).url)


async def robots(_outside: Outside, door: Door, target: str) -> object:
    """The robots.txt of a host, which is asked for before anything else there."""
    return await ask_robots(door.robots, target)


async def webhook(_outside: Outside, door: Door, target: str) -> object:
    """The address at which a node wishes to be told of problems."""
    return await door.post(target, b"{}", {})


REASONS = (
    "manifest-valid",
    "url",
    "url-scheme",
    "url-host",
    "url-port",
    "address",
    "redirects",
    "feed-own-origin",
    "next-same-path",
    "BadParameter",
)
WAYS: tuple[Way, ...] = (registration, following, redirect, manifest, robots, webhook)


@pytest.mark.proof
def test_t01_no_connection_is_made_inward(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 addresses and 25 spellings, by six ways in: each is refused with its reason, before any connection."""
    tried: list[str] = []

    async def go(way: Way, target: str) -> None:
        outside = Outside(inward={f"inward{n}.example": [a] for n, a in enumerate(ADDRESSES)})
        async with outside.door() as door:
            with pytest.raises((Refused, Bad)) as refused:
                await way(outside, door, target)
            told = refused.value
            rule = told.rule if isinstance(told, Refused) else "BadParameter"
            assert rule in REASONS, (way.__name__, target, rule)
            assert len(told.detail) > 20, (way.__name__, target)
        assert set(outside.connected) <= {PUBLIC}, (way.__name__, target, outside.connected)
        assert len(outside.connected) <= 4  # no storm of tries
        tried.append(target)

    async def everything() -> None:
        for way in WAYS:
            for target in TARGETS:
                await go(way, target)

    with no_sockets(monkeypatch) as made:
        asyncio.run(everything())
    assert made == []
    assert (len(ADDRESSES), len(SPELLINGS), len(tried)) == (40, 25, 390)
    figure("T01", "connections made by 390 vectors", len(made), goal="0")


@pytest.mark.parametrize("mixed", [False, True])
def test_t02_rebinding_is_in_vain(mixed: bool) -> None:  # noqa: FBT001
    """100 look-ups of a name that flips inward, or says both: one look-up a request, and none inward is connected."""
    answers: list[list[str]] = []

    class Flipping(Outside):
        async def resolve(self, host: str, _port: int) -> list[str]:
            self.looked_up.append(host)
            flip = len(self.looked_up) % 2 == 0
            answers.append(([PUBLIC, "127.0.0.1"] if mixed else ["127.0.0.1"]) if flip else [PUBLIC])
            return answers[-1]

    async def go() -> list[str]:
        outside, ends = Flipping(respond=lambda _path: reply(b"{}", Connection="close")), []
        async with outside.door() as door:
            for _ in range(100):
                try:
                    await door.get(f"https://{GOOD}/")
                    ends.append("read")
                except Refused as error:
                    ends.append(error.rule)
        assert (len(outside.looked_up), outside.connected) == (100, [PUBLIC] * 50)
        return ends

    assert asyncio.run(go()) == ["read", "address"] * 50


def test_t02_a_redirect_is_looked_up_anew() -> None:
    """A name that flips between a page and its redirect is refused at the redirect."""
    outside = Outside(respond=lambda _path: reply(b"", status="302 Found", Location="/again", Connection="close"))
    turns = iter([[PUBLIC], ["10.0.0.1"]])

    async def flip(_host: str, _port: int) -> list[str]:
        return next(turns)

    async def go() -> None:
        door = outside.door()
        door._resolve = flip
        await door.get(f"https://{GOOD}/")

    with pytest.raises(Refused) as refused:
        asyncio.run(go())
    assert (refused.value.rule, outside.connected) == ("address", [PUBLIC])


def test_t03_redirects_share_one_deadline() -> None:
    """A page and its redirects have the time of one page between them: none has a deadline of its own."""
    asked: list[str] = []

    async def go() -> None:
        async with Servers() as servers:

            async def slow(talk: Talk) -> None:
                asked.append(talk.path)
                await asyncio.sleep(0.5)
                await talk.send(reply(b"", status="302 Found", Location=f"/{len(asked)}"))

            node = await servers.listen(0, slow)
            limits = Limits(connect=2.0, read=2.0, page=1.4)
            async with Door(user_agent="folkmoot/test", allow_private=True, gap=0.0, limits=limits) as door:
                with pytest.raises(Later) as late:
                    await door.get(f"{node.url}/")
                assert late.value.cause == "time"

    asyncio.run(go())
    assert len(asked) < 4  # as many as there was time for; with a deadline each all four are asked


def test_t03_three_redirects_are_followed() -> None:
    """At most three redirects are followed; each is one request."""
    asked: list[str] = []

    def further(path: str) -> bytes:
        asked.append(path)
        return reply(b"", status="302 Found", Location=f"/{len(asked)}")

    async def go() -> None:
        async with Outside(respond=further).door() as door:
            await door.get(f"https://{GOOD}/")

    with pytest.raises(Refused) as refused:
        asyncio.run(go())
    assert (refused.value.rule, asked) == ("redirects", ["/", "/1", "/2", "/3"])
    assert len(asked) == MAX_REDIRECTS + 1


def test_ports_that_the_operator_permits() -> None:
    """A port that the operator permits is read over https; others, and http there, are still refused."""

    async def go(url: str) -> str:
        async with Outside(respond=lambda _path: reply(b"{}")).door(ports=[8443]) as door:
            try:
                return (await (await door.get(url)).whole()).decode()
            except Refused as error:
                return error.rule

    urls = [f"https://{GOOD}:8443/", f"https://{GOOD}:9443/", f"http://{GOOD}:8443/", f"http://{GOOD}/"]
    assert [asyncio.run(go(url)) for url in urls] == ["{}", "url-port", "url-scheme", "url-scheme"]


def test_nothing_is_kept_of_hosts_that_nobody_asks() -> None:
    """However many names were asked, the door keeps nothing of them but when the last may be asked again."""

    async def go() -> None:
        outside = Outside(respond=lambda _path: reply(b"{}", Connection="close"))
        outside.inward = {f"n{n}.example": [PUBLIC] for n in range(50)}
        async with outside.door() as door:
            for name in outside.inward:
                await door.get(f"https://{name}/")
            with pytest.raises((Later, Refused)):
                await door.get("https://inward.example/")
            assert (len(door._turns), len(door._addresses), len(door._checked)) == (0, 0, 0)

    asyncio.run(go())


def test_every_refusal_names_a_rule_with_advice() -> None:
    """What the door refuses a node for has a sentence on how to mend it."""
    from federation.advice import advice_for

    rules = ("url", "url-scheme", "url-port", "url-host", "address", "redirects", "status", "content-type", "encoding")
    for rule in (*rules, "page-bytes", "page-ratio", "framing", "robots"):
        assert advice_for(Refused(rule, "x")), rule
    assert issubclass(Refused, FolkmootError)
