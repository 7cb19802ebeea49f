"""The bench's own pure parts: what it measures with must itself be right."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest

from benchmarks import equality, load, telling, words
from benchmarks.drawing import HEIGHT, WIDTH, growth
from benchmarks.environments import PEERS
from benchmarks.equality import digest
from benchmarks.figures import BY_KEY, FIGURES, MILLION, Figure, Measured, said, verdict
from benchmarks.generate import FEEDS, PAGE, PUBLISHERS, SIZES, Feed, codes, feeds, pages
from benchmarks.growing import slope
from benchmarks.importing import register
from benchmarks.ours import OWN
from benchmarks.peers import tables
from benchmarks.places import HERE
from benchmarks.processes import Failed
from benchmarks.scene import five, terms
from benchmarks.taking_turns import percentile, ratio, turns
from exchange.reading import PublisherFacts, read_register
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


def measured(key: str, size: int = 100_000, **values: float) -> Measured:
    return Measured(key, values, size, "a note", {"ours": [1.0, 2.0]})


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    """Each pair is one ratio, so that a slow moment spoils one pair and not the figure."""
    assert ratio([10, 20, 400], [1, 2, 4]) == 10
    assert turns({"a": lambda n: n, "b": lambda n: -n}, 3) == {"a": [0, 1, 2], "b": [0, -1, -2]}
    with pytest.raises(ValueError, match="argument"):
        ratio([1, 2], [1])


def test_sides_take_turns() -> None:
    """A B A B, never A A B B."""
    order: list[str] = []

    def side(name: str) -> Callable[[int], float]:
        def turn(number: int) -> float:
            order.append(f"{name}{number}")
            return 0.0

        return turn

    turns({"a": side("a"), "b": side("b")}, 2)
    assert order == ["a0", "b0", "a1", "b1"]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """p99 of a hundred is the last but none: the nearest rank, never a mean of two."""
    assert percentile([float(n) for n in range(100, 0, -1)], 0.99) == 100
    assert percentile([3.0], 0.5) == 3


def test_a_figure_below_its_gate_fails_the_bench() -> None:
    """Below the gate, short of the goal and met are three answers; only the first fails."""
    figure = BY_KEY["crawl.scrapy"]
    found = [measured("crawl.scrapy", x=x) for x in (3.4, 3.5, 5.9, 6.0)]
    assert [verdict(figure, one) for one in found] == ["below the gate", "short", "short", "met"]
    assert telling.failed(found) == found[:1]


def test_a_goal_is_judged_at_the_size_that_it_names() -> None:
    """What is promised of a million records is only told of fewer, and what has no gate never fails."""
    figure = BY_KEY["search.window"]
    assert verdict(figure, measured("search.window", x=500.0)) == "told"
    assert verdict(figure, measured("search.window", MILLION, x=500.0)) == "short"
    assert verdict(figure, measured("search.window", MILLION, x=9.0)) == "met"
    assert verdict(BY_KEY["crawl.memory"], measured("crawl.memory", x=301.0)) == "below the gate"


def test_milliseconds_or_times_whichever_is_larger() -> None:
    """A quick page may cost a millisecond more than in process; a slow one may take half as long again."""
    figure = BY_KEY["search.process"]
    assert verdict(figure, measured("search.process", over=0.9, x=3.0)) == "met"
    assert verdict(figure, measured("search.process", over=9.0, x=1.4)) == "met"
    assert verdict(figure, measured("search.process", over=1.5, x=1.8)) == "short"
    assert verdict(figure, measured("search.process", over=2.5, x=2.1)) == "below the gate"


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_every_figure_can_be_said_and_judged(figure: Figure) -> None:
    """Title, goal, gate and shape of each figure fit the values that it is measured by."""
    values = {"x": 1.0, "over": 0.5, "p50": 10.0, "p99": 20.0, "writes": 0.0, "others": 0.0}
    found = Measured(figure.key, values, MILLION)
    assert said(figure, found)
    assert verdict(figure, found) in ("met", "short", "below the gate", "told")
    assert figure.goal.text
    assert figure.how.endswith(".")
    assert figure.key in telling.table([found])


def test_the_exponent_is_that_of_the_growth() -> None:
    """Seconds that grow as the records do have exponent 1, as their square 2."""
    assert slope({10: 1.0, 100: 10.0, 1_000: 100.0}) == pytest.approx(1.0)
    assert slope({10: 3.0, 100: 300.0}) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "lines", [{"ours": {10_000: 1.5, 1_000_000: 160.0}, "a & b <c>": {10_000: 9.0}}, {"x": {7: 0.02}}]
)
def test_the_drawing_is_well_formed(lines: dict[str, dict[int, float]]) -> None:
    """The SVG is XML, says what it shows to those who cannot see it, and draws each point within its frame."""
    root = ET.fromstring(growth(lines, title="Growth & more", note="Seconds <by> records"))  # noqa: S314 - ours
    space = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{space}title") is not None
    circles = root.findall(f"{space}circle")
    assert len(circles) == sum(map(len, lines.values()))
    assert all(
        0 <= float(one.get("cx", "-1")) <= WIDTH and 0 <= float(one.get("cy", "-1")) <= HEIGHT for one in circles
    )


def peer_file(path: Path, titles: dict[str, str]) -> Path:
    records = [
        (f"http://127.0.0.1/id/GB-LAE-ZQAA/contract/{one}", "contract", "GB-LAE-ZQAA", number, data(title))
        for number, (one, title) in enumerate(titles.items())
    ]
    tables.from_store(str(path), records)
    return path


def data(title: str) -> bytes:
    told = {"title": title, "endDate": "2027-01-31", "classifications": [{"scheme": "CPV", "id": "48000000"}]}
    return orjson.dumps(told)


def test_a_difference_in_one_record_ends_the_bench(tmp_path: Path) -> None:
    """Count and hash over all records tell two stores apart that differ in one word of one record."""
    one = equality.of_peer(peer_file(tmp_path / "one.db", {"A": "damavabu kofanu", "B": "darala"}))
    again = equality.of_peer(peer_file(tmp_path / "again.db", {"B": "darala", "A": "damavabu kofanu"}))
    other = equality.of_peer(peer_file(tmp_path / "other.db", {"A": "damavabu kofanu", "B": "darali"}))
    equality.held("records", one, again)
    with pytest.raises(equality.Differs, match="records"):
        equality.held("records", one, other)


def test_a_hash_does_not_mind_how_data_is_spelled() -> None:
    """Order of records and members and spaces in JSON do not count; values do."""
    assert digest([("a", b'{"x":1,"y":2}'), ("b", b"{}")]) == digest([("b", "{}"), ("a", '{ "y": 2, "x": 1 }')])
    assert digest([("a", b'{"x":1}')]) != digest([("a", b'{"x":1.0}')])
    assert digest([("a", b"{}")]) != digest([("b", b"{}")])


@pytest.mark.parametrize("wrong", ["count", "value", "rest", "exact"])
def test_facets_that_differ_end_the_bench(tmp_path: Path, wrong: str) -> None:
    """A facet of ours must have the peer's counts, the peer's values and the peer's rest, and say that it is exact."""
    counts = equality.counted(peer_file(tmp_path / "one.db", {"A": "kofanu", "B": "kofanu", "C": "darala"}), "kofanu")
    assert counts == {"publisher": {"GB-LAE-ZQAA": 2}, "cpv": {"48": 2}, "endYear": {"2027": 2}}

    def answer() -> dict[str, dict[str, dict[str, Any]]]:
        return {"facets": {n: {"items": [{"value": v, "count": c} for v, c in held.items()], "other": 0, "exact": True}
                           for n, held in counts.items()}}  # fmt: skip

    equality.hold_facets("equal", answer(), counts)
    broken = answer()
    changes: dict[str, dict[str, object]] = {"rest": {"other": 1}, "exact": {"exact": False}}
    if wrong in changes:
        broken["facets"]["cpv"] |= changes[wrong]
    else:
        broken["facets"]["cpv"]["items"][0][wrong] = "50" if wrong == "value" else 3
    with pytest.raises(equality.Differs):
        equality.hold_facets("broken", broken, counts)


