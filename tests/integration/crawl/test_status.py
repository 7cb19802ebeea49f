"""What is told of the nodes: `/v1/nodes`, its paging, the figures, and the bound on problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.app import create_app
from federation import nodes, status, told
from federation.verdicts import Trouble
from schema.change import PAGE_BYTES
from schema.errors import Conflict, NotFound
from tests.integration.crawl.world import NOW, Aggregator, World, problems
from tests.services import client, make_services

MEMBERS = {
    "key", "id", "name", "role", "state", "publishers", "lastVisit", "lastGoodVisit", "nextVisit", "staleSince",
    "records", "accepted", "refused", "held", "behind", "latencyMs", "signature", "freshness", "quality", "manifest",
    "keys", "problems",
}  # fmt: skip
BESIDE = {
    "deleted", "visits", "failedInARow", "lastReport", "freshnessPromised", "freshnessKept", "qualityParts",
    "problemCounts", "webhook", "signatures",
}  # fmt: skip


def test_item_has_the_members_of_the_protocol(moot: Aggregator, world: World) -> None:
    """An item of `/v1/nodes` has the members of protocol section 5 and ours beside them, with true figures."""
    node = world.node()
    node.put("contract", "C-1")
    node.put("contract", "C-2", title=5)
    moot.add(node)
    moot.crawl()
    with moot.database.read() as session:
        found = status.one(session, "exa.example", now=NOW)
        assert status.listing(session, now=NOW) == [{n: v for n, v in found.items() if n != "withdrawn"}]
    assert found.keys() == MEMBERS | BESIDE | {"withdrawn"}
    assert (found["records"], found["accepted"], found["refused"], found["behind"]) == (2, 2, 1, 0)
    assert (found["manifest"]["id"], found["state"]) == (node.id, "active")
    parts = {"accepted": 0.6667, "availability": 1.0, "completeness": 0.0, "freshness": None, "released": 1.0}
    assert (found["qualityParts"], found["quality"]) == (parts, 0.6667)
    assert found["visits"] == {"all": 1, "good": 1, "pages": 2}
    report = {name: found["lastReport"][name] for name in ("outcome", "pages", "accepted", "refused", "created")}
    assert report == {"outcome": "ended", "pages": 2, "accepted": 2, "refused": 1, "created": 2}
    assert found["lastVisit"].endswith("Z")
    (problem,) = [one for one in found["problems"] if one["rule"] != "signed"]
    assert problem.keys() == {
        "rule", "severity", "pointer", "recordId", "message", "count", "firstSeen", "lastSeen"
    }  # fmt: skip


def test_behind_says_what_is_missing(moot: Aggregator, world: World) -> None:
    """A feed that was not read to its end is behind by what its last end said."""
    node = world.node(size=1)
    moot.add(node)
    moot.crawl()
    with moot.database.read() as session:
        (figures,) = status.figures(session, moot.world.now)
    assert (figures.key, figures.accepted, figures.behind, figures.fails) == ("exa.example", 1, 0, 0)


def test_unknown_key_is_not_found(moot: Aggregator) -> None:
    """No node, and no key that a database could choke on, is a fault of ours."""
    with moot.database.read() as session:
        for key in ("nobody", "a\x00b", ""):
            with pytest.raises(NotFound):
                status.one(session, key)
        with pytest.raises(NotFound):
            nodes.find(session, "nobody")


def test_api_pages_by_key(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """The list goes by key, page after page, with an exact count; one node is found by its key."""
    for n in range(5):
        moot.add(world.node(f"n{n}.example", f"N{chr(65 + n)}X"))
    services = make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)
    ask = client(create_app(services))
    first = ask.get("/v1/nodes?limit=2").json()
    assert first["count"] == {"value": 5, "exact": True}
    keys, following = [item["key"] for item in first["items"]], first["next"]
    while following:
        page = ask.get(following).json()
        keys += [item["key"] for item in page["items"]]
        following = page["next"]
    assert keys == [f"n{n}.example" for n in range(5)]
    assert ask.get("/v1/nodes/n3.example").json()["key"] == "n3.example"
    assert ask.get("/v1/nodes/nobody").status_code == 404
    assert ask.get("/v1/nodes?limit=0").status_code == 422
    assert ask.get("/v1/nodes?cursor=x").status_code == 422
    assert ask.get("/v1/nodes?limits=2").status_code == 422
    again = ask.get("/v1/nodes", headers={"If-None-Match": ask.get("/v1/nodes").headers["etag"]})
    assert again.status_code == 304


def test_a_page_of_the_list_is_bounded_in_bytes(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """A page ends before the node that would make it too large, by manifest or problems; one too large stands alone."""
    for n, size in enumerate([40, 40, 160, 0, 0, 0]):
        node = world.node(f"n{n}.example", f"N{chr(65 + n)}X")
        node.more["note"] = ["x" * 10_000] * size
        moot.add(node)
    with moot.database.write() as session:
        for node_id in (4, 5, 6):
            told.tell(session, node_id, [Trouble("schema", "", "€" * 2_000, f"id {n}") for n in range(100)], NOW)
    ask = client(create_app(make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)))
    pages, following = [], "/v1/nodes?limit=4"
    while following:
        answer = ask.get(following)
        pages.append([item["key"].partition(".")[0] for item in answer.json()["items"]])
        assert len(answer.content) < PAGE_BYTES + 1_000 or len(pages[-1]) == 1
        assert all(item["manifest"]["id"] == item["id"] for item in answer.json()["items"])
        following = answer.json()["next"]
    assert pages == [["n0", "n1"], ["n2"], ["n3", "n4"], ["n5"]]


def test_what_needs_no_manifest_reads_none(
    moot: Aggregator, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Badge, feeds and the page of all nodes are made without a node's manifest, which may be of megabytes."""
    node = world.node()
    node.more["updateFrequency"] = "P1D"
    moot.add(node)
    moot.crawl()
    ask = client(create_app(make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)))
    asked = ["/v1/nodes/exa.example/badge.svg", "/nodes", "/v1/nodes/exa.example?format=atom"]
    monkeypatch.setattr(status, "_papers", lambda _row: pytest.fail("a manifest was read"))
    assert [ask.get(one).status_code for one in asked] == [200] * 3
    figures = ask.get("/v1/nodes/exa.example?format=jsonfeed").json()["_folkmoot"]["node"]
    assert figures.keys() == (MEMBERS | BESIDE) - {"problems", "publishers", "manifest", "keys"}
    assert figures["freshnessPromised"] == "P1D"


