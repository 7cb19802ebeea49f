"""The contract is a file, and the application is held to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from api import deps
from api.app import create_app
from federation.database import Database
from folkmoot.commands.housekeeping import described
from tests.services import make_services

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("node", "aggregator")


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def app(role: Any, tmp_path: Path) -> Iterator[FastAPI]:
    database = Database(f"sqlite:///{tmp_path / 'unused.db'}")
    yield create_app(make_services(database, tmp_path, role, organisation=None))
    database.dispose()


def test_the_committed_openapi_is_the_applications(role: str) -> None:
    """openapi/{role}.json equals what the application describes: otherwise run make openapi and make docs."""
    assert (ROOT / "openapi" / f"{role}.json").read_bytes() == described(role), "run make openapi"


def test_every_operation_is_documented(role: str) -> None:
    """Each operation has a summary, one tag, and an id of its own that makes a method name."""
    contract = json.loads((ROOT / "openapi" / f"{role}.json").read_text())
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    ]
    assert operations
    poor = [
        name
        for name, operation in operations
        if not operation.get("summary") or len(operation.get("tags", ())) != 1 or "operationId" not in operation
    ]
    assert poor == []
    ids = [operation["operationId"] for _, operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(one.isidentifier() for one in ids), ids
    known = {tag["name"] for tag in contract["tags"]}
    assert {tag for _, operation in operations for tag in operation["tags"]} <= known


def test_every_problem_is_documented_as_one(role: str) -> None:
    """Each 4xx and 5xx that an operation names answers application/problem+json."""
    contract = json.loads((ROOT / "openapi" / f"{role}.json").read_text())
    others = []
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if status[0] not in "45":
                    continue
                told = response
                if "$ref" in response:
                    told = contract["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
                if "application/problem+json" not in told.get("content", {}) and "/health/" not in path:
                    others.append(f"{method.upper()} {path} {status}")
    assert others == []


def test_no_get_may_write(app: FastAPI) -> None:
    """A route that answers GET can only ask for a reading session."""
    routes = [
        (route.path, route.methods or set(), takes(dependant, deps.write_session))
        for route in iter_route_contexts(app.routes)
        if (dependant := getattr(route, "dependant", None))
    ]
    assert any(writes for _, _, writes in routes), "no route writes at all: this test looks in the wrong place"
    assert [path for path, methods, writes in routes if "GET" in methods and writes] == []


def takes(dependant: Dependant, wanted: Any) -> bool:
    """Tell whether a route, or anything that it depends on, asks for `wanted`."""
    return dependant.call is wanted or any(takes(inner, wanted) for inner in dependant.dependencies)
