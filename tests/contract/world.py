"""An application with records of every kind, tombstones, history and a token: what the contract is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from fastapi import FastAPI

from api.app import create_app
from federation import erasure, log, nodes, tokens
from federation.database import Database
from schema.identifiers import record_id
from schema.manifest import Manifest
from tests.services import NOW, PREFIX, PUBLISHER, make_services

RECORDS: Mapping[str, list[dict[str, Any]]] = {
    "contract": [
        {
            "reference": f"EXA-2026-{number:03d}",
            "title": f"Planning system {number}",
            "stage": "active",
            "suppliers": [{"name": "Acme Digital Ltd", "identifiers": [{"scheme": "GB-COH", "id": "01234567"}]}],
            "value": {"amount": 1000 * number, "currency": "GBP"},
            "startDate": "2025-11-01",
            "endDate": f"20{26 + number % 5}-10-31",
            "classifications": [{"scheme": "CPV", "id": "48000000"}],
        }
        for number in range(1, 8)
    ],
    "roadmap-item": [{"reference": "42", "title": "Replace the planning system", "phase": "alpha", "status": "active"}],
    "tool": [{"reference": "T/1 ü", "name": "PlanWise", "vendor": "Acme Digital Ltd"}],
    "asset": [{"reference": "A1", "name": "Design patterns", "type": "pattern"}],
    "skill": [{"reference": "S1", "name": "User research", "level": "practitioner"}],
}
GONE = "EXA-2026-007"


NODE_ID = "http://node.test/.well-known/folkmoot"


@dataclass(frozen=True, slots=True)
class World:
    """The application, and the token that may write its publisher's records."""

    app: FastAPI
    token: str


def publish(database: Database, records: Mapping[str, list[dict[str, Any]]]) -> None:
    """Append records of the own publisher to the log."""
    drafts = [
        log.Draft(record_id(PREFIX, kind, data["reference"]), kind, PUBLISHER, orjson.dumps(data))
        for kind, many in records.items()
        for data in many
    ]
    with database.write() as session:
        log.append(session, drafts, node="http://node.test/.well-known/folkmoot", now=NOW)


def withdraw(database: Database, reference: str, reason: str = "error", kind: str = "contract") -> None:
    """Append a tombstone, and erase what it withdraws as personal data."""
    draft = log.Draft(record_id(PREFIX, kind, reference), kind, PUBLISHER, None, reason)
    with database.write() as session:
        done = log.append(session, [draft], node=NODE_ID, now=NOW)
        if reason == "personal-data":
            erasure.here(session, draft.id, done.numbers[draft.id], node=NODE_ID, now=NOW)


def join(database: Database) -> None:
    """Take another node in, as an operator does: it has been looked at and not yet visited."""
    told = {
        "folkmoot": "1.0",
        "role": "node",
        "id": "http://other.test/.well-known/folkmoot",
        "publishers": [
            {
                "name": "Little Mere District Council",
                "identifiers": [{"scheme": "GB-LAE", "id": "LMR"}],
                "idPrefix": "http://other.test/id/GB-LAE-LMR/",
                "relation": "own",
            }
        ],
        "feeds": [{"url": "http://other.test/v1/changes", "protocol": "rpde", "ordering": "changeNumber"}],
    }
    body = orjson.dumps(told)
    with database.write() as session:
        nodes.pin(
            session,
            Manifest.parse(body),
            body,
            me="http://node.test/.well-known/folkmoot",
            relays=False,
            every=300,
            now=NOW,
        )


def make_world(database: Database, folder: Path, role: Literal["node", "aggregator"]) -> World:
    """Build it, with the index caught up."""
    services = make_services(database, folder, role)
    publish(database, RECORDS)
    withdraw(database, GONE)
    if role == "aggregator":
        join(database)
    with database.write() as session:
        token = tokens.create(session, publisher=PUBLISHER, name="contract", now=NOW).secret
    services.follower.catch_up()
    return World(create_app(services), token)
