"""No member of any kind is read as what it is not: not `false` as 0, not "5" as 5, not null as absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import orjson
import pytest

from schema.errors import Invalid
from schema.jsonschema import json_schema
from schema.kinds import KINDS, check, parse
from tests.proof import figure

Json = Any
Path = tuple[str | int, ...]
LEAST: Mapping[str, dict[str, Json]] = {
    "organisation": {"name": "Exampleshire", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]},
    "roadmap-item": {"reference": "R1", "title": "Forms"},
    "contract": {"reference": "C1", "title": "Bins"},
    "tool": {"reference": "T1", "name": "PlanWise"},
    "asset": {"reference": "A1", "name": "Patterns"},
    "skill": {"reference": "S1", "name": "Research"},
}
WRONG: Mapping[str, list[Json]] = {
    "string": [0, 1.5, True, ["x"], {"x": 1}, None],
    "boolean": [0, 1, "true", "", [True], None],
    "number": ["5", "", True, False, [5], {"amount": 5}, None],
    "integer": ["5", 1.5, True, False, [5], None],
    "array": ["x", {"0": "x"}, 5, True, None],
    "object": ["x", ["name"], 5, True, None],
}


def slips(kind: str) -> Iterator[tuple[Path, Json]]:
    """Each member of a kind, at any depth, with each value that is of another type."""
    schema = json_schema(kind, KINDS[kind])
    yield from _below(schema, schema.get("$defs", {}), ())


def _below(schema: Mapping[str, Json], parts: Mapping[str, Json], at: Path) -> Iterator[tuple[Path, Json]]:
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    sort = "string" if "enum" in schema else schema["type"]
    if at:
        yield from ((at, value) for value in WRONG[sort])
    if sort == "array":
        yield from _below(schema["items"], parts, (*at, 0))
    for name, member in schema.get("properties", {}).items():
        yield from _below(member, parts, (*at, name))


def planted(kind: str, at: Path, value: Json) -> dict[str, Json]:
    """The least record of a kind with one value put in, and what must stand around it."""
    root: dict[str, Json] = orjson.loads(orjson.dumps(LEAST[kind]))
    here: Json = root
    for step, following in pairwise(at):
        empty: Json = [] if following == 0 else {}
        if isinstance(here, list):
            here.extend([empty] if not here else [])
        else:
            here.setdefault(step, empty)
        inner: Any = here
        here = inner[step]
    if isinstance(here, list):
        here[:1] = [value]
    else:
        here[at[-1]] = value
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_t23_no_member_is_read_as_what_it_is_not(kind: str) -> None:
    """Whatever the member, a value of another type is refused with its place named, by both ways of reading."""
    tried = 0
    for at, value in slips(kind):
        body = orjson.dumps(planted(kind, at, value))
        pointer = "".join(f"/{step}" for step in at)
        for read in (parse, check):
            with pytest.raises(Invalid) as refused:
                read(kind, body)
            assert any(fault.pointer.startswith(pointer) for fault in refused.value.faults), (pointer, value)
        tried += 1
    figure("T23", f"members of {kind} read as what they are not, of {tried} slips", 0, goal="0")


@pytest.mark.parametrize("kind", KINDS)
def test_t23_the_least_record_is_good(kind: str) -> None:
    """What the slips are put into is itself a good record, so that it is the slip that is refused."""
    assert parse(kind, orjson.dumps(LEAST[kind]))
