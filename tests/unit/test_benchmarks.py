"""The bench's own pure parts: what it measures with must itself be right."""

from __future__ import annotations

import orjson

from benchmarks import words
from benchmarks.generate import FEEDS, PAGE, PUBLISHERS, Feed, codes, feeds, pages
from federation.search.fields import analyser
from schema.change import check_page, read_item
from schema.identifiers import split_id
from schema.kinds import parse
from schema.manifest import Manifest

BASE = "http://127.0.0.1:18700"


def test_the_generator_gives_the_same_bytes_every_time() -> None:
    """The same page of the same register is the same bytes, plain and compressed, however it is come by."""
    first, again = list(pages(1_200, base_url=BASE)), list(pages(1_200, base_url=BASE))
    assert first == again
    assert [page.packed() for page in first] == [page.packed() for page in again]
    assert Feed(BASE, 1_200).page(2) == first[2]


def test_a_smaller_register_is_the_beginning_of_a_larger_one() -> None:
    """Growth is measured on the same records and more, not on others."""
    small, large = Feed(BASE, 1_000), Feed(BASE, 5_000)
    assert small.page(1).body == large.page(1).body


def test_pages_keep_the_rules_of_our_own_protocol() -> None:
    """Every page, item, record, id and manifest that is generated is valid by the code that crawls."""
    feed = Feed(BASE, 1_200, 3, FEEDS)
    manifest = Manifest.parse(feed.manifest())
    prefixes = {one.id_prefix for one in manifest.publishers}
    count = 0
    for page in feed.pages():
        checked = check_page(page.body, feed.url(page.after))
        assert checked.next == feed.url(page.next)
        for raw in checked.items:
            item = read_item(raw)
            assert item.data is not None
            parse(item.kind, item.data)
            prefix = next(p for p in prefixes if item.id.startswith(p))
            count += split_id(item.id, prefix)[0] == "contract"
    assert count == 1_200
    end = feed.page(-(-feed.changes // PAGE))
    assert check_page(end.body, feed.url(feed.changes)).ended


def test_a_size_is_shared_out_whole_among_the_nodes() -> None:
    """However many nodes there are, the contracts are as many as asked for and every publisher has one node."""
    made = feeds(10_003, [f"http://127.0.0.{n}:18700" for n in range(1, FEEDS + 1)])
    assert sum(feed.records for feed in made) == 10_003
    assert sum(page.records for feed in made[:1] for page in feed.pages()) == made[0].records
    names = [one["name"] for feed in made for one in feed.publishers]
    assert len(names) == len(set(names)) == PUBLISHERS


def test_no_stemmer_changes_a_word() -> None:
    """Engines that stem and engines that do not find the same records, so their counts can be held to be equal."""
    analysed = analyser()
    assert [word for word in words.prose() if analysed.analyze(word) != [word]] == []
    assert len(set(words.prose())) == words.VOCABULARY


def test_no_name_is_a_word_of_prose() -> None:
    """A word of a title is not found in the name of a supplier or a council, whatever an engine indexes of them."""
    assert not {name.casefold() for name in words.names(8_350)} & set(words.prose())


def test_the_shape_is_that_of_a_register() -> None:
    """About 1.1 KB a record, 990 codes, titles of 6 to 9 words, descriptions of 30 to 50."""
    page = Feed(BASE, 5_000).page(4)
    assert 500_000 < len(page.body) < 640_000
    assert len(codes()) == len(set(codes())) == 990
    data = [item["data"] for item in orjson.loads(page.body)["items"]]
    assert {len(one["title"].split()) for one in data} == {6, 7, 8, 9}
    assert all(30 <= len(one["description"].split()) <= 50 for one in data)