def test_the_page_lists_the_figures_of_the_code() -> None:
    """docs/performance.md names every figure with the goal, the gate and the way that the code has, and no other."""
    text = telling.PAGE.read_text()
    assert telling.placed(text, "figures", telling.listed()) == text, (
        "python -m benchmarks ... --write, or telling.placed"
    )


def test_results_are_written_between_their_marks_alone(tmp_path: Path) -> None:
    """A run replaces the results of its own size and leaves all else on the page."""
    page = tmp_path / "performance.md"
    page.write_text(telling.PAGE.read_text())
    names = ["commit", "day", "pairs", "processor", "memory", "system", "python", "ours", "theirs", "client", "minutes"]
    about = dict.fromkeys(names, "told")
    grown = Measured("crawl.growth", {"x": 1.02}, MILLION, "", {"10000": [1.0, 1.2], "1000000": [110.0]})
    peer = Measured("crawl.scrapy", {"x": 7.04}, 100_000, "a note", {"ours": [0.1], "scrapy": [0.7]})
    found = [peer, grown]
    for _ in range(2):
        telling.write(found, about, "1m", page=page)
    text = page.read_text()
    assert text.count("**7.0x** (a note) | goal met | 100,000 |") == 1
    assert text.partition("<!-- bench 1m -->")[0] == telling.PAGE.read_text().partition("<!-- bench 1m -->")[0]
    drawn = ET.fromstring((tmp_path / "assets" / "growth.svg").read_text())  # noqa: S314 - ours
    assert len(drawn.findall("{http://www.w3.org/2000/svg}circle")) == 3
    anchors = {one.text: one.get("text-anchor") for one in drawn.findall("{http://www.w3.org/2000/svg}text")}
    assert (anchors["Folkmoot"], anchors["Scrapy, items"]) == (
        "start",
        "end",
    )  # a line's name after it, a point's before
    assert text.count("(assets/growth.svg)") == 1
    telling.write([peer, replace(grown, runs={"10000": [1.0]})], about, "100k", page=page)
    kept = ET.fromstring((tmp_path / "assets" / "growth.svg").read_text())  # noqa: S314 - ours
    assert len(kept.findall("{http://www.w3.org/2000/svg}circle")) == 3, "a smaller run drew it"
    assert "Drawn by the run of 1m records" in page.read_text()
    with pytest.raises(LookupError):
        telling.write(found, about, "10k", page=page)
    assert [size for size in SIZES if telling.has_place(size)] == ["100k", "1m"]


