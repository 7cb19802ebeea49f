"""docs/proofs.md: what was measured, newest of each figure, and nothing else."""

from __future__ import annotations

from typing import Any

from scripts.proofs import page

KNOWN = {"size": "ci", "commit": "abc1234567", "machine": "2 x Processor, 8 GiB", "at": "2026-11-26T06:00:00+00:00"}


def _line(**told: Any) -> dict[str, Any]:
    return {"threat": "T14", "what": "100 kills: lost", "found": "0", "goal": "0", "proof": "a::b"} | KNOWN | told


def test_a_figure_stands_with_its_day_commit_and_machine() -> None:
    """A table a size, with what it was measured on; a proof that merely passed is no figure."""
    told = page([_line(), {"passed": "a::b", **KNOWN}])
    assert "| T14 | 100 kills: lost | 0 | 0 |" in told
    assert "2026-11-26; commit abc1234567; 2 x Processor, 8 GiB." in told
    assert "## CI sizes" in told
    assert "Release" not in told
    assert "a::b" not in told


def test_the_newest_of_a_figure_stands() -> None:
    """A run that comes later takes the place of the same figure, whatever counts stand in its words."""
    told = page([_line(found="3"), _line(what="99 kills: lost", found="0"), _line(proof="c::d", found="1|2")])
    assert "| 3 |" not in told
    assert "| T14 | 99 kills: lost | 0 | 0 |" in told
    assert "1\\|2" in told


def test_both_sizes_have_a_table() -> None:
    """What was found before a release does not take the place of what CI holds."""
    told = page([_line(), _line(size="release", what="1,000 kills: lost")])
    assert told.index("Release sizes") < told.index("CI sizes")
