"""What a framework found wrong with a request, in words for whoever sent it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from api.validation import expected, sentence


def _fault(form: Any, found: object, *place: str | int) -> dict[str, Any]:
    """Give the fault that is really found in a value of a form."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(form).validate_python(found)
    (fault,) = refused.value.errors()
    return {**fault, "loc": place}


@pytest.mark.parametrize(
    ("form", "found", "place", "said"),
    [
        (int, "many", ("query", "limit"), "Parameter 'limit' is 'many'; expected a whole number."),
        (
            Annotated[str, Field(max_length=3)],
            "abcd",
            ("header", "X-Name"),
            "Header 'X-Name' is 'abcd'; expected 3 or fewer characters.",
        ),
        (
            Literal["a", "b"],
            "c",
            ("path", "kind"),
            "The address's part 'kind' is 'c'; expected one of 'a' or 'b'.",
        ),
        (dict[str, int], [], ("body",), "The body cannot be read; expected an object."),
        (int, 1.5, ("body", "rows", 0), "Member 'rows/0' is '1.5'; expected a whole number."),
        (
            date,
            "soon",
            ("query", "since"),
            "Parameter 'since' is 'soon'; expected input should be a valid date or datetime, input is too short.",
        ),
    ],
)
def test_a_fault_is_told_by_place_by_what_was_found_and_by_what_was_expected(
    form: Any, found: object, place: tuple[str | int, ...], said: str
) -> None:
    """A kind of fault that we have no words for is told in the framework's own, fitted into the sentence."""
    fault = _fault(form, found, *place)
    assert sentence(fault) == said
    assert said.endswith(f"expected {expected(fault)}.")
