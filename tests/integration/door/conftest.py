"""The door in: the node with two publishers that its writers meet, and what is logged there."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from folkmoot import logs
from folkmoot.settings import Settings
from tests.integration.writes.conftest import contract, moot

__all__ = ["contract", "moot"]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Yield what gives all that was logged since it was asked before, as a server logs it."""
    told, handlers = io.StringIO(), list(logging.getLogger().handlers)
    monkeypatch.setattr(sys, "stderr", told)
    logs.configure(Settings.model_validate({"log_format": "json"}))

    def since() -> str:
        found = told.getvalue()
        told.seek(0)
        told.truncate()
        return found

    yield since
    logging.getLogger().handlers = handlers
