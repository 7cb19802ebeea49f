from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given

from schema.errors import Fault, Invalid
from schema.guard import check_json
from tests.strategies import unknown_values


def faults(data: bytes) -> list[Fault]:
    try:
        check_json(data)
    except Invalid as refused:
        return list(refused.faults)
    return []


@given(unknown_values())
def test_any_spelling_of_good_json_passes(value: Any) -> None:
    """Spaces, escapes and the order of members are nobody's business."""
    for data in (
        orjson.dumps(value),
        json.dumps(value, indent=1).encode(),
        json.dumps(value, ensure_ascii=False).encode(),
    ):
        assert faults(data) == []


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{}{}", b"NaN", b"[Infinity]", b"[1e999]", b"\xef\xbb\xbf{}", b'"\xff"', b'"\\ud800"',
        b"\xff\xfe{\x00}\x00", b'"\x01"', b"{'a':1}", b"[1,]", b"[" * 2000 + b"]" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_json_is_one_fault(data: bytes) -> None:
    """NaN, a byte order mark, another encoding, half a character or a cut-off text are refused as a whole."""
    (fault,) = faults(data)
    assert fault.pointer == ""


@pytest.mark.parametrize(
    ("data", "pointers"),
    [
        (b'{"a":1,"a":1}', ["/a"]),
        (b'{"b":[{"a":1,"c":2,"a":3,"c":4}]}', ["/b/0/a", "/b/0/c"]),
        (b'{"a":1, "\\u0061":2}', ["/a"]),
        (b'{"a":{"x":1},"a":{"x":1}}', ["/a"]),
        (b'{"": 1,"":2}', ["/"]),
        (b'{"a":": 1","b":"\\"a\\":"}', []),
    ],
)
def test_a_member_stands_once(data: bytes, pointers: list[str]) -> None:
    """A member given twice is found wherever it stands and however it is spelled."""
    assert [fault.pointer for fault in faults(data)] == pointers


@pytest.mark.parametrize(
    ("data", "pointers"),
    [
        (b'{"a":"\\u0000"}', ["/a"]),
        (b'{"a":["x","\\b"]}', ["/a/1"]),
        (b'{"a":"\\f"}', ["/a"]),
        (b'{"a":"\\u001F"}', ["/a"]),
        (b'{"a":"\\u007f"}', ["/a"]),
        (b'{"a":"\x7f"}', ["/a"]),
        (b'{"a\\u0000b":1}', [""]),
        (b'{"a":"\\t\\n\\r\\u000a"}', []),
        (b'{"a":"\\\\b \\\\u0000 \\\\f"}', []),
        ('{"a":"\\u00a3 £ \u0085"}'.encode(), []),
    ],
)
def test_control_characters_are_refused_anywhere(data: bytes, pointers: list[str]) -> None:
    """C0 and DEL are refused in any text and any name; tabs, line breaks and escaped backslashes are not."""
    assert [fault.pointer for fault in faults(data)] == pointers


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("9007199254740991", True),
        ("-9007199254740991", True),
        ("9007199254740992", False),
        ("-9007199254740992", False),
        ("18446744073709551616", False),
        ("1" * 300, False),
        ("1e300", True),
        ("0.1234567890123456789", True),
        ("-0", True),
    ],
)
def test_integers_are_those_that_every_reader_holds(number: str, *, good: bool) -> None:
    """An integer beyond ±(2^53-1) is refused, however long; fractions and exponents are floats to everybody."""
    found = faults(b'{"a":{"b":' + number.encode() + b"}}")
    assert [fault.pointer for fault in found] == ([] if good else ["/a/b"])


@pytest.mark.parametrize(("levels", "good"), [(32, True), (33, False), (500, False)])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_ends_at_32_levels(opening: bytes, closing: bytes, levels: int, *, good: bool) -> None:
    """A record is at most 32 levels deep."""
    data = opening * levels + (b"" if opening == b"[" else b"1") + closing * levels
    assert (faults(data) == []) is good


def test_brackets_in_texts_are_no_levels() -> None:
    """Many brackets are no depth."""
    assert faults(orjson.dumps({"a": "[" * 100, "b": [[1]] * 40})) == []


def test_a_record_is_at_most_256_kb() -> None:
    """A record of 256 KB passes, one byte more does not."""
    most = b'"' + b"x" * (256 * 1024 - 2) + b'"'
    assert faults(most) == []
    assert faults(most[:-1] + b'x"')[0].message == "It is too large."


def test_a_hostile_record_is_told_briefly() -> None:
    """Ten thousand doubled members cost no more than a hundred faults."""
    assert len(faults(b"{" + b",".join(b'"%d":0' % (at // 2) for at in range(20_000)) + b"}")) == 100
