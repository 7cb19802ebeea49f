"""T33: every revision down and up again with 10,000 records, and code of an older revision on the newest tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, insert, select

import migrations
from federation import log, nodes, publishers
from federation.database import Database, driver_url, table
from federation.identity import read_manifest
from federation.told import tell
from federation.verdicts import Trouble
from schema.tables import Record, Sighting
from tests.integration.crawl.world import FakeNode
from tests.proof import figure, sized
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER

pytestmark = [pytest.mark.proof]
RECORDS = sized(10_000, 10_000)
Rows = list[dict[str, Any]]
Held = dict[str, Rows]
"""By table, its rows in order."""


def _chain() -> list[str]:
    """Every revision, the oldest first."""
    script = ScriptDirectory.from_config(migrations.config("sqlite:///none"))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def _filled(url: str) -> None:
    """Put records, their history, a node, its feed, a sighting and a problem there, and made-up rows where none are."""
    base = Database(url)
    node = FakeNode()
    with base.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
        for turn in ("old", "new"):
            drafts = [
                log.Draft(
                    f"{PREFIX}contract/C-{n}",
                    "contract",
                    PUBLISHER,
                    b'{"reference":"C-%d","title":"%b"}' % (n, turn.encode()),
                )
                for n in range(RECORDS if turn == "old" else RECORDS // 10)
            ]
            log.append(session, drafts, node=f"{NODE}/.well-known/folkmoot", now=NOW)
        body = node.answer(node.id)
        nodes.pin(
            session,
            read_manifest(body, node.id),
            body,
            me=f"{NODE}/.well-known/folkmoot",
            relays=False,
            every=300,
            now=NOW,
        )
        tell(session, 1, [Trouble("latest", "", "made up")], NOW)
        session.connection().execute(table(Sighting).insert().values(node_id=1, id=node.prefix + "contract/C-1"))
    base.dispose()
    engine = create_engine(driver_url(url))
    with engine.begin() as connection:
        for each in next(iter(_reflected(engine).values())).metadata.sorted_tables:
            if each.name != "alembic_version" and connection.execute(select(each).limit(1)).first() is None:
                connection.execute(insert(each), _made_up(connection, each))
    engine.dispose()


def _made_up(connection: Connection, each: Table) -> Rows:
    """Three rows for a table that nothing above fills, the last with nothing where that may be; one of one node's."""
    known = {key.parent.name: connection.execute(select(key.column).limit(1)).scalar_one() for key in each.foreign_keys}
    some = range(1 if known.keys() == {column.name for column in each.primary_key} else 3)
    return [
        {column.name: None if n > 1 and column.nullable else _value(column, n) for column in each.columns} | known
        for n in some
    ]


def _value(column: Column[Any], n: int) -> Any:
    sort = column.type.python_type
    if sort is str:
        return f"{column.name} {n}"[: getattr(column.type, "length", None)]
    return {int: n + 1, bool: bool(n % 2), bytes: b'{"n":%d}' % n, datetime: NOW}[sort]


def _reflected(engine: Engine) -> dict[str, Table]:
    found = MetaData()
    found.reflect(engine)
    return {name: each for name, each in found.tables.items() if name != "alembic_version"}


def _held(engine: Engine, known: dict[str, list[str]]) -> Held:
    """The rows of these tables, by these columns."""
    tables = _reflected(engine)
    with engine.connect() as connection:
        return {name: _rows(connection, tables[name], columns) for name, columns in known.items()}


def _rows(connection: Any, each: Table, columns: list[str]) -> Rows:
    chosen = select(*(each.c[name] for name in columns)).order_by(*each.primary_key)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _columns(engine: Engine) -> dict[str, list[str]]:
    return {name: [column.name for column in each.columns] for name, each in _reflected(engine).items()}


def test_t33_every_revision_down_and_up_keeps_the_rows(empty_url: str) -> None:
    """From the head down to each revision and up again: what that revision knows is as it was."""
    migrations.upgrade(empty_url)
    _filled(empty_url)
    engine = create_engine(driver_url(empty_url))
    assert all(_held(engine, _columns(engine)).values()), "a table has no rows"
    differ = 0
    for revision in reversed(_chain()):
        migrations.downgrade(empty_url, revision)
        known = _columns(engine)
        below = _held(engine, known)
        migrations.upgrade(empty_url)
        differ += _held(engine, known) != below
        migrations.check(empty_url)
        assert len(below["record"]) == RECORDS + 1
    engine.dispose()
    on = f"{engine.dialect.name}, {len(_chain())} revisions down and up with {RECORDS:,} records"
    figure("T33", f"{on}: revisions whose rows differ", differ, goal="0")
    assert differ == 0


def test_t33_code_of_an_older_revision_writes_the_newest_tables(empty_url: str) -> None:
    """Rows with only the columns that a revision knows go into the newest tables, and come back as they were."""
    migrations.upgrade(empty_url)
    _filled(empty_url)
    engine = create_engine(driver_url(empty_url))
    refused = 0
    for revision in reversed(_chain()[:-1]):
        migrations.downgrade(empty_url, revision)
        known = _columns(engine)
        said = _held(engine, known)
        said["record"], said["history"] = said["record"][:50], said["history"][:50]
        migrations.upgrade(empty_url)
        _empty(engine)
        tables = _reflected(engine)
        with engine.begin() as connection:
            for name in _order(tables):
                if said.get(name):
                    connection.execute(insert(tables[name]), said[name])
        refused += _held(engine, known) != said
        assert _read_by_the_newest(empty_url) == len(said["record"])
    engine.dispose()
    figure("T33", f"{engine.dialect.name}: older revisions whose rows the newest tables do not take", refused, goal="0")
    assert refused == 0


def _order(tables: dict[str, Table]) -> list[str]:
    """The tables in the order in which rows can be put in, less the audit log, of which nothing is taken out."""
    known = next(iter(tables.values())).metadata.sorted_tables
    return [each.name for each in known if each.name in tables and each.name != "audit"]


def _empty(engine: Engine) -> None:
    tables = _reflected(engine)
    with engine.begin() as connection:
        for name in reversed(_order(tables)):
            connection.execute(tables[name].delete())


def _read_by_the_newest(url: str) -> int:
    base = Database(url)
    with base.read() as session:
        found = len(session.connection().execute(select(table(Record))).all())
    base.dispose()
    return found
