"""What a rule is: the words of which `federation/rules.py` makes the one list. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

Severity = Literal["error", "warning"]
Part = Literal["door", "manifest", "feed", "item", "identity", "signature", "conduct"]
OURS = "Folkmoot 1.0"
RPDE = "OpenActive RPDE 1.0"
SERVER = "Ask the people who run the node to look at it: its pages, not its records, are at fault."


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it asks, of which standard and section, how bad a breach is, and how to mend it.

    `gate`: a node that breaks it stays a preview. `part` says what must have been read before it can be asked.
    """

    part: Part
    id: str
    standard: str
    section: str
    says: str
    advice: str
    severity: Severity = "error"
    gate: bool = False


gate = partial(Rule, gate=True)
advised = partial(Rule, severity="warning")
