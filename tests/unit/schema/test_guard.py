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


@pytest.mark.parametrize(("levels", "good"), [(32, True), (33, False)])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_lies_beside_adds_no_level(opening: bytes, closing: bytes, levels: int, *, good: bool) -> None:
    """Levels are counted along one way down: forty lists beside the deepest one are on the second level each."""
    deep = opening * (levels - 1) + b"1" + closing * (levels - 1)
    assert (faults(b"[" + b"[]," * 40 + deep + b"]") == []) is good
    assert (faults(b"[" + deep + b",[]" * 40 + b"]") == []) is good


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", [Fault("", "This is not JSON: unexpected end of data.", None, "one JSON object, in UTF-8")]),
        (
            b'"' + b"x" * 262_143 + b'"',
            [Fault("", "It is too large.", "262145 bytes", "at most 262144 bytes")],
        ),
        (b"[" * 33 + b"]" * 33, [Fault("", "It is nested too deeply.", None, "at most 32 levels")]),
        (
            b'{"a":"x\\u0000"}',
            [Fault("/a", "It holds a control character.", "x\x00", "text; tabs and line breaks are allowed")],
        ),
        (
            b'{"a":-9007199254740992}',
            [Fault("/a", "The number is too large.", "-9007199254740992", "an integer within ±(2^53-1)")],
        ),
        (
            b'{"a":{"x\\u0000":1}}',
            [Fault("/a", "The name of a member holds a control character.", None, "plain text")],
        ),
        (b'{"a":{"b":1,"b":2}}', [Fault("/a/b", "The member is given twice.", "b", "each member once")]),
    ],
    ids=["no JSON", "large", "deep", "control", "number", "name", "twice"],
)
def test_a_fault_says_what_stood_there_and_what_would_be_right(data: bytes, told: list[Fault]) -> None:
    """Who publishes a record is told of each fault its place, what is wrong, what was found and what is expected."""
    assert faults(data) == told


def test_all_faults_are_told_in_the_order_of_the_text() -> None:
    """One fault hides no other: of a member and of what is in it both are told, and what comes first is told first."""
    found = faults(
        b'{"a":[9007199254740992,"\\b"],"b\\u0000":{"c":"\\f","d":1,"d":[true,-9007199254740993]},"e":"\x7f"}'
    )
    assert [fault.pointer for fault in found] == ["", "/a/0", "/a/1", "/b\x00/d", "/b\x00/c", "/b\x00/d/1", "/e"]


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
