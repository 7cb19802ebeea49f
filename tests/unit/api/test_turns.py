"""Who waits for a write, and whose checks wait, counted exactly whoever comes at the same moment."""

from __future__ import annotations

import pytest

from api.turns import Askers, Turns
from schema.errors import Busy, Hurried


def test_a_turn_is_given_back() -> None:
    """So many have a turn at a time, the next is told to come back, and a turn that failed is free again."""
    turns = Turns("a check", 2)
    with turns.take(), turns.take(), pytest.raises(Busy, match="a check wait"), turns.take():
        pass
    with pytest.raises(ZeroDivisionError), turns.take():
        raise ZeroDivisionError
    with turns.take(), turns.take():
        pass


def test_an_address_counts_while_its_check_is_noted_and_while_that_waits() -> None:
    """Two of an address wait at most, those that are being noted down among them; what failed or is over does not."""
    askers = Askers()
    with askers.one_more("a", 2, 10, over=()) as first, askers.one_more("a", 2, 10, over=()) as second:
        with pytest.raises(Hurried), askers.one_more("a", 2, 10, over=()):
            pass
        with askers.one_more("b", 2, 10, over=()), askers.one_more(None, 2, 10, over=()):
            first.append("one")
    assert (askers.known(), second) == ({"one"}, [])
    with askers.one_more("a", 2, 10, over=()) as third:
        third.append("three")
    with pytest.raises(Hurried), askers.one_more("a", 2, 10, over=()):
        pass
    with askers.one_more("a", 2, 10, over={"one"}):
        assert "three" in askers.known()


def test_a_check_that_came_after_the_look_is_not_over() -> None:
    """Only what was known before the queue was read may be taken for done."""
    askers = Askers()
    known = askers.known()
    with askers.one_more("a", 1, 10, over=()) as named:
        named.append("new")
    with pytest.raises(Hurried), askers.one_more("a", 1, 10, over=known):
        pass
