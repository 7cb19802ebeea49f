"""Whose token reaches what: publishers, kinds, life and form of tokens, over every route that writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from federation import tokens
from tests.integration.writes.conftest import OTHER, Moot
from tests.services import NODE, NOW, PREFIX

WHERE = f"{PREFIX}contract/EXA-C-1"
MISSING = f"{PREFIX}contract/NONE"
ELSEWHERE = f"{NODE}/id/GB-LAE-NOBODY/contract/1"
CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/contracts?publisher=GB-LAE-EXA", {"reference": "EXA-C-9", "title": "New"}),
    ("PUT", WHERE, {"reference": "EXA-C-1", "title": "Taken over"}),
    ("PATCH", WHERE, {"title": "Taken over"}),
    ("DELETE", f"{WHERE}?reason=error", None),
    ("POST", "/v1/imports?publisher=GB-LAE-EXA&kind=contract", {"reference": "EXA-C-1", "title": "Taken over"}),
]
Secret = Callable[[Moot], str | None]


def _expired(moot: Moot) -> str:
    with moot.services.database.write() as session:
        long_ago = NOW - timedelta(days=2)
        return tokens.create(session, publisher="GB-LAE-EXA", name="old", now=long_ago, days=1).secret


def _revoked(moot: Moot) -> str:
    secret = moot.token()
    with moot.services.database.write() as session:
        tokens.revoke(session, max(token.id or 0 for token in tokens.every(session)), NOW)
    return secret


NOBODY: dict[str, Secret] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "unknown": lambda _: tokens.new_secret(),
    "short": lambda moot: moot.token()[:-1],
    "long": lambda moot: moot.token() + "A",
    "other case": lambda moot: moot.token().swapcase(),
    "bare": lambda moot: moot.token().removeprefix("fmt_"),
    "digest": lambda _: "a" * 64,
    "expired": _expired,
    "revoked": _revoked,
}


@pytest.mark.parametrize("who", list(NOBODY))
def test_without_a_good_token_nothing_is_written(moot: Moot, contract: dict[str, Any], who: str) -> None:
    """No, unknown, misspelt, expired and revoked tokens are 401 with WWW-Authenticate, and the log stands still."""
    tag = moot.post(moot.token(), contract).headers["etag"]
    secret, before = NOBODY[who](moot), moot.latest()
    for method, path, body in CALLS:
        said = moot.call(method, path, secret, body, If_Match=tag)
        assert (said.status_code, said.headers["www-authenticate"][:6]) == (401, "Bearer"), method
    assert moot.latest() == before


@pytest.mark.parametrize("header", ["Basic Zm10OmZtdA==", "Bearer", "Bearer  ", "fmt_x", "Bearer fmt_\xe9"])
def test_other_credentials_are_no_token(moot: Moot, contract: dict[str, Any], header: str) -> None:
    """Another scheme, a scheme without a token and a token that is no ASCII are 401."""
    sent = {b"Authorization": header.encode("latin-1"), b"Content-Type": b"application/json"}
    said = moot.http.post("/v1/contracts?publisher=GB-LAE-EXA", json=contract, headers=sent)
    assert said.status_code == 401


def test_a_token_reaches_one_publisher(moot: Moot, contract: dict[str, Any]) -> None:
    """The token of one publisher is 403 at another's records on every route, and the log stands still."""
    tag = moot.post(moot.token(), contract).headers["etag"]
    foreign, before = moot.token(OTHER), moot.latest()
    for method, path, body in CALLS:
        said = moot.call(method, path, foreign, body, If_Match=tag)
        assert (said.status_code, said.headers["www-authenticate"][:6]) == (403, "Bearer"), method
    assert moot.latest() == before


def test_a_token_reaches_the_kinds_that_it_names(moot: Moot, contract: dict[str, Any]) -> None:
    """A token for tools and skills is 403 at contracts on every route, and the log stands still."""
    tag = moot.post(moot.token(), contract).headers["etag"]
    narrow, before = moot.token(kinds=["tool", "skill"]), moot.latest()
    for method, path, body in CALLS:
        assert moot.call(method, path, narrow, body, If_Match=tag).status_code == 403, method
    assert moot.latest() == before
    assert moot.post(narrow, {"reference": "T", "name": "PlanRight"}, "tools").status_code == 201


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_whether_a_record_is_there_is_not_told(moot: Moot, contract: dict[str, Any], method: str) -> None:
    """Who may not write a record gets one answer for what is there, what is not, and what nobody publishes."""
    tag = moot.post(moot.token(), contract).headers["etag"]
    foreign = moot.token(OTHER)
    answers = []
    for place in (WHERE, MISSING, ELSEWHERE):
        said = moot.call(method, f"{place}?reason=error" if method == "DELETE" else place, foreign, {}, If_Match=tag)
        told = said.json()
        answers.append((said.status_code, told["title"], told["detail"]))
    assert answers[0][0] == 403
    assert answers[0] == answers[1] == answers[2]


def test_the_last_day_of_use_is_kept(moot: Moot, contract: dict[str, Any]) -> None:
    """Using a token remembers the day, and no more than the day."""
    secret = moot.token()
    moot.post(secret, contract)
    with moot.services.database.read() as session:
        (used,) = tokens.every(session)
    assert used.last_used == NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def test_to_read_with_a_token_is_to_use_it(moot: Moot) -> None:
    """Who reads the audit log with a token is noted too, also where only that was done with it."""
    assert moot.call("GET", "/v1/audit", moot.token()).status_code == 200
    with moot.services.database.read() as session:
        (used,) = tokens.every(session)
    assert used.last_used == NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def test_the_secret_is_not_in_the_database(moot: Moot) -> None:
    """A token is fmt_, 43 URL-safe characters and 6 of a checksum; its row has a digest and a hint alone."""
    secret = moot.token()
    assert re.fullmatch("fmt_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", secret)
    with moot.services.database.read() as session:
        (row,) = tokens.every(session)
    assert secret not in repr(row)
    assert len(row.hint) == 8
