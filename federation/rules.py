"""The one list of rules that a node is held to: by a check, when it joins, and at every crawl (docs/rules.md). Pure.

A rule is looked for by a small function of its own: those of a fetch in `answers.py` and `addresses.py`, of the
manifest in `identity.py`, of a page in `schema/change.py` and `crawl.py`, of an item in `judge.py` and `schema/`; what
only a look at the whole can tell in `looks.py`. Whatever is told of a node names one of these ids.
"""

from __future__ import annotations

from collections.abc import Mapping

from federation.rule import SERVER, Rule, Severity
from federation.rules_of_feeds import OF_A_FETCH, OF_A_PAGE
from federation.rules_of_nodes import OF_AN_ITEM, OF_CONDUCT, OF_IDENTITY, OF_THE_MANIFEST
from federation.rules_of_signatures import OF_SIGNATURES

RULES: tuple[Rule, ...] = (
    *OF_A_FETCH,
    *OF_THE_MANIFEST,
    *OF_A_PAGE,
    *OF_AN_ITEM,
    *OF_IDENTITY,
    *OF_SIGNATURES,
    *OF_CONDUCT,
)
BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}


def severity_of(rule: str) -> Severity:
    """How bad a breach is; a rule that is not in the list is an error."""
    return BY_ID[rule].severity if rule in BY_ID else "error"


def advice_of(rule: str) -> str:
    """How to mend a breach, in one sentence for the people of the node."""
    return BY_ID[rule].advice if rule in BY_ID else SERVER


def gates(rule: str) -> bool:
    """Whether a node that breaks it stays a preview."""
    return rule not in BY_ID or BY_ID[rule].gate
