"""Idempotency-Key: a request that is sent again is not done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.app import create_app
from tests.integration.writes.conftest import Moot
from tests.services import NOW, PREFIX, client


def test_a_repeat_gets_the_same_answer(moot: Moot, contract: dict[str, Any]) -> None:
    """The same key and request give the same status, headers and bytes, and one change."""
    token = moot.token()
    first = moot.post(token, contract, Idempotency_Key="one")
    after = moot.latest()
    again = moot.post(token, contract, Idempotency_Key="one")
    assert (again.status_code, again.content) == (201, first.content)
    assert (again.headers["etag"], again.headers["location"]) == (first.headers["etag"], first.headers["location"])
    assert moot.latest() == after


def test_a_repeated_deletion_gets_its_answer(moot: Moot, contract: dict[str, Any]) -> None:
    """A DELETE whose answer was lost is answered 204 again, where without the key it would be 410."""
    token = moot.token()
    tag = moot.post(token, contract).headers["etag"]
    where = f"{PREFIX}contract/EXA-C-1?reason=error"
    for _ in range(2):
        assert moot.call("DELETE", where, token, If_Match=tag, Idempotency_Key="x").status_code == 204


def test_a_key_is_for_one_request(moot: Moot, contract: dict[str, Any]) -> None:
    """The same key with another body is 409 and does nothing; another token's same key is its own."""
    token = moot.token()
    moot.post(token, contract, Idempotency_Key="one")
    other = {**contract, "reference": "EXA-C-2"}
    assert moot.post(token, other, Idempotency_Key="one").status_code == 409
    assert moot.entry(f"{PREFIX}contract/EXA-C-2") is None
    assert moot.post(moot.token(), other, Idempotency_Key="one").status_code == 201


def test_a_refusal_can_be_mended_under_the_same_key(moot: Moot, contract: dict[str, Any]) -> None:
    """A request that was refused left nothing behind, its key included."""
    token = moot.token()
    assert moot.post(token, {**contract, "title": ""}, Idempotency_Key="one").status_code == 422
    assert moot.post(token, contract, Idempotency_Key="one").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe9"])
def test_a_key_is_visible_ascii(moot: Moot, contract: dict[str, Any], key: str) -> None:
    """What is no key is 422, not ignored."""
    headers = {b"Idempotency-Key": key.encode("latin-1"), b"Authorization": f"Bearer {moot.token()}".encode()}
    said = moot.http.post("/v1/contracts?publisher=GB-LAE-EXA", json=contract, headers=headers)
    assert said.status_code == 422


def test_a_withdrawal_takes_no_other_records_answer(moot: Moot, contract: dict[str, Any]) -> None:
    """Erasure forgets the stored answers of one record: those of another, whose id differs in case alone, stay."""
    token = moot.token()
    other = moot.post(token, {**contract, "reference": "EXA-C-1"}, Idempotency_Key="one")
    mine = moot.post(token, {**contract, "reference": "exa-c-1"}, Idempotency_Key="two")
    where = f"{PREFIX}contract/exa-c-1?reason=personal-data"
    assert moot.call("DELETE", where, token, If_Match=mine.headers["etag"]).status_code == 204
    again = moot.post(token, {**contract, "reference": "EXA-C-1"}, Idempotency_Key="one")
    assert (again.status_code, again.content) == (201, other.content)
    assert moot.post(token, {**contract, "reference": "exa-c-1"}, Idempotency_Key="two").status_code == 410


def test_doubles_at_once_make_one_record(moot: Moot, contract: dict[str, Any]) -> None:
    """Sixteen equal POSTs at once with one key: sixteen equal answers, one change."""
    token, before = moot.token(), moot.latest()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: moot.post(token, contract, Idempotency_Key="one"), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert moot.latest() == before + 1


def test_a_key_is_kept_for_a_day(moot: Moot, contract: dict[str, Any]) -> None:
    """After a day the key is forgotten: the request is judged anew, and clashes with what it made."""
    token = moot.token()
    moot.post(token, contract, Idempotency_Key="one")
    later = replace(moot.services, now=lambda: NOW + timedelta(hours=25))
    tomorrow = Moot(later, client(create_app(later)))
    assert tomorrow.post(token, contract, Idempotency_Key="one").status_code == 409
