"""The list of behaviours: each a small function with a name, a family, and the rule that it must end in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.hostile.node import FEED, WELL_KNOWN, Document, Node
from tests.hostile.talk import Answer, Greet, Servers, Talk, good, reply, written
from tests.hostile.tls import well

PATHS = {"feed": FEED, "manifest": WELL_KNOWN, "robots": "/robots.txt", "all": "/"}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to misbehave. `ends` is the rule of the problem that its node's status must show."""

    name: str
    family: str
    ends: str
    answer: Answer
    says: str = ""
    greet: Greet | None = None

    async def listen(self, servers: Servers, n: int) -> Node:
        """Let a node listen that misbehaves so."""
        return await servers.listen(n, self.answer, greet=self.greet)


BEHAVIOURS: dict[str, Behaviour] = {}


def _keep(one: Behaviour) -> None:
    assert one.name not in BEHAVIOURS, one.name
    BEHAVIOURS[one.name] = replace(one, greet=one.greet or (well if one.family == "tls" else None))


def greets(name: str, ends: str, greet: Greet, says: str) -> None:
    """Register what becomes of a handshake of TLS; requests that come all the same are answered well."""
    _keep(Behaviour(name, "tls", ends, good, says, greet))


def answers(family: str, ends: str, says: str = "", *, to: str = "feed") -> Callable[[Answer], Answer]:
    """Register a function that answers one request itself; other requests are answered well."""

    def register(talks: Answer) -> Answer:
        async def answer(talk: Talk) -> None:
            await (talks if talk.path.startswith(PATHS[to]) else good)(talk)

        _keep(Behaviour(talks.__name__, family, ends, answer, says))
        return talks

    return register


def sends(name: str, family: str, ends: str, raw: bytes, says: str = "", *, to: str = "feed") -> None:
    """Register the very bytes with which the requests are answered."""

    async def answer(talk: Talk) -> None:
        await talk.send(raw) if talk.path.startswith(PATHS[to]) else await good(talk)

    _keep(Behaviour(name, family, ends, answer, says))


Bend = Callable[[Document, Node], Document | bytes]


def bends(family: str, ends: str, says: str = "", *, of: str = "feed") -> Callable[[Bend], Bend]:
    """Register a function that bends a page (or the manifest) before it is sent."""

    def register(bend: Bend) -> Bend:
        async def answer(talk: Talk) -> None:
            if not talk.path.startswith(PATHS[of]):
                await good(talk)
                return
            found = bend(talk.document() or {}, talk.node)
            await talk.send(reply(found if isinstance(found, bytes) else written(found)))

        _keep(Behaviour(bend.__name__, family, ends, answer, says))
        return bend

    return register


Change = Callable[[Document, Node], Document | bytes]


def item(name: str, family: str, ends: str, change: Change, says: str = "") -> None:
    """Register what becomes of the last item of a page; bytes stand in the page as they are."""

    def bend(page: Document, node: Node) -> Document:
        if page["items"]:
            page["items"][-1] = change(page["items"][-1], node)
        return page

    bend.__name__ = name
    bends(family, ends, says)(bend)
