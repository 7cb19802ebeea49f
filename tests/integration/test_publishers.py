"""The bodies that a node publishes for: its public URL is an origin, and nobody is taken on twice."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from federation import log, publishers
from federation.database import Database, table
from schema.errors import Conflict, Misconfigured
from schema.tables import Audit
from tests.services import EXAMPLESHIRE, NODE, NOW, PUBLISHER


@pytest.mark.parametrize(
    "url",
    [
        "",
        "moot.example",
        "ftp://moot.example",
        "https://",
        "https://moot.example/open",
        "https://moot.example?x=1",
        "https://moot.example/#x",
        "https://officer@moot.example",
        "https://officer:secret@moot.example",
    ],
)
def test_a_public_url_that_is_no_origin_is_refused(url: str) -> None:
    """Whatever is more or less than scheme, host and port is refused with the setting's name: ids begin with it."""
    with pytest.raises(Misconfigured) as refused:
        publishers.check_public_url(url)
    told = f"FOLKMOOT_PUBLIC_URL is '{url}'; expected an origin without a path, such as https://moot.example"
    assert refused.value.detail == told


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Moot.Example/", "https://moot.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("HTTPS://moot.example", "https://moot.example"),
    ],
)
def test_a_public_url_has_one_spelling(url: str, origin: str) -> None:
    """Scheme and host are in lower case, and no slash stands at the end."""
    assert publishers.check_public_url(url) == origin


def test_a_body_is_taken_on_once(database: Database) -> None:
    """A publisher that is there is not added again: nothing is appended, written down or changed."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    again = {**EXAMPLESHIRE, "name": "Another name"}
    with pytest.raises(Conflict) as refused, database.write() as session:
        publishers.add(session, public_url=NODE, organisation=again, now=NOW, relation="hosted", sign=True)
    assert refused.value.detail == f"{PUBLISHER} is a publisher of this node already."
    with database.read() as session:
        (one,) = publishers.every(session)
        assert (one.id, one.relation, log.latest(session)) == (PUBLISHER, "own", 1)
        assert publishers.organisations(session, [one])[PUBLISHER]["name"] == EXAMPLESHIRE["name"]
        noted = session.connection().execute(select(table(Audit).c.action)).scalars().all()
    assert sorted(noted) == ["create", "publisher.add"]
