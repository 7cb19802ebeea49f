"""Other people's words on the operator's terminal: shown as they are, and obeyed by nobody."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from federation.apply import Applied
from federation.rounds import TurnResult
from federation.verdicts import clean as stored
from folkmoot.commands import node_shown
from folkmoot.commands.crawling import _line
from folkmoot.words import clean

CSI, ESC = "\x9b2J", "\x1b[2J"
NAME = f"Council [/x] [red]{CSI}{ESC}\u202e"
PROBLEM = {"rule": "page-json", "severity": "error", "pointer": f"/[/x]{CSI}", "recordId": f"https://x/[/i]{CSI}"}


@pytest.fixture(params=[True, False], ids=["a terminal", "a pipe"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where tables are drawn, as on a terminal or as in a pipe."""
    found = io.StringIO()
    monkeypatch.setattr(node_shown, "Console", lambda: Console(file=found, force_terminal=request.param, width=400))
    return found


def _node(**members: Any) -> dict[str, Any]:
    node = {"key": "exa.example", "name": NAME, "role": "node", "state": "active", "records": 1, "refused": 0}
    problem = PROBLEM | {"message": f"It says {NAME}.", "count": 1}
    told = {"problems": [problem], "problemCounts": {"error": 150, "warning": 3}}
    return node | {"lastGoodVisit": None} | told | members


def _told(screen: io.StringIO, capsys: pytest.CaptureFixture[str]) -> str:
    return screen.getvalue() + capsys.readouterr().out


def test_a_name_that_looks_like_markup_is_shown_and_hides_nobody(
    screen: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """A publisher may be called `Council [/x]`: the list shows it, and the nodes beside it."""
    node_shown.listing([_node(), _node(key="other.example", name="Other")], as_json=False)
    told = _told(screen, capsys)
    assert "Council [/x] [red]" in told
    assert "other.example" in told
    _steers_nothing(told)


def test_all_problems_of_a_node_are_counted(screen: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """The list says how many there are, as the pages do, and not how many of them it was given to show."""
    node_shown.listing([_node()], as_json=False)
    assert "153" in _told(screen, capsys)


def test_what_a_node_is_told_steers_no_terminal(screen: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules, pointers, ids and messages quote what a node said: none of its control characters comes through."""
    decide = PROBLEM | {"rule": "identity-changed", "message": f"It is {NAME} now.", "count": 2}
    node_shown.node(_node(problems=[decide]), as_json=False)
    told = _told(screen, capsys)
    assert told.count("Council [/x] [red]") >= 2
    _steers_nothing(told)


def test_the_name_of_a_key_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Before an operator confirms who a node is, its keys are shown by their names and thumbprints alone."""
    key = {"kid": f"2026{CSI}{ESC}", "kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
    revoked = key | {"revoked": f"2026-11-02{CSI}"}
    node_shown.identity([key], [revoked], f"node{CSI}", "aggregator")
    _steers_nothing(capsys.readouterr().out)


def test_why_a_visit_failed_steers_no_terminal() -> None:
    """The line of a visit quotes what a node said."""
    _steers_nothing(_line(TurnResult("exa.example", "failed", 1, Applied(), error=f"It says {NAME}.")))


def _steers_nothing(told: str) -> None:
    plain = told.replace("\x1b[1m", "").replace("\x1b[0m", "")  # the table's own
    assert not [c for c in plain if not (c.isprintable() or c in "\n\t")]


@pytest.mark.parametrize("c", [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))])
def test_no_control_character_is_left(c: str) -> None:
    """Neither C0 nor C1 is kept in what is told of a node, nor shown."""
    assert stored(f"a{c}b") == "a b"
    assert clean(f"a{c}b") == "a\N{REPLACEMENT CHARACTER}b"
    assert stored("Cyngor Môn, £5") == clean("Cyngor Môn, £5") == "Cyngor Môn, £5"
