"""A served application with something in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from api.app import create_app
from api.services import Services
from federation.database import Database
from tests.contract.world import publish, withdraw
from tests.services import client, make_services


@dataclass(frozen=True, slots=True)
class Site:
    """A node, its client, and hands to change what it publishes."""

    services: Services
    client: TestClient

    def publish(self, kind: str, *records: dict[str, Any]) -> None:
        """Publish records of a kind."""
        publish(self.services.database, {kind: list(records)})

    def withdraw(self, reference: str, reason: str = "error") -> None:
        """Withdraw a contract."""
        withdraw(self.services.database, reference, reason)


@pytest.fixture(autouse=True)
def _plain_log() -> Iterator[None]:
    """Log lines as JSON: the default paints every local variable of a traceback, which takes seconds."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    """Yield a node with its lifespan running."""
    services = make_services(database, tmp_path)
    with client(create_app(services)) as opened:
        yield Site(services, opened)
