"""Feeds that are out of order, doubled, resurrected and at odds with themselves, against a plain model (T08).

A page that breaks a rule of the whole ends the reading and changes nothing; an item that is at fault is refused alone;
of the rest the origin's highest number wins, equal numbers keep what is the better by content, and reading twice, or in
visits of any length, gives the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import judge, verdicts
from federation.crawl import walk
from federation.merge import Held, hear
from federation.seam import Answer
from schema.errors import Refused
from tests.machine import examples
from tests.proof import figure

HOST = "https://exa.example"
NODE = f"{HOST}/.well-known/folkmoot"
FEED = f"{HOST}/v1/changes"
PREFIX = f"{HOST}/id/GB-LAE-EXA/"
SOURCE = verdicts.Source(1, NODE, {PREFIX: "GB-LAE-EXA"})
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
Item = dict[str, Any]
State = dict[str, tuple[int, bool, bytes]]
"""Record id -> the origin's number, whether it is gone, and what it says."""
READ = examples(2_000, release=20_000)

_KINDS = st.sampled_from(["contract", "tool", "event"])
_FORMS = st.sampled_from(["updated"] * 6 + ["deleted"] * 3 + ["both", "neither", "no reason", "of another kind"])


@st.composite
def _items(draw: st.DrawFn) -> Item:
    """An item about one of a few records; its numbers, its form and its kind may all be at odds."""
    kind, form = draw(_KINDS), draw(_FORMS)
    reference = f"R-{draw(st.integers(1, 2))}"
    number = draw(st.integers(1, 6))
    seq = number if draw(st.integers(0, 3)) else draw(st.integers(1, 6))
    origin = {"node": NODE, "publisher": "GB-LAE-EXA", "seq": seq, "time": "2026-11-02T09:00:00Z"}
    item: Item = {"kind": kind, "id": f"{PREFIX}{kind}/{reference}", "modified": number, "origin": origin}
    data = {"reference": reference, "name": "n", "title": draw(st.sampled_from(["a", "b"]))}
    gone: Item = {"state": "deleted", "reason": draw(st.sampled_from(["ended", "error"]))}
    bent: dict[str, Item] = {
        "updated": {"state": "updated", "data": data},
        "deleted": gone,
        "both": gone | {"data": data},
        "neither": {"state": "updated"},
        "no reason": {"state": "deleted"},
        "of another kind": {"state": "updated", "data": data, "kind": "skill"},
    }
    return item | bent[form]


@st.composite
def feeds(draw: st.DrawFn) -> list[list[Item]]:
    """Pages of items: mostly in order, as an honest node gives them; some are not, and say the same record twice."""
    items = draw(st.lists(_items(), max_size=9))
    if draw(st.integers(0, 4)):
        for number, item in enumerate(items, 1):
            item["origin"]["seq"] += number - item["modified"] if item["origin"]["seq"] == item["modified"] else 0
            item["modified"] = number
    size = draw(st.integers(1, 4))
    return [items[start : start + size] for start in range(0, len(items), size)]


def served(pages: Sequence[Sequence[Item]]) -> Mapping[str, bytes]:
    """The pages as they are asked for, each under the number of its place, and the end."""
    urls = [f"{FEED}?afterChangeNumber={place}" for place in range(len(pages) + 1)]
    told = {
        url: {"next": following, "items": items, "license": "https://exa.example/"}
        for url, following, items in zip(urls, urls[1:], pages, strict=False)
    }
    told[urls[-1]] = {"next": urls[-1], "items": [], "license": "https://exa.example/"}
    return {url: orjson.dumps(page) for url, page in told.items()}


class Reader:
    """Reads pages by the code: walked, judged and merged, in visits of so many pages, each page so many times."""

    def __init__(self, pages: Sequence[Sequence[Item]], *, budget: int, times: int) -> None:
        self.answers, self.budget, self.times = served(pages), budget, times
        self.held = dict[str, Held]()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:  # noqa: ARG002 - the seam's
        return Answer(200, self.answers[url], {}, url, 1)

    def take(self, items: Sequence[Any]) -> None:
        judged = judge.judge(judge.read(items), SOURCE, me="https://moot.example/m", origins={}, now=NOW)
        for statement, _ends in judged.heard:
            self.held[statement.id] = hear(self.held.get(statement.id, Held()), statement)

    async def visit(self, url: str, after: int) -> tuple[str, int] | None:
        """Read on from a page; gives where the next visit begins, None at the end."""
        async for step in walk(self.get, url, after=after, budget=self.budget):
            if step.page.ended:
                return None
            for _time in range(self.times):
                self.take(step.page.items)
            url, after = step.page.next, step.page.last_modified
        return url, after

    async def visits(self) -> None:
        place: tuple[str, int] | None = (f"{FEED}?afterChangeNumber=0", -1)
        try:
            while place is not None:
                place = await self.visit(*place)
        except Refused:
            return


def read(pages: Sequence[Sequence[Item]], *, budget: int = 2_000, times: int = 1) -> State:
    """What the code makes of pages."""
    reader = Reader(pages, budget=budget, times=times)
    asyncio.run(reader.visits())
    return {record: _state(one) for record, one in reader.held.items()}


def _state(held: Held) -> tuple[int, bool, bytes]:
    winner = held.winner
    assert winner is not None
    return winner.seq, winner.deleted, winner.data or (winner.reason or "").encode()


def model(pages: Sequence[Sequence[Item]]) -> State:
    """What the protocol says comes of it, in a few plain lines that share nothing with the code."""
    found, last = State(), -1
    for page in pages:
        numbers, ids = [item["modified"] for item in page], [item["id"] for item in page]
        if any(one >= other for one, other in zip([last, *numbers], numbers, strict=False)) or len(set(ids)) < len(ids):
            return found
        last = numbers[-1]
        for item in page:
            data, reason, gone = item.get("data"), item.get("reason"), item["state"] == "deleted"
            known = item["id"].split("/")[-2] == item["kind"] != "skill"
            if not known or gone != (data is None) or (gone and reason is None):
                continue
            body = str(reason).encode() if gone else orjson.dumps(data)
            said = (item["origin"]["seq"], gone, body)
            before = found.get(item["id"])
            if before is None or said > before:
                found[item["id"]] = said
    return found


@READ
@given(pages=feeds(), budget=st.integers(1, 3))
def _agrees(pages: list[list[Item]], budget: int) -> None:
    assert read(pages) == model(pages)
    assert read(pages, budget=budget, times=2) == model(pages)


@pytest.mark.proof
def test_t08_a_feed_at_odds_with_itself_is_read_as_the_model_says() -> None:
    """Whatever the order, doubles, returns and contradictions of a feed, each record ends as the model says."""
    _agrees()
    figure("T08", f"feeds at odds with themselves, {READ.max_examples:,}: records that differ", 0, goal="0")
