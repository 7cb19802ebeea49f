"""docs/proofs.md: what was measured, newest of each figure, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import proofs
from scripts.proofs import FIGURES, NOTES, PAGE, newest, page, read

KNOWN = {"size": "ci", "commit": "abc1234567", "machine": "2 x Processor, 8 GiB", "at": "2026-11-26T06:00:00+00:00"}
LATER = "2026-11-27T06:00:00+00:00"


def _line(**told: Any) -> dict[str, Any]:
    return {"threat": "T14", "what": "100 kills: lost", "found": "0", "goal": "0", "proof": "a::b"} | KNOWN | told


def test_a_figure_stands_with_its_day_commit_and_machine() -> None:
    """A table a size, with what it was measured on; a proof that merely passed is no figure."""
    told = page(newest([_line(), {"passed": "a::b", **KNOWN}]))
    assert "| T14 | 100 kills: lost | 0 | 0 | 2026-11-26 abc1234567 |" in told
    assert "Measured on: 2 x Processor, 8 GiB." in told
    assert "## CI sizes" in told
    assert "Release" not in told
    assert "a::b" not in told


def test_the_newest_of_a_figure_stands() -> None:
    """A run that comes later takes the place of the same figure, whatever counts stand in its words."""
    later = _line(what="99 kills: lost", found="0", at=LATER)
    told = page(newest([later, _line(found="3"), _line(proof="c::d", found="1|2")]))
    assert "| 3 |" not in told
    assert "| T14 | 99 kills: lost | 0 | 0 |" in told
    assert "1\\|2" in told


def test_what_a_proof_does_not_say_any_more_goes() -> None:
    """A figure that a later commit tells in other words, or not at all, does not stand beside what it says now."""
    told = page(newest([_line(what="kills: lost", found="3"), _line(at=LATER, commit="def1234567")]))
    assert "kills: lost | 0 | 3" not in told
    assert "def1234567" in told


def test_both_sizes_have_a_table() -> None:
    """What was found before a release does not take the place of what CI holds."""
    told = page(newest([_line(), _line(size="release", what="1,000 kills: lost")]))
    assert told.index("Release sizes") < told.index("CI sizes")


def test_what_was_not_run_again_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that has run one proof keeps the figures of all others: `make proofs` adds, it does not begin anew."""
    for name, file in (("FIGURES", "proofs.jsonl"), ("PAGE", "proofs.md"), ("NOTES", "notes.md")):
        monkeypatch.setattr(proofs, name, tmp_path / file)
    monkeypatch.setattr(proofs, "ROOT", tmp_path)
    monkeypatch.setattr(proofs, "FOUND", tmp_path)
    proofs.NOTES.write_text("What fell short.\n")
    proofs.FIGURES.write_text(json.dumps(_line(found="3")) + "\n" + json.dumps(_line(proof="c::d", found="4")) + "\n")
    (tmp_path / "ci.jsonl").write_text(json.dumps(_line(found="0", at=LATER)) + "\n")
    proofs.main()
    assert [line["found"] for line in read(proofs.FIGURES)] == ["0", "4"]
    assert proofs.PAGE.read_text().endswith("What fell short.\n")


def test_the_page_says_what_the_figures_say() -> None:
    """docs/proofs.md is made from docs/proofs.jsonl and the notes: no figure in it is written by hand."""
    assert PAGE.read_text() == page(newest(read(FIGURES)), NOTES.read_text())
