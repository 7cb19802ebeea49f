"""T16: a server whose database is away says 503 and when to come back, and tells its operator in a line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tests.integration.api.conftest import Site


@pytest.mark.parametrize("path", ["/v1/records?id=http%3A%2F%2Fnode.test%2Fid%2Fx", "/v1/publishers"])
def test_t16_no_answer_is_a_fault_of_ours(site: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """503 with Retry-After as a problem, for as long as it lasts; no traceback in the log."""

    @contextmanager
    def away(_self: Any) -> Iterator[Any]:
        raise OperationalError("SELECT", None, sqlite3.OperationalError("disk I/O error"))
        yield

    before = site.client.get(path).status_code
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr("federation.database.Database.read", away)
        answer = site.client.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["requestId"]
    told = [line for line in logs if line["log_level"] in ("warning", "error")]
    (line,) = [line for line in told if "index" not in line["event"]]  # the index follows beside, and tells for itself
    assert (line["error"], "exc_info" in line) == ("disk I/O error", False)
    assert site.client.get(path).status_code == before
