"""Names that others gave us do not pile up: hosts and origins are forgotten when nothing here needs them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from federation import forgetting, hosts
from federation.database import insert, table
from federation.erasure import Eraser
from schema.tables import Host, Origin, Unproven
from tests.integration.crawl.world import Aggregator, World


def _places(moot: Aggregator) -> set[str]:
    with moot.database.read() as session:
        return set(session.connection().execute(select(table(Host).c.place)).scalars())


def _origins(moot: Aggregator) -> set[str]:
    with moot.database.read() as session:
        return {name.split("/")[2] for name in session.connection().execute(select(table(Origin).c.id)).scalars()}


def _turn(moot: Aggregator) -> None:
    Eraser(moot.database, clock=moot.world.clock).turn()


def _asked(moot: Aggregator, place: str) -> None:
    """Somebody looks at a host, and leaves it."""
    at = moot.world.now
    with moot.database.write() as session:
        assert hosts.take(session, place, "check", at=at, until=at + timedelta(seconds=60)) is not None
        hosts.leave(session, place, "check", free_at=at)


def test_a_host_is_kept_for_a_day_unless_a_feed_is_read_there(moot: Aggregator, world: World) -> None:
    """Hosts that were only looked at go a day later, and once a day; that of a node stays with its robots.txt."""
    moot.add(world.node())
    moot.crawl()
    _asked(moot, "old.example:443")
    world.pass_time(hours=23)
    _asked(moot, "new.example:443")
    _turn(moot)
    assert _places(moot) == {"exa.example:443", "old.example:443", "new.example:443"}
    world.pass_time(hours=2)
    _turn(moot)
    assert "old.example:443" in _places(moot), "it was looked within the last day"
    _asked(moot, "new.example:443")
    world.pass_time(hours=22, minutes=30)
    _turn(moot)
    assert _places(moot) == {"exa.example:443", "new.example:443"}
    world.pass_time(days=1)
    _turn(moot)
    assert _places(moot) == {"exa.example:443"}


def test_a_host_that_is_asked_just_now_stays(moot: Aggregator, world: World) -> None:
    """A row that looked forgotten and was taken meanwhile is not taken away from who has the turn."""
    _asked(moot, "old.example:443")
    world.pass_time(days=2)
    before = world.now - forgetting.HOST_AFTER
    with moot.database.read() as session:
        assert forgetting._idle(session, before) == ["old.example:443"]
    _asked(moot, "old.example:443")
    with moot.database.write() as session:
        forgetting._forget(session, ["old.example:443"], [], world.now)
    assert _places(moot) == {"old.example:443"}


def test_an_origin_is_kept_while_anything_names_it(moot: Aggregator, world: World) -> None:
    """What was learnt of an origin goes when no record, shadow or unproven word is left of it, after thirty days."""
    relays = [
        world.node(f"relay{n}.example", code, role="aggregator", size=50) for n, code in enumerate(("REA", "REB"))
    ]
    origins = {name: world.node(f"{name}.example", name.upper()) for name in ("kept", "shadow", "word", "gone", "lost")}
    for name in ("kept", "lost"):
        relays[0].pass_on(origins[name].items[origins[name].put("contract", "C")])
    for relay in relays:
        relay.pass_on(origins["shadow"].items[origins["shadow"].put("contract", "C")])
        moot.add(relay, relays=True)
    moot.crawl()
    moot.add(origins["shadow"])
    moot.crawl()
    now = world.now
    said = {"kind": "contract", "publisher": "P", "origin": b"{}", "seq": 1, "rank": 1, "node_id": 1}
    with moot.database.write() as session:
        old = {"prefixes": "{}", "fetched": now}
        insert(session, Origin, [old | {"id": origins[name].id} for name in ("word", "gone", "shadow")])
        insert(session, Unproven, [said | {"id": "https://word.example/x", "origin_node": origins["word"].id}])
    everything = {f"{name}.example" for name in origins}
    world.pass_time(days=29)
    _turn(moot)
    assert _origins(moot) == everything
    world.pass_time(days=2)
    _turn(moot)
    assert _origins(moot) == everything - {"gone.example"}
