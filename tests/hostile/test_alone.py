"""Each behaviour alone: a node that was good turns bad, and its status says so by name while its records are served."""

from __future__ import annotations

import asyncio

import pytest

from federation.database import Database
from tests.hostile.behaviours import BEHAVIOURS, Behaviour
from tests.hostile.moot import FAIR, QUICK, SHY, Moot
from tests.hostile.talk import Servers
from tests.hostile.tls import well

HELD = {"GB-LAE-AAA", "C-1", "C-2", "C-3"}


def of(*families: str) -> pytest.MarkDecorator:
    """Run a test for each behaviour of some families."""
    names = [name for name, one in BEHAVIOURS.items() if one.family in families]
    return pytest.mark.parametrize("name", names)


on_sqlite = pytest.mark.parametrize("engine_name", ["sqlite"])


def meet(database: Database, behaviour: Behaviour) -> None:
    """Read a node while it is good, and again when it is not: the problem is named, what was read stays."""
    moot = Moot(database)

    async def go() -> None:
        limits = QUICK if behaviour.family == "slow" or "half" in behaviour.name else FAIR
        limits = SHY if "TLS in time" in behaviour.says else limits
        async with Servers() as servers, moot.door() as door, moot.door(limits) as strict:
            node = await servers.listen(0, greet=None if behaviour.greet is None else well)
            moot.pin(node)
            (first,) = await moot.visit(door, node)
            assert first.outcome == "ended", first.error
            assert moot.live(node) == HELD
            node.contract("NEW")
            servers.answers[node.address] = behaviour.answer
            if behaviour.greet is not None:
                servers.greets[node.address] = behaviour.greet
            (second,) = await moot.visit(strict, node)
            assert second.outcome in ("failed", "ended"), second
            taken = set() if behaviour.family == "tls" else {"NEW"}
            assert moot.live(node) - taken == HELD
            told = [(row.rule, row.message) for row in moot.problems(node)]
            assert {rule for rule, _ in told} == {behaviour.ends}, told
            assert any(behaviour.says in message for _, message in told), told
            assert all(message.isprintable() for _, message in told)
            if second.outcome == "failed":
                assert moot.feed(node).fails == 1

    asyncio.run(asyncio.wait_for(go(), 30))


def test_there_are_enough_behaviours() -> None:
    """At least 64 behaviours are known, and every family that the threats name has some."""
    assert len(BEHAVIOURS) >= 64
    families = {one.family for one in BEHAVIOURS.values()}
    assert families >= {
        "slow",
        "broken",
        "endless",
        "packing",
        "redirects",
        "json",
        "feeds",
        "claims",
        "text",
        "robots",
        "tls",
    }


@of("redirects")
@on_sqlite
def test_t03_redirects_are_not_followed_astray(database: Database, name: str) -> None:
    """A redirect off the host, without end or with a password ends the visit, by name."""
    meet(database, BEHAVIOURS[name])


@of("slow", "broken")
@on_sqlite
def test_t04_slow_and_broken_servers_are_left(database: Database, name: str) -> None:
    """A server that hangs, drips or breaks off is left at the page's deadline and told of."""
    meet(database, BEHAVIOURS[name])


@of("endless", "framing", "packing", "types", "status")
@on_sqlite
def test_t05_answers_that_are_too_much_or_not_what_was_asked(database: Database, name: str) -> None:
    """Endless bodies, bombs, false lengths, other types and other statuses are refused by name."""
    meet(database, BEHAVIOURS[name])


@of("json")
def test_t06_poisoned_json_is_refused_by_item_or_page(database: Database, name: str) -> None:
    """Poison ends as a problem of the item or the page, on both databases, and never as a fault of ours."""
    meet(database, BEHAVIOURS[name])


@of("feeds")
@on_sqlite
def test_t07_feeds_that_loop_lie_or_rewind_are_stopped(database: Database, name: str) -> None:
    """A feed that does not go forward stops the visit; the cursor stays."""
    meet(database, BEHAVIOURS[name])


@of("claims")
@on_sqlite
def test_t10_claims_to_be_somebody_else_are_refused(database: Database, name: str) -> None:
    """Identity comes from where the bytes came from; what claims otherwise is refused by name."""
    meet(database, BEHAVIOURS[name])


@of("tls")
@on_sqlite
def test_t11_nobody_is_believed_without_tls_that_holds(database: Database, name: str) -> None:
    """A certificate that is not the node's, TLS that is old, plain or cut off: nothing of it is taken, by name."""
    meet(database, BEHAVIOURS[name])


@of("text")
@on_sqlite
def test_t27_poisoned_text_is_refused_and_told_harmlessly(database: Database, name: str) -> None:
    """Text that would run or hide is refused where the schema forbids it, and what is told of it is printable."""
    meet(database, BEHAVIOURS[name])


@of("robots")
@on_sqlite
def test_t38_robots_are_obeyed(database: Database, name: str) -> None:
    """Where robots.txt forbids the feed, it is not read, and the node's status says why."""
    meet(database, BEHAVIOURS[name])
