"""Whose prefixes are whose, and how often a feed is asked: what is read off a manifest."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.identity import LONGEST_POLL, SHORTEST_POLL, Taken, poll_of, without_overlap
from federation.verdicts import MAX_ID, is_node
from schema.identifiers import is_canonical, prefixes_overlap
from schema.manifest import Manifest

SEGMENTS = st.sampled_from(["a", "ab", "a-", "a.b", "a0", "b", "%C3%A9", "~"])  # some sort before `/`, some after
PREFIXES = st.builds(
    lambda host, parts: f"https://{host}/" + "".join(f"{part}/" for part in parts),
    st.sampled_from(["exa.example", "exa.example:8443", "exa-b.example"]),
    st.lists(SEGMENTS, max_size=4),
)


@given(wanted=st.lists(PREFIXES, max_size=12), taken=st.lists(PREFIXES, max_size=12))
def test_what_overlaps_is_left_out_as_the_plain_definition_says(wanted: list[str], taken: list[str]) -> None:
    """Of many prefixes those are left that overlap with none of many others, compared one by one (section 5)."""
    assert all(is_canonical(prefix) for prefix in (*wanted, *taken))
    left = {one: "P" for one in wanted if not any(prefixes_overlap(one, other) for other in taken)}
    assert without_overlap(dict.fromkeys(wanted, "P"), taken) == left
    assert all(Taken(wanted).overlaps(one) is any(prefixes_overlap(one, other) for other in wanted) for one in taken)


def test_ten_thousand_prefixes_are_compared_with_ten_thousand_in_a_moment() -> None:
    """Two manifests as large as they may be take 0.01 s to compare, not minutes; held at half a second."""
    here, there = ({f"https://{h}.example/id/GB-LAE-{n:05d}/": "P" for n in range(10_000)} for h in "ab")
    deep = {"https://a.example/" + "a/" * ((MAX_ID - 18) // 2 - n): "P" for n in range(1_000)}
    began = time.process_time()
    assert without_overlap(here, there) == here
    assert without_overlap(here | deep, [*there, *here]) == deep
    assert without_overlap(here | deep, [*deep, *here]) == {}
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("wish", "every", "wait"),
    [
        (None, 300, 300),
        (None, 5, 5),
        (1, 300, SHORTEST_POLL),
        (1, 5, 5),
        (30, 5, 30),
        (1, 3_600, SHORTEST_POLL),
        (900, 300, 900),
        (10**9, 300, LONGEST_POLL),
    ],
)
def test_a_wish_of_a_second_is_a_minute(wish: int | None, every: int, wait: int) -> None:
    """A feed is asked no more often than its node wishes, nor than once a minute, unless the reader itself would be."""
    feed = {"url": "https://exa.example/v1/changes", "protocol": "rpde", "ordering": "changeNumber"}
    feed |= {} if wish is None else {"minPollSeconds": wish}  # type: ignore[dict-item]
    publisher = {
        "name": "Exa",
        "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}],
        "idPrefix": "https://exa.example/id/GB-LAE-EXA/",
    }
    said = {"folkmoot": "1.0", "role": "node", "id": "https://exa.example/.well-known/folkmoot"}
    manifest = Manifest.model_validate(said | {"publishers": [publisher], "feeds": [feed]})
    assert poll_of(manifest, every) == wait


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("exa.example", True),
        ("a" * 63 + ".example", True),
        ("a" * 64 + ".example", False),
        ("exa." + "a" * 64 + ":8443", False),
        ("a..example", False),
        ("[2001:4860:4860:0000:0000:0000:0000:8888]", True),
        (".".join(["a" * 60] * 4) + ":65535", True),
    ],
)
def test_a_node_has_a_name_that_a_resolver_takes(host: str, *, good: bool) -> None:
    """The id of a node names a host without empty parts, none of which has more than 63 characters."""
    assert is_node(f"https://{host}/.well-known/folkmoot") is good
