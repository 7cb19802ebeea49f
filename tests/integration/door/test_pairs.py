"""T24: two at once: of two changes to one version one is made; of two equal requests under one key, one is done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.writes.conftest import Moot
from tests.proof import figure, sized
from tests.services import PREFIX

PAIRS = sized(500, 2_000) // 4  # two sorts of pair, on two databases


@pytest.mark.proof
def test_t24_of_two_changes_to_one_version_one_is_made(moot: Moot, contract: dict[str, Any], engine_name: str) -> None:
    """Two writers with the same ETag: one 200 and one 412, and the record is what the first one said."""
    token, where, wrong = moot.token(), f"{PREFIX}contract/EXA-C-1", 0
    tag = moot.post(token, contract).headers["etag"]
    with ThreadPoolExecutor(2) as pool:
        for turn in range(PAIRS):
            said = [{**contract, "title": f"Version {turn} of {writer}"} for writer in "AB"]
            put = lambda data, tag=tag: moot.call("PUT", where, token, data, If_Match=tag)  # noqa: E731
            answers = list(pool.map(put, said))
            wrong += sorted(answer.status_code for answer in answers) != [200, 412]
            made, data = next((a, d) for a, d in zip(answers, said, strict=True) if a.status_code == 200)
            wrong += moot.http.get(where).json()["data"] != data
            tag = made.headers["etag"]
    figure("T24", f"{engine_name}, lost updates in {PAIRS} pairs", wrong, goal="0")
    assert wrong == 0


@pytest.mark.proof
def test_t24_of_two_equal_requests_under_one_key_one_is_done(
    moot: Moot, contract: dict[str, Any], engine_name: str
) -> None:
    """Two equal POSTs at once with one Idempotency-Key: the same answer twice, and one change."""
    token, before, wrong = moot.token(), moot.latest(), 0
    with ThreadPoolExecutor(2) as pool:
        for turn in range(PAIRS):
            data = {**contract, "reference": f"PAIR-{turn}"}
            post = lambda key, data=data: moot.post(token, data, Idempotency_Key=key)  # noqa: E731
            first, second = pool.map(post, [f"key-{turn}"] * 2)
            wrong += (first.status_code, second.status_code, first.content == second.content) != (201, 201, True)
    doubled = moot.latest() - before - PAIRS
    figure("T24", f"{engine_name}, doubled writes in {PAIRS} pairs", wrong + doubled, goal="0")
    assert (wrong, doubled) == (0, 0)
