"""What the people of a node can do about a problem that was found there, rule by rule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from federation.rules import advice_of


def advised(problems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Problems with what to do about each and the name that each has on its page, errors first."""
    told = [dict(one, advice=advice_of(str(one["rule"])), anchor=_anchor(one)) for one in problems]
    return sorted(told, key=lambda one: one["severity"] != "error")


def _anchor(problem: Mapping[str, Any]) -> str:
    """A problem that comes back after it was mended has a new name, so that readers of the feed are told again."""
    said = [problem[name] for name in ("rule", "recordId", "pointer", "firstSeen")]
    return "p-" + hashlib.sha256(orjson.dumps(said)).hexdigest()[:16]
