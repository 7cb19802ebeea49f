from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import identifiers as ids
from schema.errors import Invalid
from tests.strategies import references

ROOT = "https://moot.exampleshire.example"
PREFIX = f"{ROOT}/id/GB-LAE-EXA/"


@given(references())
def test_a_reference_round_trips(reference: str) -> None:
    """What `encode_reference` writes is unreserved or upper-case hex, and unquotes to the reference."""
    segment = ids.encode_reference(reference)
    assert unquote(segment) == reference
    assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+", segment)


@given(references(), references())
def test_no_two_references_share_a_segment(one: str, other: str) -> None:
    """Encoding is injective on canonical references."""
    assert (ids.encode_reference(one) == ids.encode_reference(other)) == (one == other)


@given(references(), st.from_regex(r"[a-z][a-z-]{0,39}", fullmatch=True))
def test_an_id_comes_apart_as_it_was_made(reference: str, kind: str) -> None:
    """`split_id` gives back the kind and a segment that matches the reference."""
    made = ids.record_id(PREFIX, kind, reference)
    assert ids.is_canonical(made)
    assert ids.split_id(made, PREFIX) == (kind, ids.encode_reference(reference))
    assert ids.matches_reference(made.rpartition("/")[2], reference)


def test_a_reference_is_compared_in_nfc() -> None:
    """Two spellings of the same letter name the same record."""
    decomposed = unicodedata.normalize("NFD", "Café 1")
    assert ids.canonical_reference(decomposed) == "Café 1"
    assert ids.encode_reference(decomposed) == "Caf%C3%A9%201"


@pytest.mark.parametrize("reference", ["", ".", "..", "a" * 201, "a\nb", "a\x00", "\x7f", "\ud800"])
def test_what_can_name_nothing_is_refused(reference: str) -> None:
    """An empty, endless, dotted or broken reference is refused."""
    with pytest.raises(Invalid):
        ids.canonical_reference(reference)
    assert not ids.matches_reference("x", reference)


@pytest.mark.parametrize(
    ("segment", "matches"),
    [
        ("EXA%2F1", True),
        ("EXA%2F1~abcdefg7", True),
        ("EXA%2F1~abcdefg", False),
        ("EXA%2F1~abcdefg1", False),
        ("EXA%2F1~ABCDEFG7", False),
        ("EXA%2F12", False),
        ("EXA%2f1", False),
    ],
)
def test_a_segment_matches_bare_or_with_the_suffix_of_an_import(segment: str, *, matches: bool) -> None:
    """Only the reference itself, or it and `~` and eight base32 characters, match."""
    assert ids.matches_reference(segment, "EXA/1") is matches


@pytest.mark.parametrize(
    "bad",
    [
        "https://evil.example/id/GB-LAE-EXA/contract/1",
        f"{ROOT}/id/GB-LAE-EXAMPLE/contract/1",
        f"{ROOT}/id/GB-LAE-EXA",
        f"{ROOT}/id/GB-LAE-EXA/../GB-LAE-OTH/contract/1",
        f"{PREFIX}%2e%2e/GB-LAE-OTH/contract/1",
        f"{PREFIX}%2E%2E/GB-LAE-OTH/contract/1",
        f"{PREFIX}./contract/1",
        f"{PREFIX}/contract/1",
        f"{PREFIX}contract//1",
        f"{PREFIX}contract/%41",
        f"{PREFIX}contract/a%2fb",
        f"{PREFIX}contract/1?x=1",
        f"{PREFIX}contract/1#x",
        f"{PREFIX}contract/a b",
        f"{PREFIX}contract/é",
        f"{PREFIX}contract/1\n",
        "https://moot.exampleshire.example@evil.example/id/GB-LAE-EXA/contract/1",
        "https://me@moot.exampleshire.example/id/GB-LAE-EXA/contract/1",
        "https://MOOT.exampleshire.example/id/GB-LAE-EXA/contract/1",
        "https://moot.exampleshire.example:443/id/GB-LAE-EXA/contract/1",
        "https://moot.exampleshire.example:8443/id/GB-LAE-EXA/contract/1",
        "https://moot.exampleshire.example./id/GB-LAE-EXA/contract/1",
        "http://moot.exampleshire.example/id/GB-LAE-EXA/contract/1",
        "HTTPS://moot.exampleshire.example/id/GB-LAE-EXA/contract/1",
        "https:\\\\moot.exampleshire.example/id/GB-LAE-EXA/contract/1",
        f"{PREFIX}contract/" + "a" * 5000,
    ],
)
def test_no_spelling_walks_into_a_prefix(bad: str) -> None:
    """An id that is not canonical, or under another host or path segment, lies outside."""
    assert not ids.within_prefix(bad, PREFIX)
    with pytest.raises(Invalid):
        ids.split_id(bad, PREFIX)


