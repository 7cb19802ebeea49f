"""T22: what is shown in the place of a good token, over every route that writes: one answer, and nothing written."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from federation import publishers, tokens
from federation.database import Database, WriteSession
from schema.errors import BadParameter, BadToken, Conflict
from tests.integration.writes.conftest import Moot
from tests.integration.writes.test_access import CALLS
from tests.services import EXAMPLESHIRE, NODE, NOW

Made = Callable[[Moot], str | bytes | None]


def _ended(moot: Moot, *, days_ago: int = 2, revoked: bool = False) -> str:
    with moot.services.database.write() as session:
        made = tokens.create(
            session, publisher="GB-LAE-EXA", name="old", now=NOW - timedelta(days=days_ago), days=days_ago
        )
        if revoked:
            tokens.revoke(session, made.id, NOW)
    return made.secret


def _altered(place: int) -> Made:
    def made(moot: Moot) -> str:
        good = moot.token()
        return "Bearer " + good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]

    return made


SHOWN: dict[str, Made] = {
    "no header": lambda _: None,
    "an empty header": lambda _: "",
    "a scheme alone": lambda _: "Bearer",
    "another scheme": lambda moot: f"Basic {moot.token()}",
    "no scheme": lambda moot: moot.token(),
    "a token too short": lambda moot: f"Bearer {moot.token()[:-1]}",
    "a token too long": lambda moot: f"Bearer {moot.token()}A",
    "another random part": _altered(10),
    "another checksum": _altered(-1),
    "another prefix": lambda moot: "Bearer FMT_" + moot.token()[4:],
    "an unknown token": lambda _: f"Bearer {tokens.new_secret()}",
    "an expired token": lambda moot: f"Bearer {_ended(moot)}",
    "a revoked token": lambda moot: f"Bearer {_ended(moot, days_ago=1, revoked=True)}",
    "its digest": lambda _: "Bearer " + "a" * 64,
    "no ASCII": lambda _: "Bearer fmt_\xe9\xff".encode("latin-1"),
    "full-width letters": lambda moot: f"Bearer \uff46mt_{moot.token()[4:]}".encode(),
    "two tokens": lambda moot: f"Bearer {moot.token()}, Bearer {moot.token()}",
    "a blank within": lambda moot: f"Bearer {moot.token()[:20]} {moot.token()[20:]}",
    "a very long one": lambda _: "Bearer fmt_" + "A" * 10_000,
    "SQL": lambda _: "Bearer ' OR 1=1 --",
}


def test_t22_what_is_no_good_token_writes_nothing(moot: Moot, contract: dict[str, Any]) -> None:
    """401, WWW-Authenticate and one problem for whatever was sent, on each route (100 cases); another for nothing."""
    tag = moot.post(moot.token(), contract).headers["etag"]
    before = moot.latest()
    problems = [problem for make in SHOWN.values() for problem in _problems(moot, make(moot), tag)]
    assert len(problems) == len(SHOWN) * len(CALLS) >= 60
    details = {(problem.pop("detail"), problem.pop("sent")) for problem in problems}
    assert len(details) == 2, details
    assert len({sent for _, sent in details}) == 2
    assert all(problem == problems[0] for problem in problems)
    assert (problems[0]["title"], problems[0]["status"]) == ("A token is needed", 401)
    assert moot.latest() == before


def _problems(moot: Moot, sent: str | bytes | None, tag: str) -> Iterator[dict[str, Any]]:
    for method, path, body in CALLS:
        named: dict[bytes, bytes] = {b"If-Match": tag.encode()}
        if sent is not None:
            named[b"Authorization"] = sent if isinstance(sent, bytes) else sent.encode("latin-1")
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        where = path.removeprefix("http://node.test")
        said = moot.http.request(method, where, json=body, headers={b"Content-Type": media.encode(), **named})
        assert said.status_code == 401, (method, said.text)
        told = said.headers["www-authenticate"]
        assert told in ("Bearer", 'Bearer error="invalid_token"')
        assert (said.headers["content-type"], said.headers["cache-control"]) == ("application/problem+json", "no-store")
        problem = {name: value for name, value in said.json().items() if name not in ("instance", "requestId")}
        yield problem | {"sent": told != "Bearer"}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_t22_the_scheme_is_a_word_in_any_case(moot: Moot, contract: dict[str, Any], scheme: str) -> None:
    """RFC 9110: the name of a scheme is compared without case; the token itself is not."""
    said = moot.call("POST", CALLS[0][1], None, contract, Authorization=f"{scheme} {moot.token()}")
    assert said.status_code == 201


def test_t22_digests_are_compared_in_constant_time(
    moot: Moot, contract: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database finds by its index is let in by `hmac.compare_digest` alone."""
    token = moot.token()
    monkeypatch.setattr(hmac, "compare_digest", lambda _one, _other: False)
    assert moot.post(token, contract).status_code == 401


