"""What tests of the federation's rules may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlmodel import Session, SQLModel

from federation.database import WriteSession


@pytest.fixture
def session() -> Iterator[WriteSession]:
    """Yield a session on empty tables in memory, for rules whose state is rows; their SQL has tests of its own."""
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as opened:
        yield WriteSession(opened)
    engine.dispose()