def test_peers_are_locked_by_hash_and_name_no_address() -> None:
    """The bench installs its peers from files that pin each package by hash and say nowhere where it came from."""
    for peer in PEERS:
        text = (HERE / "peers" / f"{peer}.txt").read_text()
        pinned = re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE)
        assert len(pinned) == len(re.findall(r"^\S.*\\\n +--hash=sha256:", text, re.MULTILINE)) > 10
        assert not re.search(r"https?://|--index-url|/root/|/work/", text)


def test_terms_of_a_class_are_words_of_the_vocabulary() -> None:
    """Each class has five terms; a pair is a common and a medium one."""
    for kind in ("rare", "medium", "common"):
        assert set(terms(kind)) <= set(words.prose())
        assert len(set(terms(kind))) == 5
    assert [pair.split() for pair in terms("pair")] == [
        list(pair) for pair in zip(terms("common"), terms("medium"), strict=True)
    ]
    assert len(set(five())) == 5


def test_the_register_is_an_lga_register_without_a_fault(tmp_path: Path) -> None:
    """Every row that the import is measured with is accepted, and no cell is told of."""
    file = tmp_path / "register.csv"
    register(file, 200)
    whose = PublisherFacts(OWN, "Exampleshire County Council", "http://127.0.0.1/id/GB-LAE-ZZZ/")
    reading = read_register(file.read_bytes(), filename=file.name, kind="contract", publisher=whose)
    assert (reading.report.accepted, reading.report.refused, reading.report.problems) == (200, 0, [])


@pytest.mark.parametrize(("status", "right"), [("200 OK", True), ("503 Service Unavailable", False)])
def test_our_own_client_counts_good_answers_alone(status: str, right: bool) -> None:  # noqa: FBT001
    """Where wrk is not installed our own client asks; an answer that is not 200 ends the bench."""
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nabc".encode()

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /page?x=1 HTTP/1.1\r\n"):
                writer.write(answer)
        writer.close()

    async def measured_rate() -> float:
        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await load.requests(f"http://127.0.0.1:{port}/page?x=1", 4, 0.1, "Accept-Encoding: gzip")
        finally:
            server.close()

    if right:
        assert asyncio.run(measured_rate()) > 10
    else:
        with pytest.raises(Failed, match="503"):
            asyncio.run(measured_rate())
