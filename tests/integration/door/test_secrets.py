"""T31: what is secret or personal never reaches the log or another client, and nothing given can forge a line of it.

What runs beside a server, and the secrets that lie on it, are swept by `test_secrets_elsewhere.py`.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from federation import importer, tokens
from folkmoot import logs
from tests.integration.writes.conftest import Moot
from tests.services import NOW, PREFIX, PUBLISHER, client

EACH = 10
POST = f"/v1/contracts?publisher={PUBLISHER}"
Sender = Callable[[Moot, str, str], Any]


def _headers(name: str, value: str = "{}") -> Sender:
    return lambda moot, _token, canary: moot.http.get("/v1/contracts", headers={name: value.format(canary)})


def _basic(moot: Moot, _token: str, canary: str) -> Any:
    pair = base64.b64encode(f"user:{canary}".encode()).decode()
    return moot.http.post(POST, headers={"Authorization": f"Basic {pair}"}, json={})


def _post(body: Callable[[str], Any], **headers: str) -> Sender:
    return lambda moot, token, canary: moot.call("POST", POST, token, body(canary), **{
        name: value.format(canary) for name, value in headers.items()
    })  # fmt: skip


def _upload(moot: Moot, token: str, canary: str) -> Any:
    files = {"file": (f"{canary}.csv", f"reference,name\n{canary},{canary}\n,\n".encode(), "text/csv")}
    path = f"/v1/imports?publisher={PUBLISHER}&kind=tool&partial=true"
    return moot.http.post(path, files=files, headers={"Authorization": f"Bearer {token}"})


WAYS: dict[str, Sender] = {
    "a token of nobody": _headers("Authorization", "Bearer fmt_{}"),
    "a password": _basic,
    "a cookie": _headers("Cookie", "session={}"),
    "a key": _headers("X-Api-Key"),
    "an agent": _headers("User-Agent"),
    "a referrer": _headers("Referer", "https://x.example/?q={}"),
    "an address": _headers("X-Forwarded-For"),
    "a name that is none": _headers("X-Request-ID", "{} {{}}"),
    "an unknown parameter": lambda moot, _, canary: moot.http.get(f"/v1/contracts?token={canary}"),
    "words": lambda moot, _, canary: moot.http.get(f"/v1/search?q={canary}"),
    "words of a page": lambda moot, _, canary: moot.http.get(f"/search?q={canary}", headers={"Accept": "text/html"}),
    "a good record": _post(
        lambda canary: {"reference": canary, "title": canary, "contact": {"email": f"{canary}@x.y"}}
    ),
    "a bad record": _post(lambda canary: {"reference": canary, "title": 5, canary: {"x": canary}}),
    "no JSON": _post(lambda canary: b'{"title": ' + canary.encode()),
    "a version": lambda moot, token, canary: moot.call("PUT", f"{PREFIX}contract/X", token, {}, If_Match=f'"{canary}"'),
    "an upload": _upload,
    "a key of a request": _post(lambda _: {"reference": "K", "title": "K"}, Idempotency_Key="{} x"),
    "a token in a path": lambda moot, _, canary: moot.http.get(f"/id/fmt_{canary}{'A' * 30}/contract/1"),
    "a token as a name": _headers("X-Request-ID", "fmt_{}AAAAAAAA"),
}


def _broken(moot: Moot, token: str, canary: str) -> Any:
    """Write where the database is at fault, so that an error nobody foresaw ends in the log."""
    with moot.services.database.write() as session:
        session.connection().execute(text("ALTER TABLE history RENAME TO history_gone"))
    gentle = Moot(moot.services, client(moot.http.app, raise_server_exceptions=False))  # type: ignore[arg-type]
    try:
        return gentle.call(
            "PUT", f"{PREFIX}contract/EXA-C-1", token, {"reference": "EXA-C-1", "title": canary}, If_Match="*"
        )
    finally:
        with moot.services.database.write() as session:
            session.connection().execute(text("ALTER TABLE history_gone RENAME TO history"))


WAYS["a fault"] = _broken


def test_t31_no_canary_reaches_the_log(moot: Moot, contract: dict[str, Any], logged: Callable[[], str]) -> None:
    """200 secrets and addresses sent in 20 places: none is in any line; each line is JSON; no answer has a trace."""
    token = moot.token()
    moot.post(token, contract)
    sent = []
    for what, send in WAYS.items():
        for _ in range(EACH):
            canary = f"CANARY{secrets.token_hex(8)}"
            sent.append((what, canary))
            said = send(moot, token, canary)
            assert "Traceback" not in said.text, what
            assert "sqlalchemy" not in said.text.lower(), what
    while importer.turn(moot.services.database, node=moot.services.node, now=NOW):
        pass
    told = logged()
    assert len(sent) == 200
    assert [pair for pair in sent if pair[1] in told] == []
    assert token not in told
    lines = [orjson.loads(line) for line in told.splitlines()]
    assert len([line for line in lines if line["event"] == "request"]) >= len(sent)
    assert any("Traceback" in line.get("exception", "") for line in lines), "the fault was not logged at all"


def test_t31_a_problem_names_the_request_and_the_log_has_it(moot: Moot, logged: Callable[[], str]) -> None:
    """Each problem has a requestId, which is its X-Request-ID and stands in the request's line of the log."""
    token, names = moot.token(), []
    asked = [
        ("GET", "/v1/nowhere", None, 404), ("GET", "/v1/contracts?x=1", None, 422), ("POST", POST, None, 401),
        ("POST", f"{POST.replace('EXA', 'OTH')}", token, 403), ("POST", POST, token, 422),
        ("PATCH", "/v1/contracts", token, 405), ("GET", f"/v1/records?id={PREFIX}x/1", None, 404),
    ]  # fmt: skip
    for method, path, secret, status in asked:
        said = moot.call(method, path, secret, {} if method != "GET" else None)
        assert said.status_code == status, (method, path)
        assert said.json()["requestId"] == said.headers["x-request-id"]
        names.append(said.headers["x-request-id"])
    told = [orjson.loads(line) for line in logged().splitlines()]
    assert [line["request_id"] for line in told if line["event"] == "request"][-len(names) :] == names


