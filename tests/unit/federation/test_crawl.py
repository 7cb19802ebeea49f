"""Walking one feed: the seam is a dictionary of pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.crawl import Step, walk
from federation.seam import Answer
from schema.change import Loose
from schema.errors import Later, Refused

FEED = "https://exa.example/v1/changes?afterChangeNumber="
OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
Pages = Mapping[str, Any]


def page(here: int, following: int, *numbers: int, **more: Any) -> dict[str, Any]:
    """Make a page: its place, where it leads, the change numbers on it."""
    items = [{"state": "updated", "kind": "contract", "id": f"{n}", "modified": n} for n in numbers]
    return {f"{FEED}{here}": {"next": f"{FEED}{following}", "license": OGL, "items": items} | more}


def read(pages: Pages, start: int = 0, **options: Any) -> list[Step]:
    """Walk to the end; a page that is an exception is raised."""
    steps: list[Step] = []

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        found = pages[url]
        if isinstance(found, Exception):
            raise found
        if (headers or {}).get("If-None-Match") == '"same"':
            return Answer(304, b"", {"etag": '"same"'}, url)
        return Answer(200, found if isinstance(found, bytes) else orjson.dumps(found), {"etag": f'"{url}"'}, url)

    async def go() -> None:
        steps.extend([step async for step in walk(get, f"{FEED}{start}", **options)])

    asyncio.run(go())
    return steps


def rule(pages: Pages, **options: Any) -> str:
    """Walk, and give the rule that was broken."""
    with pytest.raises(Refused) as refused:
        read(pages, **options)
    return refused.value.rule


def test_walk_ends_at_the_end() -> None:
    """Pages come in order, and the last is the one that has no items and whose next is itself."""
    steps = read(page(0, 2, 1, 2) | page(2, 5, 3, 5) | page(5, 5))
    assert [step.page.last_modified for step in steps] == [2, 5, -1]
    assert [step.page.ended for step in steps] == [False, False, True]
    assert steps[-1].etag == f'"{FEED}5"'


def test_budget_stops_between_pages() -> None:
    """A spent budget ends the walk without an end page, and without asking for more."""
    pages = page(0, 1, 1) | page(1, 2, 2) | {f"{FEED}2": Later("not asked")}
    steps = read(pages, budget=2)
    assert [step.page.next for step in steps] == [f"{FEED}1", f"{FEED}2"]
    assert not steps[-1].page.ended


def test_not_modified_is_the_same_end() -> None:
    """A 304 to the ETag of the last end is the end again."""
    (step,) = read(page(7, 7), start=7, etag='"same"')
    assert (step.same, step.page.ended, step.page.url) == (True, True, f"{FEED}7")


def test_later_comes_through() -> None:
    """What the network raises is raised, after the pages before it were given."""
    with pytest.raises(Later):
        read(page(0, 1, 1) | {f"{FEED}1": Later("down")})


@pytest.mark.parametrize(
    ("pages", "broken"),
    [
        (page(0, 0, 1), "next-advances"),
        (page(0, 1, 1) | page(1, 0, 2), "next-advances"),
        (page(0, 2, 1, 2) | page(2, 3, 2), "items-ordered"),
        (page(0, 2, 2, 1), "items-ordered"),
        (page(0, 2, 1, 1), "items-ordered"),
        (page(0, 5, 5) | page(5, 6, 3), "items-ordered"),
        (page(0, 1, 1, epoch=""), "page-members"),
        ({f"{FEED}0": b"[]"}, "page-members"),
        ({f"{FEED}0": b"{"}, "page-json"),
        ({f"{FEED}0": b"\xef\xbb\xbf{}"}, "page-json"),
        ({f"{FEED}0": b'{"next":"\xff"}'}, "page-json"),
        ({f"{FEED}0": {"items": [], "license": OGL}}, "page-members"),
        ({f"{FEED}0": {"items": [], "next": f"{FEED}0"}}, "page-members"),
        ({f"{FEED}0": {"items": [], "license": OGL, "next": "https://else.example/v1/changes"}}, "next-same-path"),
        ({f"{FEED}0": {"items": [], "license": OGL, "next": "https://exa.example/v1/other"}}, "next-same-path"),
        ({f"{FEED}0": {"items": [], "license": OGL, "next": "http://[::1"}}, "next-same-path"),
        ({f"{FEED}0": {"items": [], "license": OGL, "next": f"{FEED}1\x00"}}, "next-same-path"),
    ],
)
def test_broken_feeds_are_refused(pages: Pages, broken: str) -> None:
    """A feed that loops, rewinds, leaves its host or is no page is refused with the rule that it broke."""
    assert rule(pages) == broken


def test_a_next_that_goes_back_is_refused_with_both_numbers() -> None:
    """A page whose next has a lower change number than its own is refused, though that page was never read."""
    with pytest.raises(Refused, match=r"^next goes back from 5 to 3\.$") as refused:
        read(page(5, 3, 6) | page(3, 6, 7) | page(6, 6), start=5)
    assert (refused.value.rule, refused.value.pointer) == ("next-advances", "/next")


def test_twenty_empty_pages_are_refused() -> None:
    """Nineteen empty pages that lead on are borne, twenty are not."""
    pages: dict[str, Any] = {}
    for number in range(30):
        pages |= page(number, number + 1)
    assert rule(pages) == "empty-pages"
    assert len(read(dict(list(pages.items())[:19]) | page(19, 19))) == 20


def test_items_below_the_cursor_are_refused() -> None:
    """A page may not go back behind what was read in an earlier visit."""
    assert rule(page(7, 9, 5), start=7, after=7) == "items-ordered"


def test_next_page_is_fetched_while_one_is_worked_on() -> None:
    """The next page is asked for before the reader has finished with the one that it was given."""
    asked: list[str] = []
    pages = page(0, 1, 1) | page(1, 1)

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        del headers
        asked.append(url)
        return Answer(200, orjson.dumps(pages[url]))

    async def go() -> list[int]:
        seen = []
        async for _step in walk(get, f"{FEED}0"):
            await asyncio.sleep(0.01)
            seen.append(len(asked))
        return seen

    assert asyncio.run(go()) == [2, 2]


def test_walk_that_is_left_cancels_what_it_asked() -> None:
    """A reader that stops in the middle leaves no request running."""
    pages = page(0, 1, 1)
    cancelled: list[str] = []

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        del headers
        if url not in pages:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(url)
                raise
        return Answer(200, orjson.dumps(pages[url]))

    async def go() -> None:
        steps = walk(get, f"{FEED}0")
        async for _step in steps:
            await asyncio.sleep(0)
            break
        await steps.aclose()

    asyncio.run(go())
    assert cancelled == [f"{FEED}1"]


@given(st.lists(st.integers(1, 200), unique=True, max_size=40), st.integers(1, 7))
def test_any_page_size_gives_the_same_items(numbers: list[int], size: int) -> None:
    """Whatever the page size, a feed read by `next` gives each change once, in order."""
    pages: dict[str, Any] = {}
    ordered, here = sorted(numbers), 0
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        pages |= page(here, part[-1], *part)
        here = part[-1]
    steps = read(pages | page(here, here))
    assert [modified(item) for step in steps for item in step.page.items] == ordered


def modified(item: bytes | Loose) -> int:
    """Give an item's change number, however its page was read."""
    number: int = item.modified if isinstance(item, Loose) else orjson.loads(item)["modified"]
    return number
