"""The application keeps its own contract: every operation, every check, both roles, both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, cast

import hypothesis
import pytest
import schemathesis
from hypothesis.errors import HypothesisException
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.jsonschema import validator_cache
from schemathesis.pytest._keys import _PYTEST_SCHEMAS_KEY
from schemathesis.python import asgi

from federation.database import Database
from tests.contract.world import World, make_world
from tests.proof import figure, size, sized

pytestmark = [pytest.mark.no_cover]
Role = Literal["node", "aggregator"]
Case = schemathesis.Case[Any]
# What a valid request may meet all the same: the state of things.
_CLASHES = ["406", "410", "412", "413", "422", "428"]
_POSITIVE = ["2xx", "3xx", "401", "403", "404", "409", "429", "5xx", *_CLASHES]
_NEGATIVE = ["400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "428", "429", "5xx"]
# What a schema cannot say: a request that fits it is refused (422) for these and for nothing else.
_BEYOND_PARAMETER = {
    "cursor": r"as it stands in",  # made by the server, for this very query
    "format": r"a calendar is of",  # asked of kinds that have no dates
    "movedTo": r"",  # goes with reason=moved, and only with it
    "endsAfter": r"which is",  # two ends that disagree
    "startsAfter": r"which is",
    "valueMin": r"which is",
}
_BEYOND_SCHEMA = re.compile(
    r"is not a (company|charity|Scottish charity) number|is not a council's code|is no identifier|names? a place"
    r"|holds a control character|holds half a character|line breaks or control characters|are no references"
    r"|of another record than the id|too long for an id|The record is too large|1 to 200 characters"
    r"|is no date|is no time|stands twice|given twice|deep|±|too long for the DNS"
)
_SETTINGS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(hypothesis.HealthCheck),
    "phases": [hypothesis.Phase.explicit, hypothesis.Phase.generate],
}


@pytest.fixture(autouse=True)
def _forgotten(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let schemathesis forget what it compiled for a test: no other asks for it, and it is most of a gigabyte."""
    yield
    validator_cache.clear()
    request.config.stash.get(_PYTEST_SCHEMAS_KEY, {}).clear()


@pytest.fixture(params=["node", "aggregator"])
def role(request: pytest.FixtureRequest) -> Role:
    """Return which of the two roles the application serves as."""
    found: Role = request.param
    return found


@pytest.fixture
def world(database: Database, tmp_path: Path, role: Role) -> Iterator[World]:
    """Yield an application with something in it."""
    made = make_world(database, tmp_path, role)
    yield made
    made.app.state.services.follower.stop()


@pytest.fixture
def session(world: World) -> Iterator[asgi.ASGIClient]:
    """Yield one client for all cases: a new event loop for each would take most of the time."""
    with asgi.get_client(cast("Any", world.app)) as found:
        found.headers["Authorization"] = f"Bearer {world.token}"
        yield found


def _load(request: pytest.FixtureRequest, world: World, *, boundaries: bool) -> schemathesis.BaseSchema:
    # schemathesis 4.32 names its subtests through a private attribute that pytest 9.2 has no more.
    request.node._nodeid = request.node.nodeid
    told = {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": _POSITIVE},
            "negative_data_rejection": {"expected-statuses": _NEGATIVE},
        },
        "phases": {"coverage": {"enabled": boundaries}},
        # An empty file fits "binary", whatever minLength says: it is refused as none (400). What stands in a file is
        # judged by the worker, after the answer (202), whatever its media type promised.
        "operations": [
            {
                "include-path": "/v1/imports",
                "checks": {
                    "positive_data_acceptance": {"expected-statuses": [*_POSITIVE, "400"]},
                    "negative_data_rejection": {"expected-statuses": [*_NEGATIVE, "202"]},
                },
            }
        ],
    }
    return schemathesis.openapi.from_asgi("/openapi.json", world.app, config=SchemathesisConfig.from_dict(told))


@pytest.fixture
def fuzzed(request: pytest.FixtureRequest, world: World) -> schemathesis.BaseSchema:
    """Return the contract as the application itself gives it, for cases at random."""
    return _load(request, world, boundaries=False)


@pytest.fixture
def bounded(request: pytest.FixtureRequest, world: World) -> schemathesis.BaseSchema:
    """Return the same contract, for the cases at the boundaries of each schema."""
    return _load(request, world, boundaries=True)