def test_t31_nothing_that_is_asked_forges_a_line(moot: Moot, logged: Callable[[], str]) -> None:
    """Line breaks and control characters of a path are escaped: one request, one line of plain characters."""
    for bad in ("%0aforged", "%0d%0aforged", "%1b[31m", "%e2%80%a8forged", "%00", "%7f"):
        logged()
        moot.http.get(f"/v1/{bad}")
        (line,) = logged().splitlines()
        assert line.isprintable(), bad
        assert orjson.loads(line)["event"] == "request"


def test_t31_tokens_and_passwords_are_masked_wherever_they_stand() -> None:
    """A token in any line loses all but its first letters; an address with a name and password loses both."""
    secret = tokens.new_secret()
    told = logs.masked(f"x={secret} path=/id/{secret}/y url=postgresql://moot:hunter2@db.example/moot mail a@b.example")
    assert told == "x=fmt_*** path=/id/fmt_***/y url=postgresql://***@db.example/moot mail a@b.example"


@pytest.mark.parametrize("between", ["/", "@", ":", "%40", "?", "#", " ", "'", "/x@y:z?#"])
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_t31_an_awkward_password_is_masked_whole(scheme: str, between: str) -> None:
    """A database's password may hold what ends it in other addresses: no piece of it stays, and the rest does."""
    told = logs.masked(f"tried url={scheme}://moot:hush{between}hisst@db.example:5432/moot?sslmode=require seconds=1")
    assert told == f"tried url={scheme}://***@db.example:5432/moot?sslmode=require seconds=1"


def test_t31_a_mask_ends_with_the_value() -> None:
    """In JSON the members beside an address stay as they were; an address without a password does too."""
    said = {"url": "postgresql://moot:hu/sh@db.example/moot", "plain": "postgresql://db/moot", "mail": "a@b.example"}
    line = logs.masked(orjson.dumps(said).decode())
    assert orjson.loads(line) == {**said, "url": "postgresql://***@db.example/moot"}
    assert logs.masked("https://x.example/@a?b=c@d") == "https://x.example/@a?b=c@d"


def test_t31_masking_is_quick_whatever_stands_in_a_line() -> None:
    """A line of beginnings of addresses takes no longer than others: it is made in the loop that serves everybody."""
    began = time.perf_counter()
    logs.masked("@" + "postgres://a:" * 5_000)
    assert time.perf_counter() - began < 1.0


def test_t31_who_was_let_in_and_who_was_not_is_logged(moot: Moot, logged: Callable[[], str]) -> None:
    """A request with a token is logged with the token's number, a refused one with why, and neither with the token."""
    good, bad = moot.token(), tokens.new_secret()
    moot.call("GET", "/v1/audit", good)
    moot.call("GET", "/v1/audit", bad)
    moot.post(moot.token("GB-LAE-OTH"), {"reference": "X", "title": "x"})
    first, refused, second, far, third = [orjson.loads(line) for line in logged().splitlines()]
    assert (first["status"], first["token"]) == (200, 1)
    assert (refused["event"], refused["level"], second["status"]) == ("token refused", "warning", 401)
    assert refused["request_id"] == second["request_id"]
    assert (third["status"], third["token"]) == (403, 2)
    assert (far["event"], far["token"], far["why"]) == (
        "token reaches too far",
        2,
        "This token is for GB-LAE-OTH alone.",
    )
    assert far["request_id"] == third["request_id"]
