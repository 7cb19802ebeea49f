"""The quick yes says yes only to what the models take, and says it to what councils publish."""

from __future__ import annotations

from typing import Annotated, Any, Self

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, model_validator

from schema.base import Model, Opt
from schema.errors import Invalid
from schema.guard import check_json
from schema.kinds import KINDS, check, parse
from schema.swift import take
from tests import strategies

CONTRACT = {
    "reference": "C-1", "title": "Planning system", "description": "Words.", "stage": "active", "fixedCost": True,
    "buyers": [{"name": "Exampleshire County Council", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}],
    "value": {"amount": 120000, "currency": "GBP", "basis": "total"}, "startDate": "2026-11-01",
    "classifications": [{"scheme": "CPV", "id": "48000000"}], "somethingNew": {"a": [1, None, 2.5]},
}  # fmt: skip
_JUNK: list[Any] = [
    None, True, 0, -1, 1.0, 1.5, 2**53, 1e16, "", " ", "x", " x", "a\nb", "\x7f", "GBP", "gbp", "2026-11-01",
    "2026-13-01", "20261101", "2026-11-01T00:00:00Z", "https://a.example/", "GB-LAE", "E10000099", [], ["x"], [{}], {},
    {"amount": "1"}, {"scheme": "GB-GSS", "id": "E10000099"}, [{"scheme": "GB-COH", "id": "1"}], "x" * 501,
    "a@b.example", ".",
]  # fmt: skip
JUNK = st.sampled_from(_JUNK)


def _outcome(kind: str, data: bytes, work: Any) -> object:
    try:
        found = work(kind, data)
    except Invalid as error:
        return [(fault.pointer, fault.message) for fault in error.faults]
    return found if isinstance(found, str) or found is None else getattr(found, "reference", None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_quick_type(kind: str) -> None:
    """The plainest record of each kind is taken without asking its model."""
    named = {"name": "N", "reference": "R", "title": "T", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}
    assert take(KINDS[kind], orjson.dumps(named)) is not None


def test_what_councils_publish_is_taken() -> None:
    """A whole contract is taken, unknown members included, and its reference read."""
    taken = take(KINDS["contract"], orjson.dumps(CONTRACT))
    assert taken is not None
    assert taken.reference == "C-1"


@given(record=strategies.any_record())
def test_valid_records_pass_alike(record: tuple[str, dict[str, Any]]) -> None:
    """Any valid record passes `check` as it passes `parse`, and with the same reference."""
    kind, data = record
    raw = orjson.dumps(data)
    assert _outcome(kind, raw, check) == _outcome(kind, raw, parse)


@given(
    record=st.one_of(strategies.any_record(), st.just(("contract", CONTRACT))),
    junk=st.lists(st.tuples(st.integers(0, 30), JUNK, st.booleans()), min_size=1, max_size=3),
)
def test_a_quick_yes_is_a_yes(record: tuple[str, dict[str, Any]], junk: list[tuple[int, Any, bool]]) -> None:
    """Whatever stands in whatever member, `check` refuses what `parse` refuses, in the same words."""
    kind, data = record
    fields = [field.alias or name for name, field in KINDS[kind].model_fields.items()]
    bent = dict(data)
    for place, value, deep in junk:
        name = fields[place % len(fields)]
        inner = bent.get(name)
        if deep and isinstance(inner, dict) and inner:
            bent[name] = inner | {sorted(inner)[place % len(inner)]: value}
        elif deep and isinstance(inner, list) and inner and isinstance(inner[0], dict) and inner[0]:
            bent[name] = [inner[0] | {sorted(inner[0])[place % len(inner[0])]: value}]
        else:
            bent[name] = value
    raw = orjson.dumps(bent)
    assert _outcome(kind, raw, check) == _outcome(kind, raw, parse)


def test_escapes_are_left_to_the_model() -> None:
    """A text with an escape or of blanks is not taken quickly: its patterns must be asked."""
    for title in ('a "quoted" word', "\\", " blank first", "a\nb"):
        raw = orjson.dumps(CONTRACT | {"title": title})
        check_json(raw)
        assert take(KINDS["contract"], raw) is None


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


class Twice(Model):
    """Checked twice: a member that may be left out by itself, then the whole."""

    half: Opt[Annotated[int, AfterValidator(_even)]] = None
    whole: int

    @model_validator(mode="after")
    def _doubled(self) -> Self:
        if self.half is not None and self.whole != 2 * self.half:
            raise ValueError("not twice the half")
        return self


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (b'{"half":2,"whole":4}', True),
        (b'{"half":3,"whole":6}', False),
        (b'{"half":2,"whole":5}', False),
        (b'{"whole":5}', True),
    ],
)
def test_no_check_of_a_model_is_passed_over(data: bytes, *, taken: bool) -> None:
    """Where a member and the whole are checked, both must agree; what is left out is not checked."""
    assert (take(Twice, data) is not None) is taken


class Sealed(Model):
    """Has a sort of member that JSON does not."""

    seal: bytes


class Listed(Model):
    """Has a check on each entry of a list."""

    seals: list[Annotated[int, AfterValidator(_even)]]


@pytest.mark.parametrize(("model", "sort"), [(Sealed, "bytes"), (Listed, "function-after")])
def test_a_sort_of_member_that_is_not_known_is_told(model: type[Model], sort: str) -> None:
    """A model with a member that has no quick type is a fault of ours, named at once, and never a quick yes."""
    with pytest.raises(TypeError, match=f"^no quick type for {sort}$"):
        take(model, b"{}")
