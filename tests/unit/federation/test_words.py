"""What people type: any text is a query, words are AND; accents and endings do not count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.documents import Source
from federation.index import Query, Reached
from federation.making import document
from federation.tantivy_index import TantivyIndex

TEXTS = {
    1: ("Parking enforcement", "Wardens and permits for the town of Café Street"),
    2: ("Park keepers", "People who look after green spaces"),
    3: ("Highway repairs", "Potholes; parking bays; e-procurement of resurfacing"),
    4: ("Housing", "The town hall's parking permits are not here, said O'Neill"),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TantivyIndex]:
    """Yield an index of four contracts."""
    made = TantivyIndex(Path(tmp_path_factory.mktemp("words")) / "index")
    sink = made.claim()
    assert sink is not None
    now = datetime(2026, 11, 2, tzinfo=UTC)
    for row, (title, text) in TEXTS.items():
        data = orjson.dumps({"reference": f"R{row}", "title": title, "description": text})
        found = document(Source(row, f"http://a.test/{row}", "contract", "GB-LAE-EXA", row, data, now), None)
        assert found is not None
        sink.stage([found], [])
    sink.commit(Reached("e", 4))
    yield made
    made.close()


def rows(index: TantivyIndex, words: str) -> list[int]:
    return list(index.search(Query(words=words, sort="relevance")).rows)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("parking", {1, 2, 3, 4}),
        ("PARKS", {1, 2, 3, 4}),
        ("parking permits", {1, 4}),
        ('"parking permits"', {4}),
        ('"parking permits', {4}),
        ("parking -permits", {2, 3}),
        ('parking -"parking permits"', {1, 2, 3}),
        ("-parking", set()),
        ("-permits", {2, 3}),
        ("cafe", {1}),
        ("CAFÉ", {1}),
        ("e-procurement", {3}),
        ("procurement-e", set()),
        ("o'neill", {4}),
        ("permits for the town", {1, 4}),
        ("for the", {1}),
        ("R3", {3}),
        ("title:parking", set()),
        ("park*", {1, 2, 3, 4}),
        ("(parking) AND [permits", {1, 4}),
        ("", {1, 2, 3, 4}),
        ("   ", {1, 2, 3, 4}),
        ("&", set()),
        ('"', set()),
        ("-", set()),
    ],
)
def test_words(index: TantivyIndex, words: str, wanted: set[int]) -> None:
    """Words all must stand there, in any of their forms; quotes are a phrase, a minus leaves out."""
    assert set(rows(index, words)) == wanted


def test_a_title_counts_more_than_the_text(index: TantivyIndex) -> None:
    """What has the word in its title comes before what only mentions it."""
    assert set(rows(index, "parking")[:2]) == {1, 2}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.one_of(st.text(max_size=60), st.text(alphabet='"-* park:()[]\\^~AND OR/{}', max_size=60)))
def test_any_text_is_a_query(index: TantivyIndex, words: str) -> None:
    """Nothing that can be typed is an error."""
    hits = index.search(Query(words=words, sort="relevance", facets=("kind",)))
    assert 0 <= hits.count <= len(TEXTS)
    assert all(0 <= first < last <= len(words) for first, last in index.matcher(words)(words))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    typed=st.text(alphabet="aAbdegikprstuwyY'0_- é", max_size=12),
    text=st.lists(st.sampled_from(["parks", "Parking", "park_keeper", "dying", "skies", "3", "é", "a"])).map(" ".join),
)
def test_plain_text_is_marked_as_the_index_reads_it(index: TantivyIndex, typed: str, text: str) -> None:
    """Words are found in plain text by us, and in other text by the engine: at the same places."""
    matches = index.matcher(f"{typed} park die sky")
    assert [span for span in matches(f"{text} é") if span[1] <= len(text)] == list(matches(text))


_ENDINGS = (
    "  s es ies ied ed edly ing ingly eed eedly y ly ational er est e ness fulness ization ity ment al ive ion ying"
)


def test_the_first_two_letters_of_a_word_stay(index: TantivyIndex) -> None:
    """A word of any two letters, or of one, is marked with whichever ending it has."""
    letters = "adeilsty"
    for begin in (*letters, *(f"{one}{other}" for one in letters for other in letters)):
        for ending in _ENDINGS.split(" "):
            word = begin + ending
            assert index.matcher(word)(word.title()) == [(0, len(word))], word
