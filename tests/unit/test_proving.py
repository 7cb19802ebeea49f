"""`make prove` goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import proof, proving

pytest_plugins = ["pytester"]


def _at(monkeypatch: pytest.MonkeyPatch, folder: Path, size: str, commit: str) -> None:
    monkeypatch.setattr(proof, "ROOT", folder)
    monkeypatch.setattr(proof, "commit", lambda: commit)
    monkeypatch.setenv("FOLKMOOT_PROVE_SIZE", size)


def test_what_passed_at_this_size_and_commit_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what passed at another size, nor at another commit, nor in a checkout with changes."""
    _at(monkeypatch, tmp_path, "ci", "abc")
    proof.keep({"passed": "a::b"})
    assert proof.passed() == {"a::b"}
    for size, commit in (("release", "abc"), ("ci", "def"), ("ci", "abc+"), ("tenth", "abc")):
        _at(monkeypatch, tmp_path, size, commit)
        assert proof.passed() == set()


def test_a_proof_passed_when_all_of_it_did(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of whose subtests, or whose end, failed is tried again by the next run; so is one that was skipped."""
    _at(monkeypatch, pytester.path, "ci", "abc")
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.proof

        def test_whole(subtests):
            with subtests.test():
                pass

        def test_a_part_fails(subtests):
            with subtests.test():
                pass
            with subtests.test():
                assert False

        @pytest.fixture
        def tally():
            yield
            assert False

        def test_the_end_fails(tally):
            pass

        @pytest.mark.skip
        def test_skipped():
            pass
        """
    )
    pytester.inline_run("-p", "no:cacheprovider", "-W", "ignore", plugins=[proving])
    assert {name.partition("::")[2] for name in proof.passed()} == {"test_whole"}


def test_figures_of_a_published_size_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A figure is printed at every size; with its day, commit, machine and proof it is kept where it is published."""
    _at(monkeypatch, tmp_path, "tenth", "abc")
    proof.figure("T14", "lost", 1_000, goal="0")
    assert "T14 lost: 1,000 (goal: 0)" in capsys.readouterr().out
    assert not (tmp_path / "build").exists()
    _at(monkeypatch, tmp_path, "release", "abc")
    proof.figure("T14", "lost", 0, goal="0", unit=" records")
    (line,) = [json.loads(line) for line in proof.kept().read_text().splitlines()]
    assert (line["found"], line["size"], line["commit"]) == ("0 records", "release", "abc")
    assert line["proof"].endswith("test_proving.py::test_figures_of_a_published_size_are_kept")
    assert line["machine"]
    assert line["at"]