@pytest.fixture
def bounded_once(engine_name: str, bounded: schemathesis.BaseSchema) -> schemathesis.BaseSchema:
    """Return the same on one database: the boundaries are those of the contract; `make prove` tries them on both."""
    if engine_name != "sqlite":
        pytest.skip("the boundaries of the contract are tried on PostgreSQL by make prove")
    return bounded


def refused_only_for_what_a_schema_cannot_say(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A request that fits the contract is refused for nothing that the contract could have said."""
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    if not fits or response.status_code != 422:
        return
    for fault in response.json()["errors"]:
        told = fault["detail"] + fault.get("expected", "")
        rule = _BEYOND_SCHEMA if "pointer" in fault else _BEYOND_PARAMETER.get(fault["parameter"])
        beyond = rule is not None and re.search(rule, told)
        assert beyond, fault


def _sent(case: Case) -> bool:
    """Whether a case can be sent as it is: in an address an object is its names alone, which may well be valid."""
    return not any(isinstance(value, dict) for value in (case.query or {}).values())


def _try(case: Case, session: asgi.ASGIClient) -> None:
    hypothesis.assume(_sent(case))
    case.call_and_validate(session=session, additional_checks=[refused_only_for_what_a_schema_cannot_say])


@schemathesis.pytest.from_fixture("fuzzed").parametrize()
@hypothesis.settings(**_SETTINGS, max_examples=8, derandomize=True)
def test_t30_every_answer_is_as_the_contract_says(case: Case, session: asgi.ASGIClient) -> None:
    """Whatever is sent, the answer is one that the contract documents, and never a fault of the server."""
    _try(case, session)


@schemathesis.pytest.from_fixture("bounded_once").exclude(method=["POST", "PUT"]).parametrize()
@hypothesis.settings(**_SETTINGS, max_examples=1, derandomize=True)
def test_every_boundary_is_as_the_contract_says(case: Case, session: asgi.ASGIClient) -> None:
    """At each boundary of each parameter, method and header the answer is one that the contract documents."""
    _try(case, session)


def test_sequences_of_requests_keep_the_contract(
    world: World, session: asgi.ASGIClient, request: pytest.FixtureRequest
) -> None:
    """Requests made of earlier answers (create, read, change, withdraw, read again) keep the contract."""
    made = _load(request, world, boundaries=False).as_state_machine()

    class Sequences(made):  # type: ignore[misc, valid-type]
        def call(self, case: Case, **kwargs: Any) -> schemathesis.Response:
            kwargs["session"] = session
            response: schemathesis.Response = super().call(case, **kwargs)
            return response

    Sequences.run(settings=hypothesis.settings(**_SETTINGS, max_examples=5, stateful_step_count=8, derandomize=True))


SIZE = sized(20_000, 100_000) // 4
OPERATIONS = 30
# Another seed for each day before a release, so that a proof made again tries other cases; CI's, which is to find what
# a change broke, tries the same for the same contract. It stands beside the figure.
SEED = date.today().toordinal() if size() == "release" else 739_947  # noqa: DTZ011 - any number does


@dataclass
class Tally:
    """How many cases were tried, and the operations one of whose answers was not as the contract says."""

    cases: int = 0
    failed: set[str] = field(default_factory=set)


@pytest.fixture
def tally(role: Role, engine_name: str) -> Iterator[Tally]:
    """Yield what counts the cases, and hold the proof to the number that it promises."""
    made = Tally()
    yield made
    assert made.cases >= SIZE, f"{made.cases} cases of {SIZE}"
    where = f"{made.cases:,} cases of schemathesis, {role} on {engine_name}, seed {SEED}"
    figure("T30", f"operations that failed in {where}", len(made.failed), goal="0")


@pytest.mark.prove
@schemathesis.pytest.from_fixture("bounded").parametrize()
@hypothesis.seed(SEED)
@hypothesis.settings(**_SETTINGS, max_examples=SIZE // OPERATIONS)
def test_t30_a_great_many_answers_are_as_the_contract_says(case: Case, session: asgi.ASGIClient, tally: Tally) -> None:
    """20,000 cases (100,000 for a release), boundaries included, over both roles and both databases: 0 failures."""
    tally.cases += _sent(case)
    try:
        _try(case, session)
    except HypothesisException:
        raise
    except (Exception, FailureGroup):  # what the checks find is no Exception
        tally.failed.add(case.operation.label)
        raise
