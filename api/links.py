"""What follows from an answer, as OpenAPI links: a record that was made can be read, changed, withdrawn and followed.

For people who read the description, and for tools that walk it: the stateful tests are made of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_TAG = {"If-Match": "$response.header.ETag"}
_PLACE = ("publisher", "kind", "reference")
_MADE = {
    "publisher": "$request.query.publisher",
    "kind": "$response.body#/kind",
    "reference": "$response.body#/data/reference",
}
_THERE = {name: f"$request.path.{name}" for name in _PLACE}
_FIRST = {"id": "$response.body#/items/0/id"}
_ID = {"id": "$response.body#/id"}
_CHANGING = {
    "Replace": ("replaceRecord", "Replace its data, with the version's tag."),
    "Change": ("patchRecord", "Change members of it, with the version's tag."),
    "Withdraw": ("deleteRecord", "Put a tombstone in its place, with the version's tag."),
}
_LISTS = ("search", "listRoadmapItems", "listContracts", "listTools", "listAssets", "listSkills", "listOrganisations")


def install(operations: Mapping[str, dict[str, Any]]) -> None:
    """Put links on the answers of these operations, by their names. A link leads only to what is described too."""
    for name, operation in operations.items():
        for status, found in _links(name):
            there = {title: one for title, one in found.items() if one["operationId"] in operations}
            if status in operation["responses"] and there:
                operation["responses"][status]["links"] = there


def _links(name: str) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    if name.startswith("create") and name != "createOrganisation":
        yield "201", _of_record(_MADE) | {"Find": _link("findRecord", "Find it by its id.", _ID)}
        return
    match name:
        case "replaceRecord" | "patchRecord":
            yield "200", _of_record(_THERE) | {"Find": _link("findRecord", "Find it by its id.", _ID)}
        case "getRecord":
            yield "200", _changing(_THERE)
        case "deleteRecord":
            gone = _link("getRecord", "Read the tombstone: 410, and why.", _THERE)
            yield "204", {"Read": gone, "Follow": _link("listChanges", "See the tombstone in the feed.", {})}
        case "listChanges":
            yield "200", {"Find": _link("findRecord", "Read the first record of the page by itself.", _FIRST)}
        case _ if name in _LISTS:
            yield "200", {"Find": _link("findRecord", "Read the first record of the list by itself.", _FIRST)}


def _of_record(place: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    read = {"Read": _link("getRecord", "Read it at its id.", place)}
    after = {"afterChangeNumber": "$response.body#/origin/seq"}
    return read | _changing(place) | {"Follow": _link("listChanges", "Read what has changed since.", after)}


def _changing(place: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {title: _link(name, about, {**place, **_TAG}) for title, (name, about) in _CHANGING.items()}


def _link(operation: str, about: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {"operationId": operation, "description": about} | ({"parameters": dict(parameters)} if parameters else {})
