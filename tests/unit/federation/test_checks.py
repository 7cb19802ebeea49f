"""The rules that a node is held to when it joins: what each finds, and what the report says."""

from __future__ import annotations

import asyncio
from itertools import islice, product
from string import ascii_uppercase
from typing import Any

import orjson
import pytest

from federation.checks import ORIGINS, PAGES, Report, examine
from federation.identity import key_of, manifest_url
from federation.rules import RULES, gates
from federation.summary import MOST_BYTES, SHOWN, summary
from federation.verdicts import Trouble
from schema.errors import BadParameter, Later, Refused, Vanished
from tests.integration.crawl.world import FakeNode, World
from tests.services import NOW


@pytest.fixture
def world() -> World:
    """Return a world in which nobody lives yet."""
    return World()


def signed(world: World, *names: str, **options: Any) -> FakeNode:
    """A node that signs all it says."""
    node = world.node(*names, **options)
    node.key("2026-1")
    node.all_again()
    return node


def examined(world: World, url: str = "exa.example", *, aggregator: bool = False) -> Report:
    """Look at a node of the world."""
    return asyncio.run(examine(world.get, url, now=NOW, aggregator=aggregator))


def broken(report: Report) -> list[tuple[str, str]]:
    """What was found wrong: rule and severity."""
    return [(result.rule, result.severity) for result in report.results if not result.kept]


def test_good_node_passes(world: World) -> None:
    """A node that keeps the rules passes all of them, and every rule was asked."""
    node = signed(world)
    node.put("contract", "C-1")
    report = examined(world)
    assert (report.passed, broken(report)) == (True, [])
    others = ("identity-changed", "members")  # asked of a node that is pinned, and of an aggregator
    asked = [rule.id for rule in RULES if rule.part != "conduct" and rule.id not in others]
    assert [result.rule for result in report.results] == asked
    assert orjson.loads(orjson.dumps(summary(report)))["publishers"] == ["GB-LAE-EXA"]


def test_what_only_the_end_or_the_clock_tells_is_asked_too(world: World) -> None:
    """A latest below what was read keeps a node out, as it would at each visit; a clock that runs ahead is told."""
    node = signed(world)
    record_id = node.put("contract", "C-1")
    node.items[record_id]["origin"]["time"] = "2099-01-01T00:00:00Z"
    assert {rule for rule, _severity in broken(examined(world))} >= {"clock"}
    (clock,) = [one for one in examined(world).results if one.rule == "clock"]
    assert clock.found.startswith(f"1 item told of; the first: {record_id} /origin/time")
    node.number = 1
    assert ("latest", "error") in broken(examined(world))


def test_what_only_the_end_of_a_feed_tells_is_not_said_to_be_kept(world: World) -> None:
    """Of a feed that is longer than a look nobody knows what its last page says: those rules are not in the report."""
    node = signed(world, size=2)
    for number in range(8):
        node.put("contract", f"C-{number}")
    report = examined(world)
    assert (report.passed, len(report.steps)) == (True, PAGES)
    assert {result.rule for result in report.results} & {"latest", "latest-named", "not-empty"} == set()


def _relay(world: World, members: bytes | None = None) -> tuple[FakeNode, list[FakeNode]]:
    """An aggregator with a record each of thirty origins, of which its list of members is this, or a good one."""
    relay = signed(world, role="aggregator", size=200)
    relay.more = {"members": f"{relay.url}/v1/nodes"}
    origins = [FakeNode(f"n{number:02d}.example", f"N{chr(65 + number)}") for number in range(26)]
    for origin in origins:
        relay.pass_on(origin.items[origin.put("contract", "C-1")])
    good = orjson.dumps({"items": [{"id": one.id, "manifest": one.manifest()} for one in origins]})
    answer = relay.answer
    relay.answer = lambda url: (members or good) if url.endswith("/v1/nodes") else answer(url)  # type: ignore[method-assign]
    return relay, origins


def test_the_origins_of_an_aggregator_are_those_of_its_list(world: World) -> None:
    """However many there are, they are known from its list of members, and none of them is asked."""
    _relay(world)
    report = examined(world, aggregator=True)
    assert (report.passed, broken(report)) == (True, [])
    assert {url for url, _headers in world.asked if "//n" in url} == set()


