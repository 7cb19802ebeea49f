"""A node with two publishers, and tokens for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.services import Services
from federation import log, publishers, tokens
from federation.database import Database
from schema.entry import Entry
from tests.services import NODE, NOW, PUBLISHER, client, make_services

OTHER = "GB-LAE-OTH"
OTHERTON = {"name": "Otherton Borough Council", "identifiers": [{"scheme": "GB-LAE", "id": "OTH"}]}


@dataclass(frozen=True, slots=True)
class Moot:
    """A node as its writers meet it."""

    services: Services
    http: TestClient

    def token(self, publisher: str = PUBLISHER, kinds: Sequence[str] = (), days: int = 30) -> str:
        """Give the secret of a new token."""
        with self.services.database.write() as session:
            return tokens.create(session, publisher=publisher, kinds=kinds, name="a test", days=days, now=NOW).secret

    def call(self, method: str, path: str, token: str | None, body: Any = None, **headers: str) -> Any:
        """Send a request; `body` as JSON of the type that the method takes, header names with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            media = "application/merge-patch+json" if method == "PATCH" else "application/json"
            sent.setdefault("Content-Type", media)
        content = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        return self.http.request(method, path.removeprefix(NODE), content=content, headers=sent)

    def post(self, token: str | None, data: Any, plural: str = "contracts", to: str = PUBLISHER, **headers: str) -> Any:
        """Publish a record."""
        return self.call("POST", f"/v1/{plural}?publisher={to}", token, data, **headers)

    def entry(self, record: str) -> Entry | None:
        """What the log holds by an id."""
        with self.services.database.read() as session:
            return log.entries(session, [record]).get(record)

    def latest(self) -> int:
        """The highest change number."""
        with self.services.database.read() as session:
            return log.latest(session)


@pytest.fixture
def moot(database: Database, tmp_path: Path) -> Moot:
    """A node that publishes for Exampleshire and for Otherton."""
    services = make_services(database, tmp_path)
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=OTHERTON, now=NOW)
    return Moot(services, client(create_app(services), raise_server_exceptions=True))


@pytest.fixture
def contract() -> dict[str, Any]:
    """A contract's data, with a member that nobody knows."""
    return {
        "reference": "EXA-C-1",
        "title": "Planning system",
        "value": {"amount": 120000, "currency": "GBP"},
        "endDate": "2029-10-31",
        "localNote": {"kept": [1, 1.5, True]},
    }
