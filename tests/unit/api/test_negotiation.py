"""What a client can read, and which version it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import etags
from api.negotiation import HTML, JSON, accepts_gzip, coding, preferred, wants_html

OFFERS = [JSON, HTML, "text/csv"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/*", HTML),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/html;q=0.2, text/csv;q=0.3", "text/csv"),
        ("text/*;q=0.9, text/html;q=0.1", "text/csv"),
        ("*/*;q=0.1, application/json;q=0", HTML),
        ("application/json;q=0", None),
        ("image/png", None),
        ("application/json;q=x", None),
        ("text/html ; level=1 ; q=0.5", HTML),
        (",,;q=1", None),
    ],
)
def test_the_best_of_what_is_offered_is_chosen(accept: str | None, chosen: str | None) -> None:
    """The most specific range decides each offer's weight; of equals the first offered is given."""
    assert preferred(accept, OFFERS) == chosen


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("*/*", False),
        ("text/*", False),
        ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json, text/html;q=0.9", False),
    ],
)
def test_only_who_names_html_gets_pages(accept: str | None, *, wanted: bool) -> None:
    """A client that takes anything is a program; a browser names HTML and ranks it first."""
    assert wants_html(accept) is wanted


@pytest.mark.parametrize(
    ("coding", "packed"),
    [(None, False), ("", False), ("identity", False), ("gzip", True), ("GZIP", True), ("br, *;q=0.1", True),
     ("gzip;q=0", False), ("gzip;q=0, *", False), ("deflate", False)],
)  # fmt: skip
def test_bodies_are_packed_for_those_who_can_unpack_them(coding: str | None, *, packed: bool) -> None:
    """Gzip is sent where it is accepted, by name or by star, with a weight above 0."""
    assert accepts_gzip(coding) is packed


@given(st.text(max_size=60))
def test_any_header_is_read_without_fault(text: str) -> None:
    """Whatever stands in Accept, Accept-Encoding, If-Match and If-None-Match, it is read."""
    assert preferred(text, OFFERS) in {*OFFERS, None}
    assert accepts_gzip(text) in {True, False}
    assert etags.unchanged(text, '"x"') in {True, False}
    assert etags.names_version(text, 1) in {True, False}


@given(st.binary(max_size=50), st.integers(1, 2**53 - 1))
def test_a_records_tag_names_its_version(body: bytes, number: int) -> None:
    """If-Match with the tag of any encoding of the current version fits, and no other version's does."""
    tag = etags.record_tag(number, body)
    assert etags.names_version(tag, number)
    assert etags.names_version(f'"other", {tag}', number)
    assert not etags.names_version(tag, number + 1)
    assert not etags.names_version(f"W/{tag}", number)
    assert etags.names_version("*", number)


@pytest.mark.parametrize("if_match", ["", '""', '"14"', '"x-1"', "1-ab", '"1ab"', 'W/"1-ab"'])
def test_a_tag_of_another_kind_names_no_version(if_match: str) -> None:
    """Nothing but a strong tag that begins with the number is taken for the version."""
    assert not etags.names_version(if_match, 1)


def test_each_encoding_has_a_tag_of_its_own() -> None:
    """Equal bodies have equal tags, different bodies and different encodings different ones."""
    assert etags.tag(b"a") == etags.tag(b"a")
    assert len({etags.tag(b"a"), etags.tag(b"b"), etags.tag(b"a", "gz")}) == 3


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, ""),
        ("", ""),
        ("identity", ""),
        ("br", ""),
        ("gzip", "gzip"),
        ("*", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("ZSTD;q=0.5, gzip", "gzip"),
        ("zstd;q=0, gzip;q=0", ""),
        ("gzip;q=0.5", "gzip"),
        ("identity, gzip;q=0.5", ""),
        ("zstd;q=x", ""),
    ],
)
def test_zstd_is_for_those_who_name_it(header: str | None, chosen: str) -> None:
    """The coding with the greatest weight is chosen, zstd where it is named and no other weighs more."""
    assert coding(header) == chosen
