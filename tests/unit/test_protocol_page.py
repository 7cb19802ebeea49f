"""docs/protocol.md says what the code does: its figures, its lists and its example are held to it."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from exchange import columns
from schema import change
from schema.kinds import parse

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_example_is_a_page_that_a_reader_takes() -> None:
    """The example on the page passes the rules of a page, and each of its items those of an item."""
    assert EXAMPLE is not None
    url = "https://moot.exampleshire.example/v1/changes?afterChangeNumber=1452"
    page = change.check_page(EXAMPLE.group(1).encode(), url)
    items = [change.read_item(raw) for raw in page.items]
    assert [item.deleted for item in items] == [False, True]
    assert items[0].data is not None
    parse(items[0].kind, items[0].data)


@pytest.mark.parametrize(
    ("sentence", "figure"),
    [
        (r"at most\s+\*\*(\d+)\*\* items", change.PAGE_SIZE),
        (r"passes (\d+) aggregators", change.MAX_HOPS),
        (r"doubled, more than ([\d,]+) or", change.MAX_ITEMS),
        (r"an item (\d+) KB", change.MAX_ITEM_BYTES // 1024),
        (r"at most ([\d,]+), those that most of its records", columns.MOST),
        (r"whose path has more than (\d+) characters", columns.LONGEST),
    ],
)
def test_figures_are_those_of_the_code(sentence: str, figure: int) -> None:
    """A figure on the page is the figure in the code."""
    found = re.search(sentence, PAGE)
    assert found is not None
    assert int(found.group(1).replace(",", "")) == figure


def test_every_reason_of_a_tombstone_is_named() -> None:
    """A reason that the code takes stands on the page."""
    assert all(f"`{reason}`" in PAGE for reason in change.REASONS)


def test_example_is_one_json_object() -> None:
    """The example can be copied into a program."""
    assert EXAMPLE is not None
    assert set(orjson.loads(EXAMPLE.group(1))) == {"next", "epoch", "license", "items"}