def test_t22_a_token_is_ended_between_its_check_and_its_write(moot: Moot, contract: dict[str, Any]) -> None:
    """A token that is revoked after it was read and before the transaction begins writes nothing."""
    secret = moot.token()
    with moot.services.database.read() as session:
        grant = tokens.check(session, secret, NOW)
    with moot.services.database.write() as session:
        tokens.revoke(session, grant.token_id, NOW)
    with pytest.raises(BadToken), moot.services.database.write() as session:
        tokens.touch(session, grant, NOW)
    assert moot.post(secret, contract).status_code == 401


def test_t22_two_tokens_overlap_while_one_takes_the_others_place(moot: Moot, contract: dict[str, Any]) -> None:
    """After a rotation both are good until the overlap ends, and then the new one alone; its reach is the old one's."""
    with moot.services.database.write() as session:
        old = tokens.create(session, publisher="GB-LAE-EXA", name="system", kinds=["contract"], now=NOW)
        new = tokens.rotate(session, old.id, NOW, overlap_days=2)
    with moot.services.database.read() as session:
        first, second = tokens.check(session, old.secret, NOW), tokens.check(session, new.secret, NOW)
        assert (first.publisher, first.kinds, first.name) == (second.publisher, second.kinds, second.name)
        later = NOW + timedelta(days=2)
        with pytest.raises(BadToken):
            tokens.check(session, old.secret, later)
        tokens.check(session, new.secret, later)
    assert moot.post(new.secret, contract).status_code == 201
    with pytest.raises(Conflict), moot.services.database.write() as session:
        tokens.rotate(session, old.id, later)


REFUSED: dict[str, tuple[Callable[[WriteSession, int], object], str]] = {
    "a kind that is none": (
        lambda session, _old: tokens.create(session, publisher="GB-LAE-EXA", name="x", kinds=["contracts"], now=NOW),
        "Parameter 'kinds' is 'contracts'; expected kinds of record: ",
    ),
    "one kind of two": (
        lambda session, _old: tokens.create(session, publisher="GB-LAE-EXA", name="x", kinds=["tool", ""], now=NOW),
        "Parameter 'kinds' is ''; expected kinds of record: ",
    ),
    "no day": (
        lambda session, _old: tokens.create(session, publisher="GB-LAE-EXA", name="x", days=0, now=NOW),
        "Parameter 'days' is '0'; expected 1 to 3650.",
    ),
    "an overlap of a year": (
        lambda session, old: tokens.rotate(session, old, NOW, overlap_days=365),
        "Parameter 'overlap-days' is '365'; expected 0 to 90.",
    ),
    "an overlap of 91 days": (
        lambda session, old: tokens.rotate(session, old, NOW, overlap_days=91),
        "Parameter 'overlap-days' is '91'; expected 0 to 90.",
    ),
    "an overlap below none": (
        lambda session, old: tokens.rotate(session, old, NOW, overlap_days=-1),
        "Parameter 'overlap-days' is '-1'; expected 0 to 90.",
    ),
}


@pytest.mark.parametrize(("ask", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_t22_a_token_that_reaches_too_far_is_not_made(
    database: Database, ask: Callable[[WriteSession, int], object], told: str
) -> None:
    """An unknown kind, a life or an overlap out of bounds makes no token, and leaves the one there is as it was."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
        old = tokens.create(session, publisher="GB-LAE-EXA", name="system", now=NOW)
    with database.read() as session:
        before = [one.model_dump() for one in tokens.every(session)]
    with pytest.raises(BadParameter) as refused, database.write() as session:
        ask(session, old.id)
    assert refused.value.detail.startswith(told)
    with database.read() as session:
        assert [one.model_dump() for one in tokens.every(session)] == before
