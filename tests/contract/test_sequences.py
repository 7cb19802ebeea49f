"""Whole lives of records through the API, by the links of its own contract, on both databases and in both roles."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
import schemathesis
from schemathesis.python import asgi

from tests.contract.sequences import PUBLISHED, Walker, pool
from tests.contract.test_schemathesis import Role, role, session, world
from tests.contract.world import World
from tests.proof import figure, size, sized

__all__ = ["role", "session", "world"]
SEQUENCES = 40 if size() == "tenth" else sized(2_000, 10_000)


@pytest.fixture(scope="module")
def pools() -> Mapping[str, list[dict[str, Any]]]:
    """Return valid records of each kind."""
    return {kind: pool(kind, 60) for kind in PUBLISHED}


@pytest.mark.proof
def test_t30_a_records_life_keeps_the_contract(
    world: World,
    session: asgi.ASGIClient,
    role: Role,
    engine_name: str,
    pools: Mapping[str, list[dict[str, Any]]],
) -> None:
    """Published, read, replaced, patched, found, withdrawn and followed by links: every answer is as the contract says.

    What is read is what was written last; a withdrawn id answers 410; the feed holds the tombstone and no data.
    """
    schema = schemathesis.openapi.from_asgi("/openapi.json", world.app)
    seed = f"{role} {engine_name} {SEQUENCES}"
    walker = Walker(schema, session, Random(seed), f"{role}-{engine_name}", pools)
    for _number in range(SEQUENCES // 4):
        walker.sequence()
    what = (
        f"sequences by links, {role} on {engine_name}, seed '{seed}', {sum(walker.told.values()):,} requests: failures"
    )
    figure("T30", f"{SEQUENCES // 4:,} {what}", 0, goal="0")
    assert {name for name, _status in walker.told} >= {"getRecord", "findRecord", "deleteRecord", "listChanges"}