def test_problems_are_bounded(moot: Aggregator, world: World) -> None:
    """Past a thousand rows a node's further problems are counted together, one row a rule."""
    moot.add(world.node())
    for start in (0, 900):
        troubles = [Trouble("schema", "/data/title", "No title.", f"id {n}") for n in range(start, start + 900)]
        with moot.database.write() as session:
            told.tell(session, 1, troubles, NOW)
    found = problems(moot.database)
    assert len(found) == 901
    assert (found[-1].record_id, found[-1].pointer, found[-1].count) == (told.MANY, "", 900)


def test_own_ids_cannot_be_claimed(moot: Aggregator, world: World) -> None:
    """A node whose prefix overlaps one of our own publishers, or that is ourselves, is not pinned."""
    node = world.node("moot.example", "AGG")
    node.id = node.url + "/other.json"
    node.prefix = f"{moot.url}/id/XM-TEST-AGG/"
    with pytest.raises(Conflict, match="which is this server's own, or was"):
        moot.add(node)
    with pytest.raises(Conflict, match="itself"):
        moot.add(moot)


def test_node_is_pinned_once(moot: Aggregator, world: World) -> None:
    """Adding a node twice says under which key it is known."""
    node = world.node()
    moot.add(node)
    with pytest.raises(Conflict, match=r"exa\.example"):
        moot.add(node)
