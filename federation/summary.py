"""What was found of a node as a program reads it: of bounded length, whatever the node says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from federation.checks import AN_ID, Report, Result, cut
from federation.identity import key_of, name_of, prefixes_of
from federation.rules import advice_of, severity_of
from federation.verdicts import Trouble
from schema.manifest import Manifest

SHOWN = 100
"""How many places and publishers a summary names; of all it has the number."""
MOST_BYTES = 256 * 1024
"""How long a summary is at most: anybody may have one made, and each is kept for a day."""
_A_TEXT = 1_000


def summary(report: Report) -> dict[str, Any]:
    """The report as a program reads it: each rule with what it found, and the first hundred places that find room."""
    found = {
        "url": report.url,
        **_about(report.manifest),
        "pagesRead": len(report.steps),
        "itemsRead": len(report.readings),
        "passed": report.passed,
        "rules": [_rule(result) for result in report.results],
        "problemCount": len(report.troubles),
    }
    left = MOST_BYTES - len(orjson.dumps(found))
    return found | {"problems": _within(left, map(_problem, report.troubles[:SHOWN]))}


def _within(left: int, problems: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the problems, from the first on, that find room in so many bytes."""
    shown: list[Mapping[str, Any]] = []
    for problem in problems:
        left -= len(orjson.dumps(problem)) + 20
        if left < 0:
            break
        shown.append(problem)
    return shown


def _rule(result: Result) -> dict[str, Any]:
    rule = result.of
    said = {"rule": rule.id, "severity": rule.severity, "gate": rule.gate, "kept": result.kept}
    said["found"] = cut(result.found, _A_TEXT)
    return said | {"standard": rule.standard, "section": rule.section, "advice": result.advice}


def _problem(trouble: Trouble) -> Mapping[str, Any]:
    return {
        "rule": trouble.rule,
        "severity": severity_of(trouble.rule),
        "pointer": cut(trouble.pointer, AN_ID),
        "recordId": cut(trouble.record_id, AN_ID) or None,
        "message": cut(trouble.message, _A_TEXT),
        "advice": advice_of(trouble.rule),
    }


def _about(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None:
        return {"key": None, "name": None, "role": None, "publishers": [], "publisherCount": 0}
    publishers = list(prefixes_of(manifest).values())
    return {
        "key": key_of(manifest.id),
        "name": name_of(manifest),
        "role": manifest.role,
        "publishers": publishers[:SHOWN],
        "publisherCount": len(publishers),
    }
