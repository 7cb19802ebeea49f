"""One list of rules: whatever a node can be refused for stands in it, with its standard, its section and advice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from federation.looks import LOOKS
from federation.rules import BY_ID, RULES, advice_of, gates, severity_of

ROOT = Path(__file__).parents[3]
RAISERS = {"Refused", "Untrusted", "_fault", "broken", "Trouble"}


def named() -> Iterator[tuple[str, str]]:
    """Give each rule that the code of a crawl names, with where."""
    for path in sorted([*ROOT.glob("schema/*.py"), *ROOT.glob("federation/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = node.args[:1] if node.func.id in RAISERS else []
            given += [word.value for word in node.keywords if word.arg == "rule" and node.func.id == "Fault"]
            for one in given:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value, f"{path.name}:{node.lineno}"


def test_every_rule_that_the_code_names_is_in_the_list() -> None:
    """A crawl refuses nothing by a rule that a check does not know."""
    found = list(named())
    assert len({rule for rule, _ in found}) > 40
    assert [(rule, where) for rule, where in found if rule not in BY_ID] == []


def test_every_rule_is_whole() -> None:
    """A rule stands once, and says what it asks, of which section of which standard, and how to mend a breach."""
    assert len(BY_ID) == len(RULES)
    for rule in RULES:
        assert all((rule.standard, rule.section)), rule.id
        assert rule.says.endswith("."), rule.id
        assert rule.advice.endswith("."), rule.id
        assert not (rule.gate and rule.severity == "warning"), rule.id


def test_every_look_has_its_rule() -> None:
    """A function that looks at the whole has a row in the list."""
    assert set(LOOKS) <= set(BY_ID)


def test_an_unknown_rule_is_grave() -> None:
    """A rule that somebody forgot to list is an error and a gate, with advice."""
    assert (severity_of("nobody"), gates("nobody")) == ("error", True)
    assert advice_of("nobody").startswith("Ask")
