"""What judging comes to: pages counted together, names of nodes, and the words in which a fault is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.database import table
from federation.verdicts import MAX_ID, MAX_NODE, MAX_PUBLISHER, Judged, broken, clean, is_node, sentence
from schema.errors import Fault
from schema.tables import Node, Record

PLACES = [one.name for one in fields(Judged)]
COUNTS = {one.name for one in fields(Judged) if one.default == 0}
ANY = st.fixed_dictionaries(
    {name: st.integers(0, 9) if name in COUNTS else st.lists(st.integers(), max_size=3) for name in PLACES}
)


def page(said: Mapping[str, Any]) -> Judged:
    """What a page said."""
    made = Judged()
    for name, value in said.items():
        setattr(made, name, value if name in COUNTS else list(value))
    return made


@given(ANY, ANY)
def test_pages_are_counted_together(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Of two pages nothing is lost: all that each says stands in its place, the first page's first."""
    whole = {name: one[name] + other[name] for name in PLACES}
    judged, following = page(one), page(other)
    judged.add(following)
    assert {name: getattr(judged, name) for name in PLACES} == whole
    assert {name: getattr(following, name) for name in PLACES} == other


@pytest.mark.parametrize(("length", "good"), [(MAX_NODE, True), (MAX_NODE + 1, False)])
def test_a_node_has_an_address_of_at_most_so_many_characters(length: int, *, good: bool) -> None:
    """The address of a manifest has 2,000 characters at most."""
    head, tail = "https://exa.example/", "/folkmoot"
    assert is_node(head + "p" * (length - len(head) - len(tail)) + tail) is good


@pytest.mark.parametrize("path", ["", "/", "/folkmoot.json", "/a/b/c/folkmoot.json", "/" + "p" * 64 + ":x/m"])
def test_a_host_is_looked_at_wherever_the_manifest_lies(path: str) -> None:
    """A host has parts of at most 63 characters and 253 in all, with a port or without; a path has no such bound."""
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(longest) == 253
    assert is_node(f"https://{longest}{path}")
    assert is_node(f"https://{longest}:65535{path}")
    assert not is_node(f"https://{'e' * 20}.{longest}{path}")
    assert not is_node(f"https://{'e' * 64}.example{path}")
    assert not is_node(f"https://{'e' * 64}:8443{path}")


@pytest.mark.parametrize(
    ("found", "expected", "told"),
    [
        (None, "", "It is wrong."),
        (0, "", "It is wrong. Found: 0."),
        ("", "", "It is wrong. Found: ."),
        (None, "a date", "It is wrong. Expected: a date."),
        ([1], "a date", "It is wrong. Found: [1]. Expected: a date."),
        ("f" * 201, "e" * 301, f"It is wrong. Found: {'f' * 200}. Expected: {'e' * 300}."),
        ("a\nb", "c\td", "It is wrong. Found: a b. Expected: c d."),
    ],
)
def test_a_fault_is_told_in_sentences(found: object, expected: str, told: str) -> None:
    """What is wrong, what was found, if anything, and what was expected, each as far as a reader wants to read."""
    (fault,) = broken("rule", "/place", "It is wrong.", found, expected).faults
    assert (sentence(fault), fault.rule, fault.pointer) == (told, "rule", "/place")


def test_a_fault_that_is_not_explained_says_no_more() -> None:
    """What was found and expected is told only where somebody says it."""
    assert broken("rule", "/place", "It is wrong.").faults == (Fault("/place", "It is wrong.", rule="rule"),)


@given(st.text(st.characters()))
def test_told_text_can_be_stored_and_shown(text: str) -> None:
    """A text that is told keeps its length and all that can be shown; each control or half character is a space."""
    shown = clean(text)
    shown.encode()
    assert len(shown) == len(text)
    for before, after in zip(text, shown, strict=True):
        assert after == before or (after == " " and not before.isprintable())
    assert not {*shown} & {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}


def test_no_half_character_is_told() -> None:
    """No code point that is half of a character, first or last, is left: neither can be written as UTF-8."""
    assert clean(chr(0xD7FF) + chr(0xD800) + chr(0xDFFF) + chr(0xE000)) == chr(0xD7FF) + "  " + chr(0xE000)


def test_what_is_taken_can_be_stored() -> None:
    """The longest id, publisher and node that are taken are as long as the columns that keep them."""
    record, node = table(Record).c, table(Node).c
    lengths = [cast("Any", column.type).length for column in (record.id, record.moved_to, record.publisher, node.url)]
    assert lengths == [MAX_ID, MAX_ID, MAX_PUBLISHER, MAX_NODE]


@pytest.mark.parametrize("letter", ["\x00", "\n", "\x1b", "\x1f", "\x7f", "\x9b", "\x9f"])
def test_no_control_is_told(letter: str) -> None:
    """NUL, half characters and what a terminal obeys become a space each, and their neighbours stay."""
    assert clean(f"a{letter}{letter}b") == "a  b"
