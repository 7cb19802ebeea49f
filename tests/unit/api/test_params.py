"""Reading a list's parameters by hand gives what their declaration says."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from fastapi.dependencies.utils import get_dependant, get_flat_params
from starlette.datastructures import QueryParams

from api.params import Asked, Several, read

DECLARED = {one.alias: one.name for one in get_flat_params(get_dependant(path="/", call=Asked))}


@pytest.mark.parametrize("alias", DECLARED)
def test_every_parameter_that_is_declared_is_read(alias: str) -> None:
    """A parameter reaches the field that declares it, as a list where it may be repeated, and no other."""
    name = DECLARED[alias]
    several = get_type_hints(Asked)[name] == Several
    expected = Asked(**{name: ["one"] if several else "one"})  # type: ignore[arg-type]  # which of the two, it knows
    assert read(QueryParams([(alias, "one")])) == expected


def test_what_was_not_given_stays_unsaid() -> None:
    """Without parameters a list was asked nothing; what a list does not know changes nothing."""
    assert len(DECLARED) > 20
    assert read(QueryParams("")) == Asked() == read(QueryParams("kind=contract&format=json"))


def test_a_repeated_filter_keeps_all_its_values_in_order() -> None:
    """A repeated filter is OR: none of its values is lost, and an empty one is a value."""
    assert read(QueryParams("cpv=72&stage=active&cpv=48&cpv=")) == Asked(cpv=["72", "48", ""], stage=["active"])