@pytest.mark.parametrize(
    "tail", ["contract", "contract/", "Contract/1", "contract/1/2", "contract/a+b", "contract/%FF", ""]
)
def test_an_id_is_prefix_kind_and_one_segment(tail: str) -> None:
    """Below the prefix there is a kind, one percent-encoded reference and nothing else."""
    with pytest.raises(Invalid):
        ids.split_id(PREFIX + tail, PREFIX)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (PREFIX, PREFIX, True),
        (f"{ROOT}/id/", PREFIX, True),
        (PREFIX, f"{ROOT}/id/", True),
        (PREFIX, f"{ROOT}/id/GB-LAE-EXAM/", False),
        (PREFIX, "https://other.example/id/GB-LAE-EXA/", False),
        (PREFIX, "http://moot.exampleshire.example/id/GB-LAE-EXA/", False),
    ],
)
def test_prefixes_overlap_by_whole_segments(one: str, other: str, *, overlap: bool) -> None:
    """Two prefixes overlap when one's path is the beginning of the other's, segment by segment."""
    assert ids.prefixes_overlap(one, other) is overlap


_SEGMENTS = st.lists(st.from_regex(r"[a-z]{1,2}", fullmatch=True), max_size=3)


@given(_SEGMENTS, _SEGMENTS)
def test_overlap_is_sharing_an_id(one: list[str], other: list[str]) -> None:
    """Prefixes overlap exactly when the longer one lies within the shorter."""
    first, second = ("/".join([ROOT, *path, ""]) for path in (one, other))
    shared = one == other[: len(one)] or other == one[: len(other)]
    assert ids.prefixes_overlap(first, second) is shared
    assert ids.within_prefix(first + "contract/1", first)


@pytest.mark.parametrize(
    "bad", [PREFIX[:-1], "ftp://a.example/", "https:///id/", "https://a.example/../", "https://a_/"]
)
def test_what_is_no_prefix_is_refused(bad: str) -> None:
    """A prefix is a canonical http(s) URL that ends in a slash."""
    with pytest.raises(Invalid):
        ids.canonical_prefix(bad)
    assert not ids.within_prefix(bad + "contract/1", bad)


def test_a_publisher_has_its_id_prefix_and_record() -> None:
    """The publisher id joins scheme and id, and the prefix and the organisation record are made from it."""
    publisher = ids.publisher_id("gb-lae", "exa")
    assert publisher == "GB-LAE-EXA"
    assert ids.id_prefix(ROOT, publisher) == ids.id_prefix(ROOT + "/", publisher) == PREFIX
    assert ids.organisation_id(PREFIX, publisher) == f"{PREFIX}organisation/GB-LAE-EXA"


@pytest.mark.parametrize("pair", [("GB-LAE", "EXA"), ("GB-LAE", "GLN-E"), ("GB-COH", "01234567"), ("GB-GOR", "D2")])
def test_a_publisher_id_comes_apart(pair: tuple[str, str]) -> None:
    """`split_publisher_id` is the way back from `publisher_id`."""
    assert ids.split_publisher_id(ids.publisher_id(*pair)) == pair


def test_an_identifier_that_cannot_stand_in_a_url_names_no_publisher() -> None:
    """A publisher id holds unreserved characters only, and its scheme has country and register."""
    for scheme, value in (("GB-PPON", "a b"), ("DUNS", "1")):
        with pytest.raises(Invalid):
            ids.publisher_id(scheme, value)
    with pytest.raises(Invalid):
        ids.split_publisher_id("EXA")


def test_a_port_beyond_the_last_is_no_place() -> None:
    """An id whose port cannot be, or is the scheme's own, is not canonical."""
    assert ids.is_canonical("https://a.example:65535/x")
    assert not ids.is_canonical("https://a.example:65536/x")
    assert not ids.is_canonical("http://a.example:80/x")
    assert ids.is_canonical("http://[::1]:8000/id/GB-LAE-EXA/contract/1")


def test_origins_are_scheme_host_and_port() -> None:
    """A default port is the same as none; case of the host does not matter; anything else differs."""
    assert ids.same_origin("https://A.example/x", "https://a.example:443/y")
    assert not ids.same_origin("https://a.example/", "https://a.example:8443/")
    assert not ids.same_origin("https://a.example/", "http://a.example/")
    for bad in ("ftp://a.example/", "https://u@a.example/", "https://a.example:99999/", "no"):
        with pytest.raises(Invalid):
            ids.origin_of(bad)
        assert not ids.same_origin(bad, bad)


@pytest.mark.parametrize("kind", ["", "Contract", "a" * 41, "-a", "a_b", "a/b"])
def test_a_kind_is_lower_case_letters_and_hyphens(kind: str) -> None:
    """An id is made for a well-formed kind only."""
    with pytest.raises(Invalid):
        ids.record_id(PREFIX, kind, "1")


def test_the_face_is_sorted_and_whole() -> None:
    """`__all__` is sorted and every name in it exists."""
    assert ids.__all__ == sorted(ids.__all__)
    assert all(hasattr(ids, name) for name in ids.__all__)
