"""The application as tests build it: real services on a fresh database, and a client that needs no socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from starlette.testclient import TestClient

from api.services import Services
from federation import publishers
from federation.database import Database
from federation.follow import Follower
from federation.tantivy_index import TantivyIndex

NODE = "http://node.test"
PUBLISHER = "GB-LAE-EXA"
PREFIX = f"{NODE}/id/{PUBLISHER}/"
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LICENSE = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
EXAMPLESHIRE: Mapping[str, Any] = {
    "name": "Exampleshire County Council",
    "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}],
    "type": "county",
    "region": "Wessex",
    "nation": "england",
    "gss": "E10000099",
    "url": "https://www.exampleshire.example/",
}


def make_services(
    database: Database,
    tmp_path: Path,
    role: Literal["node", "aggregator"] = "node",
    public_url: str = NODE,
    *,
    organisation: Mapping[str, Any] | None = EXAMPLESHIRE,
    now: Callable[[], datetime] = lambda: NOW,
) -> Services:
    """Give the services of a server with one own publisher, whose organisation record is change 1.

    `organisation=None` leaves the database as it is. The index follows when the application's lifespan runs, or
    when `services.follower` is told to.
    """
    if organisation is not None:
        with database.write() as session:
            publishers.add(session, public_url=public_url, organisation=organisation, now=NOW)
    index = TantivyIndex(tmp_path / "index")
    return Services(
        role=role,
        public_url=public_url,
        version="0.1.0",
        database=database,
        index=index,
        follower=Follower(database, index),
        now=now,
        license=LICENSE,
        data_dir=tmp_path,
        title="",
        contact_name="Digital team",
        contact_email="digital@exampleshire.example",
    )


def client(app: FastAPI, **options: Any) -> TestClient:
    """Give a client of the application, at its own public URL. Use it in a `with` to run the lifespan too."""
    services: Services = app.state.services
    return TestClient(app, base_url=services.public_url, follow_redirects=False, **options)
