"""Sequences of requests that follow the links of the contract itself, each answer held to the contract.

A sequence publishes a record and goes on by links, of which each answer offers some: reads, replaces, changes, finds
it, follows the feed; in the end it is withdrawn, its id answers 410, and the feed holds the tombstone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import hypothesis
import schemathesis
from hypothesis import strategies as st
from schemathesis.python import asgi

from schema.kinds import KINDS, PLURALS
from tests.services import PUBLISHER
from tests.strategies import records

Json = Any
Case = schemathesis.Case[Any]
PUBLISHED = [kind for kind in PLURALS if kind != "organisation"]
REASONS = ("ended", "error", "withdrawn", "personal-data")
_GOOD = {"deleteRecord": (204,), "getRecord": (200,), "findRecord": (200,), "listChanges": (200,)}


def pool(kind: str, count: int) -> list[dict[str, Json]]:
    """So many valid records of a kind, the same each time."""
    made = list[dict[str, Json]]()

    @hypothesis.settings(
        max_examples=count, derandomize=True, database=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=cast("list[hypothesis.HealthCheck]", list(hypothesis.HealthCheck)), deadline=None,
    )  # fmt: skip
    @hypothesis.given(st.lists(records(kind), min_size=1, max_size=1))
    def gather(found: list[dict[str, Json]]) -> None:
        made.extend(found)

    gather()
    return made


@dataclass(slots=True)
class Walker:
    """Walks one application. `told` counts answers by operation and status; `name` keeps references apart."""

    schema: Any
    session: asgi.ASGIClient
    random: Random
    name: str
    pools: Mapping[str, Sequence[dict[str, Json]]]
    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    made: int = 0

    def sequence(self) -> None:
        """One record's life, from its first publication to its tombstone."""
        self.made += 1
        kind, reference = self.random.choice(PUBLISHED), f"{self.name} {self.made} \u00e9"
        case = self._case(f"create{KINDS[kind].__name__}", {"publisher": PUBLISHER}, self._data(kind, reference))
        answer = self._answer(case, (201,))
        record = answer.json()
        for _step in range(self.random.randint(1, 6)):
            links = self._links(case, answer)
            links.pop("Withdraw", None)
            if not links:
                break
            case, answer = self._go_on(case, answer, links, kind, record)
        self._end(record)

    def _go_on(
        self, case: Case, answer: Any, links: Mapping[str, Json], kind: str, record: dict[str, Json]
    ) -> tuple[Case, Any]:
        link = links[self.random.choice(sorted(links))]
        name, data = link["operationId"], None
        if name == "replaceRecord":
            data = self._data(kind, record["data"]["reference"])
        elif name == "patchRecord":
            data = self._patch(kind, record["data"])
        following = self._case(name, self._parameters(link, case, answer), data)
        # A patch may take out what must be there, or make two members disagree: that is refused, and nothing changes.
        said = self._answer(following, _GOOD.get(name, (200, 422) if name == "patchRecord" else (200,)))
        if name in ("replaceRecord", "patchRecord") and said.status_code == 200:
            record["data"] = said.json()["data"]
            assert name != "replaceRecord" or record["data"] == data
        elif name in ("getRecord", "findRecord") and said.json()["id"] == record["id"]:
            assert said.json()["data"] == record["data"], "what is read is not what was written"
        return (following, said) if said.status_code < 400 else (case, answer)

    def _end(self, record: dict[str, Json]) -> None:
        found = self._answer(self._case("findRecord", {"id": record["id"]}), (200,))
        assert found.json()["data"] == record["data"]
        place = {"publisher": PUBLISHER, "kind": record["kind"], "reference": record["data"]["reference"]}
        read = self._answer(self._case("getRecord", place), (200,))
        given = {**place, "If-Match": read.headers["etag"][0], "reason": self.random.choice(REASONS)}
        gone = self._answer(self._case("deleteRecord", given), (204,))
        again = self._answer(self._case("getRecord", place), (410,))
        assert again.json()["reason"] == given["reason"]
        assert "Read" in self._links(self._case("deleteRecord", given), gone)
        before = self._last(record) - 1
        feed = self._answer(self._case("listChanges", {"afterChangeNumber": before}), (200,))
        (item,) = [one for one in feed.json()["items"] if one["id"] == record["id"]]
        assert (item["state"], item["reason"], "data" in item) == ("deleted", given["reason"], False)

    def _last(self, record: Mapping[str, Json]) -> int:
        """The number of the tombstone, which the 410 names as the origin's."""
        place = {"publisher": PUBLISHER, "kind": record["kind"], "reference": record["data"]["reference"]}
        return int(self._answer(self._case("getRecord", place), (410,)).json()["origin"]["seq"])

    def _data(self, kind: str, reference: str) -> dict[str, Json]:
        return {**self.random.choice(self.pools[kind]), "reference": reference}

    def _patch(self, kind: str, data: Mapping[str, Json]) -> dict[str, Json]:
        other = self._data(kind, str(data["reference"]))
        gone = {name: None for name in data if name != "reference" and self.random.random() < 0.2}
        return {name: value for name, value in other.items() if self.random.random() < 0.4} | gone

    def _case(self, name: str, given: Mapping[str, Json], data: dict[str, Json] | None = None) -> Case:
        operation = self.schema.find_operation_by_id(name)
        where = {one["name"]: one["in"] for one in operation.definition.raw["parameters"]}
        parts: dict[str, dict[str, Json]] = {"path": {}, "query": {}, "header": {}}
        for key, value in given.items():
            parts[where[key]][key] = value
        media = "application/merge-patch+json" if name == "patchRecord" else "application/json"
        body = {} if data is None else {"body": data, "media_type": media}
        found: Case = operation.Case(
            path_parameters=parts["path"], query=parts["query"], headers=parts["header"], **body
        )
        return found

    def _answer(self, case: Case, expected: Sequence[int]) -> Any:
        answer = case.call_and_validate(session=self.session)
        name = case.operation.definition.raw["operationId"]
        self.told[name, answer.status_code] += 1
        assert answer.status_code in expected, f"{name}: {answer.status_code}: {answer.text[:800]}"
        return answer

    def _links(self, case: Case, answer: Any) -> dict[str, Json]:
        found = case.operation.definition.raw["responses"].get(str(answer.status_code), {}).get("links", {})
        links = {title: link for title, link in found.items() if self._parameters(link, case, answer) is not None}
        return dict(links)

    def _parameters(self, link: Mapping[str, Json], case: Case, answer: Any) -> Any:
        """The parameters that a link gives; None where the answer has not what it needs."""
        found = {name: _value(told, case, answer) for name, told in link.get("parameters", {}).items()}
        return None if None in found.values() else found


def _value(expression: str, case: Case, answer: Any) -> Json:
    """What a runtime expression comes to (OpenAPI 3.1, "Runtime Expressions")."""
    whole, _, pointer = expression.partition("#")
    name = whole.split(".", 2)[2] if whole.count(".") > 1 else ""
    match whole.split(".")[:2]:
        case ["$request", "query"]:
            return (case.query or {}).get(name)
        case ["$request", "path"]:
            return (case.path_parameters or {}).get(name)
        case ["$response", "header"]:
            return answer.headers.get(name.lower(), [None])[0]
        case ["$response", "body"]:
            return _at(answer.json(), pointer)
    raise ValueError(f"this is no runtime expression: {expression}")


def _at(value: Json, pointer: str) -> Json:
    for step in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
