"""What a publisher says arrives as it was said: parse, store, feed, parse, over any number of hops."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation import log
from federation.database import Database
from schema.change import check_page, read_item, same
from schema.identifiers import id_prefix, record_id
from schema.kinds import parse
from tests import strategies

URL = "http://node.test"
PREFIX = id_prefix(URL, "GB-LAE-EXA")


def _id(kind: str, data: dict[str, Any]) -> str:
    return record_id(PREFIX, kind, "GB-LAE-EXA" if kind == "organisation" else data["reference"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(records=st.lists(strategies.any_record(), min_size=1, max_size=6))
def test_a_valid_record_survives_the_feed(
    database: Database, now: datetime, records: list[tuple[str, dict[str, Any]]]
) -> None:
    """Any valid record, unknown members included, is the same after parse, store, feed and parse."""
    said = {_id(kind, data): (kind, data) for kind, data in records}
    drafts = [
        log.Draft(record, kind, "GB-LAE-EXA", orjson.dumps(data))
        for record, (kind, data) in said.items()
        if parse(kind, orjson.dumps(data)) is not None
    ]
    with database.write() as session:
        done = log.append(session, drafts, node=URL + "/.well-known/folkmoot", now=now)
    with database.read() as session:
        start = min(done.numbers.values(), default=1) - 1
        body = log.page(session, start, public_url=URL, epoch="e", license_url="https://licence.test/").body
        heard = {i.id: i for i in map(read_item, check_page(body, log.page_url(URL, start)).items)}
        unread = log.entries(session, done.unchanged)
    for record, (kind, data) in said.items():
        stored = heard[record].data if record in heard else unread[record].data
        assert stored is not None
        assert same(stored, orjson.dumps(data))
        parse(kind, stored)
