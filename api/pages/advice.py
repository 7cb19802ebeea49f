"""What the people of a node can do about a problem that was found there, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from federation.rules import advice_of


def advised(problems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Problems with what to do about each, errors first."""
    told = [dict(one, advice=advice_of(str(one["rule"]))) for one in problems]
    return sorted(told, key=lambda one: one["severity"] != "error")