@pytest.mark.parametrize("members", [b"<html>", b'{"items": 5}', b"[]"])
def test_a_list_of_members_that_is_none_is_told(world: World, members: bytes) -> None:
    """It is told by its rule; some origins are asked themselves, and of the others nothing is said."""
    _node, origins = _relay(world, members)
    for origin in origins:
        world.faults[origin.url] = Later("It hangs.")
    world.faults.pop(origins[0].url)
    world.servers[origins[0].url] = origins[0]
    report = examined(world, aggregator=True)
    assert ("members", "error") in broken(report)
    told = {trouble.record_id.split("/")[2] for trouble in report.troubles if trouble.rule == "origin-unknown"}
    assert told == {f"n{number:02d}.example" for number in range(1, ORIGINS)}


def test_unreachable_is_told(world: World) -> None:
    """A manifest that cannot be had stops the look at once, as unreachable."""
    world.node()
    for fault in (Later("It hangs."), Vanished("gone", 404)):
        world.faults["https://exa.example"] = fault
        report = examined(world)
        assert (report.unreachable, broken(report)) == (True, [("reachable", "error")])
    world.faults["https://exa.example"] = Refused("content-type", "It is HTML.")
    assert not examined(world).unreachable


def test_feed_that_fails_is_told_apart_from_a_bad_page(world: World) -> None:
    """A feed that does not answer and a page that breaks a rule are different findings, by the ids of the crawl."""
    node = world.node()
    world.faults[node.url + "/v1/changes"] = Later("It hangs.")
    assert broken(examined(world)) == [("reachable", "error")]
    world.faults.clear()
    node.items[f"{node.prefix}organisation/{node.publisher}"]["state"] = "perhaps"
    assert broken(examined(world)) == [("item-state", "error")]


def _prefix(node: FakeNode) -> None:
    node.put("contract", "C-1")
    node.items[f"{node.prefix}contract/C-1"]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"


def _title(node: FakeNode) -> None:
    node.put("contract", "C-1", title=5)


def _foreign(node: FakeNode) -> None:
    other = node.manifest()["publishers"][0] | {"idPrefix": "https://else.example/id/GB-LAE-EXA/"}
    node.more = {"publishers": [*node.manifest()["publishers"], other]}


def _no(member: str) -> Any:
    def bend(node: FakeNode) -> None:
        whole = node.manifest
        node.manifest = lambda: {name: value for name, value in whole().items() if name != member}  # type: ignore[method-assign]

    return bend


def _bare(node: FakeNode) -> None:
    whole = node.page
    node.page = lambda after: {name: value for name, value in whole(after).items() if name != "latest"}  # type: ignore[method-assign]


def _forged(node: FakeNode) -> None:
    node.items[node.put("contract", "C-1")]["data"]["title"] = "forged"


def _unsigned(node: FakeNode) -> None:
    node.signer = None
    node.put("contract", "C-1")


def _unpublished(node: FakeNode) -> None:
    node.key("2026-2", publish=False)
    node.put("contract", "C-1")


def _silent(node: FakeNode) -> None:
    node.signer = None
    node.keys.clear()
    node.all_again()


def _bad_key(node: FakeNode) -> None:
    node.keys["2026-2"] = {**node.keys["2026-1"], "kid": "2026-2", "x": "_" * 43}


def _two_keys(node: FakeNode) -> None:
    node.more = {"keys": [node.keys["2026-1"]] * 2}


BENDS = {
    "forged": (_forged, ("signature-invalid", "error")),
    "unsigned": (_unsigned, ("signature-absent", "error")),
    "unpublished key": (_unpublished, ("signature-unknown-key", "warning")),
    "no key": (_silent, ("signed", "warning")),
    "no point": (_bad_key, ("keys-valid", "error")),
    "one key twice": (_two_keys, ("keys-valid", "error")),
    "manifest": (_no("feeds"), ("manifest-valid", "error")),
    "ids": (_prefix, ("id-prefix", "error")),
    "records": (_title, ("schema", "error")),
    "foreign prefix": (_foreign, ("prefix-own-origin", "warning")),
    "licence": (_no("license"), ("licence", "warning")),
    "contact": (_no("contact"), ("contact", "warning")),
    "epoch": (_no("epoch"), ("epoch-named", "warning")),
    "latest": (_bare, ("latest-named", "warning")),
    "empty": (lambda node: node.items.clear(), ("not-empty", "warning")),
    "role": (lambda node: node.more.update(role="aggregator"), ("relays", "warning")),
    "identity": (lambda node: node.more.update(id="https://else.example/x"), ("manifest-id", "error")),
    "promise": (lambda node: node.more.update(updateFrequency="often"), ("update-frequency", "warning")),
}


