"""T21: who reaches what, for every operation that the contract names and every one who may ask (BOLA, scope)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from federation import importer, jobs, log, publishers, tokens
from federation.database import Database
from federation.wishes import File, Wish
from schema.kinds import PLURALS
from tests.contract.world import RECORDS, join, publish
from tests.integration.writes.conftest import OTHER, OTHERTON
from tests.services import NODE, NOW, PREFIX, PUBLISHER, client, make_services

ASKING = ("nobody", "ended", "other", "narrow", "owner")
OPEN_WRITES = frozenset({"/v1/check", "/v1/nodes/{key}/ping"})
"""What is asked by other methods than GET and is open to all: it writes no record of anybody."""
NAMES = {"contract": "title", "roadmap-item": "title"}
Role = Literal["node", "aggregator"]


@dataclass(frozen=True, slots=True)
class Place:
    """A served application, its description, the token of each who asks, and an import of the owner."""

    http: TestClient
    described: Mapping[str, Any]
    secrets: Mapping[str, str | None]
    job: str
    database: Database

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request with the token of `who`."""
        secret = self.secrets[who]
        sent = headers | ({"Authorization": f"Bearer {secret}"} if secret else {})
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = None if body is None else orjson.dumps(body)
        return self.http.request(method, path, content=content, headers={"Content-Type": media, **sent})

    def latest(self) -> int:
        """The highest change number."""
        with self.database.read() as session:
            return log.latest(session)


@pytest.fixture(params=["node", "aggregator"])
def place(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Place]:
    """Yield a server of either role that publishes for two councils."""
    role: Role = request.param
    services = make_services(database, tmp_path, role)
    publish(database, RECORDS)
    if role == "aggregator":
        join(database)
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=OTHERTON, now=NOW)
        made = {
            "owner": tokens.create(session, publisher=PUBLISHER, name="owner", now=NOW),
            "narrow": tokens.create(session, publisher=PUBLISHER, name="narrow", kinds=["skill"], now=NOW),
            "other": tokens.create(session, publisher=OTHER, name="other", now=NOW),
            "ended": tokens.create(session, publisher=PUBLISHER, name="ended", now=NOW),
        }
        tokens.revoke(session, made["ended"].id, NOW)
        grant = tokens.check(session, made["owner"].secret, NOW)
        job = jobs.ask(session, grant, File(b"reference,name\nT,x\n", "t.csv", "tool", PUBLISHER, None),
                       Wish(), NOW)  # fmt: skip
    app = create_app(services)
    secrets = {"nobody": None, **{name: one.secret for name, one in made.items()}}
    with client(app, raise_server_exceptions=True) as opened:
        services.follower.catch_up()
        yield Place(opened, app.openapi(), secrets, job, database)


def secured(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield method and path of each operation that asks for a token."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if "security" in operation:
                yield method.upper(), path


def _body(path: str) -> Any:
    kind = next((kind for kind, plural in PLURALS.items() if path == f"/v1/{plural}"), "contract")
    if kind == "organisation":
        return {"name": "Taken over", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}
    return {"reference": "EXA-2026-001" if path.startswith("/id/") else "NEW", NAMES.get(kind, "name"): "Taken over"}


def _address(path: str, job: str) -> str:
    if path.startswith("/id/"):
        return PREFIX.removeprefix(NODE) + "contract/EXA-2026-001"
    return path.replace("{id}", job)


def _query(method: str, path: str) -> str:
    if path == "/v1/imports":
        return f"?publisher={PUBLISHER}&kind=contract"
    if method == "POST":
        return f"?publisher={PUBLISHER}"
    return "?reason=error" if method == "DELETE" else ""


def test_t21_every_operation_asks_whose_token_it_is(place: Place) -> None:
    """Nobody and who has ended: 401; another council, another kind: 403 or 404, and nothing written; the owner may."""
    found = list(secured(place.described))
    assert len(found) >= len(PLURALS) + 5
    for who in ASKING:
        for method, path in found:
            before, said = place.latest(), _asked(place, who, method, path)
            told = (method, path, who, said.status_code)
            assert said.status_code in _allowed(who, method, path), told
            if said.status_code >= 400:
                assert place.latest() == before, told
            elif path == "/v1/audit":
                assert {one["publisher"] for one in said.json()["items"]} <= {OTHER if who == "other" else PUBLISHER}


def _asked(place: Place, who: str, method: str, path: str) -> Any:
    where = _address(path, place.job)
    tag = place.ask("nobody", "GET", _address("/id/", "")).headers.get("etag", '"gone"')
    body = None if method in ("GET", "DELETE") else _body(path)
    return place.ask(who, method, where + _query(method, path), body, **{"If-Match": tag})


def _allowed(who: str, method: str, path: str) -> tuple[int, ...]:
    """What may be answered; a narrow token is of skills alone."""
    if who in ("nobody", "ended"):
        return (401,)
    if path == "/v1/audit":
        return (200,)
    if who == "owner":
        return (200, 201, 202, 204, 409, 410)
    if method == "GET":
        return (404,)
    return (201,) if (who, path) == ("narrow", "/v1/skills") else (403,)


def test_t21_no_operation_that_writes_is_open(place: Place) -> None:
    """Each operation by another method than GET asks for a token, but for the few that write nobody's records."""
    open_ones = {
        path
        for path, methods in place.described["paths"].items()
        for method, operation in methods.items()
        if method != "get" and "security" not in operation
    }
    assert open_ones <= OPEN_WRITES


def test_t21_a_token_shows_nothing_more_to_read(place: Place) -> None:
    """Whatever is read without a token reads the same with one: there are no drafts, and nothing is hidden."""
    named = {"{name}": "contracts.csv", "{key}": "other.test", "{publisher}": PUBLISHER, "{kind}": "contract"}
    read = 0
    for path, methods in place.described["paths"].items():
        if "security" in methods.get("get", {"security": []}) or "{reference" in path or path == "/metrics":
            continue
        where = path
        for name, value in named.items():
            where = where.replace(name, value)
        if "{" in where:
            continue
        where += f"?id={PREFIX}contract/EXA-2026-001" if path == "/v1/records" else ""
        answers = [place.ask(who, "GET", where) for who in ASKING]
        assert len({(one.status_code, one.content) for one in answers if one.status_code < 400}) <= 1, path
        assert len({one.status_code for one in answers}) == 1, path
        read += 1
    assert read >= 15


def test_t21_nothing_of_another_council_comes_in_by_a_batch(place: Place) -> None:
    """A register that names records of another council publishes none: ids are made from the token's publisher."""
    rows = b"id,reference,name,publisher\n%b/id/%b/tool/X,X,Smuggled,%b\n" % (
        NODE.encode(),
        OTHER.encode(),
        OTHER.encode(),
    )
    path = f"/v1/imports?publisher={PUBLISHER}&kind=tool&partial=true"
    said = place.ask("owner", "POST", path, None)
    assert said.status_code == 400
    sent = {"Authorization": f"Bearer {place.secrets['owner']}", "Content-Type": "text/csv"}
    assert place.http.post(path, content=rows, headers=sent).status_code == 202
    assert place.http.post(path.replace(PUBLISHER, OTHER), content=rows, headers=sent).status_code == 403
    while importer.turn(place.database, node=f"{NODE}/.well-known/folkmoot", now=NOW):
        pass
    with place.database.read() as session:
        ids = [f"{NODE}/id/{OTHER}/tool/X", f"{PREFIX}tool/X"]
        assert list(log.entries(session, ids)) == [f"{PREFIX}tool/X"]