@pytest.mark.parametrize(("bend", "expected"), BENDS.values(), ids=BENDS.keys())
def test_each_rule_finds_its_fault(world: World, bend: Any, expected: tuple[str, str]) -> None:
    """A node bent in one way breaks that one rule; only a rule that is a gate keeps it out; and there is advice."""
    node = signed(world)
    bend(node)
    report = examined(world)
    assert broken(report) == [expected]
    assert report.passed == (not gates(expected[0]))
    assert all(result.advice for result in report.results if not result.kept)


@pytest.mark.parametrize(
    ("feed", "broken_rule", "pointer", "found"),
    [
        (
            {"layout": "files"},
            "feed-layout",
            "/feeds/0",
            "The manifest names no feed but of plain files, which is not read yet.",
        ),
        (
            {"url": "https://exa.example:8443/v1/changes"},
            "feed-own-origin",
            "/feeds/0/url",
            "The feed https://exa.example:8443/v1/changes does not lie at the scheme, host and port of the manifest.",
        ),
    ],
)
def test_a_feed_that_is_not_read_keeps_a_node_out(
    world: World, feed: dict[str, str], broken_rule: str, pointer: str, found: str
) -> None:
    """A manifest whose one feed is of plain files, or lies elsewhere, does not pass, and nothing else is asked for."""
    node = signed(world)
    node.more = {"feeds": [node.manifest()["feeds"][0] | feed]}
    report = examined(world)
    told = [(r.rule, r.pointer, r.found) for r in report.results if not r.kept]
    assert (report.passed, report.unreachable, told) == (False, False, [(broken_rule, pointer, found)])
    assert [url for url, _headers in world.asked] == [node.id]


def test_only_an_aggregator_may_relay(world: World) -> None:
    """--aggregator asks for the role; then what it relays is judged by the origins' own manifests."""
    node, relay = signed(world), signed(world, "relay.example", "REL", role="aggregator")
    assert broken(examined(world, aggregator=True)) == [("role", "error")]
    relay.pass_on(node.items[f"{node.prefix}organisation/{node.publisher}"])
    assert broken(examined(world, "relay.example", aggregator=True)) == []
    alone = examined(world, "relay.example")
    assert broken(alone) == [("relays", "warning")]
    (told,) = [result for result in alone.results if not result.kept]
    assert (alone.passed, told.advice) == (True, "Add it with --aggregator to take all.")
    assert "1 of those that were read" in told.found


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Later("It does not resolve.", cause="name"), "spelling"),
        (Later("It refuses.", cause="connection"), "port"),
        (Later("It hangs.", cause="time"), "busy"),
        (Later("It answers 503."), "later"),
        (Later("It answers 429.", 90.0), "90 s"),
        (Later("It broke off.", cause="cut"), "proxy"),
        (Vanished("gone", 404), "/.well-known/folkmoot"),
        (Refused("content-type", "It is HTML."), "application/json"),
        (Refused("redirects", "It leads away."), "redirect"),
        (Refused("url-scheme", "It is http."), "FOLKMOOT_ALLOW_PRIVATE"),
        (Refused("address", "It is private."), "FOLKMOOT_ALLOW_PRIVATE"),
        (Refused("page-bytes", "It is too big."), "less"),
    ],
)
def test_advice_fits_the_cause(world: World, fault: Exception, word: str) -> None:
    """A person is told what to do about this failure, not about failures in general."""
    world.node()
    world.faults["https://exa.example"] = fault
    (told,) = [result for result in examined(world).results if not result.kept]
    assert word in told.advice


def test_a_feed_that_is_not_there_is_told_from_a_manifest_that_is_not(world: World) -> None:
    """Where the manifest is well and its feed answers 404, the advice is about the feed."""
    world.node()
    world.faults["https://exa.example/v1/changes"] = Vanished("gone", 404)
    (told,) = [result for result in examined(world).results if not result.kept]
    assert ("feeds/0/url" in told.advice, "/.well-known" in told.advice) == (True, False)


def _publisher(node: FakeNode, code: str) -> dict[str, Any]:
    return {"identifiers": [{"scheme": "GB-LAE", "id": code}], "idPrefix": f"{node.url}/id/GB-LAE-{code}/"}


def test_a_report_is_of_bounded_length_whatever_a_node_says(world: World) -> None:
    """However many publishers, places and long words a node has, a report names the first and counts all of them."""
    node = signed(world)
    (first,) = node.manifest()["publishers"]
    more = ["".join(letters) for letters in islice(product(ascii_uppercase, repeat=3), 300)]
    node.more["publishers"] = [first, *(first | _publisher(node, code) for code in more)]
    node.put("contract", "C" * 190, title=5)
    report = examined(world)
    told = summary(report)
    assert (len(told["publishers"]), told["publisherCount"]) == (SHOWN, 301)
    assert (len(told["problems"]), told["problemCount"]) == (1, 1)
    long = [Trouble(rule.id, "/\U0001f333" * 5_000, "\U0001f333" * 9_000, "\U0001f333" * 9_000) for rule in RULES]
    report.troubles += long * 5
    told = summary(report)
    assert told["problemCount"] == 1 + 5 * len(RULES)
    assert 0 < len(told["problems"]) < SHOWN
    assert max(len(problem["recordId"]) for problem in told["problems"]) == 300
    assert len(orjson.dumps(told)) <= MOST_BYTES
    report.troubles.clear()
    report.troubles += [Trouble("schema", "", "It is wrong.", f"{node.prefix}{number}") for number in range(900)]
    assert (len(summary(report)["problems"]), summary(report)["problemCount"]) == (SHOWN, 900)


def test_what_only_the_operator_is_told_stands_in_the_operators_own_look(world: World) -> None:
    """`folkmoot check` says what an inward name resolves to; nothing of it stands where anybody reads the report."""
    world.node()
    world.faults["https://exa.example"] = Refused("address", "It is 10.9.8.7.", public="It is not public.")
    report = examined(world)
    (told,) = [result for result in report.results if not result.kept]
    assert (told.found, "10.9.8.7" in told.advice) == ("It is not public.", True)
    assert "FOLKMOOT_ALLOW_PRIVATE" in told.advice
    report.for_anybody()
    assert "10.9.8.7" not in str(summary(report))
    assert "FOLKMOOT_ALLOW_PRIVATE" not in str(summary(report))


def test_what_could_not_be_read_keeps_no_rule(world: World) -> None:
    """Of a part that broke off the rule is told that it broke, and none is said to be kept."""
    node = world.node()
    world.faults["https://exa.example"] = Later("It does not resolve.", cause="name")
    assert [(one.of.id, one.kept) for one in examined(world).results] == [("reachable", False)]
    del world.faults["https://exa.example"]
    world.faults[f"{node.url}/v1/changes"] = Vanished("gone", 404)
    parts = {one.of.part for one in examined(world).results if one.kept}
    assert parts == {"door", "manifest"}


def test_what_to_do_stands_where_anybody_reads_it(world: World) -> None:
    """The advice that fits a failure is not for the operator alone."""
    world.node()
    world.faults["https://exa.example"] = Later("It does not resolve.", cause="name")
    report = examined(world)
    report.for_anybody()
    (told,) = [result for result in report.results if not result.kept]
    assert "spelling" in told.advice


@pytest.mark.parametrize(
    "typed", ["", " ", "https://", "ftp://exa.example", "exa .example", "https://[exa", "http://a:b"]
)
def test_what_can_be_no_address_is_refused_as_an_argument(typed: str) -> None:
    """A slip of the keyboard is told at once, and nothing is asked of the network."""
    with pytest.raises(BadParameter, match=r"such as https://moot"):
        manifest_url(typed)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("exa.example", "https://exa.example/.well-known/folkmoot"),
        ("https://exa.example", "https://exa.example/.well-known/folkmoot"),
        ("https://exa.example/", "https://exa.example/.well-known/folkmoot"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001/.well-known/folkmoot"),
        ("https://exa.example/data/folkmoot.json", "https://exa.example/data/folkmoot.json"),
    ],
)
def test_manifest_is_found_from_what_was_typed(typed: str, url: str) -> None:
    """A host, an origin and the manifest's own address all lead to the manifest."""
    assert manifest_url(typed) == url


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://exa.example/.well-known/folkmoot", "exa.example"),
        ("http://127.0.0.1:8001/.well-known/folkmoot", "127.0.0.1_8001"),
        ("http://[::1]:8001/.well-known/folkmoot", "--1_8001"),
    ],
)
def test_key_is_host_and_port(url: str, key: str) -> None:
    """A node's key is its host, with `_port` where there is one."""
    assert key_of(url) == key
