"""The end of the log in memory: its pages are those that the database gives, whatever was written."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from sqlalchemy import text

from federation import log, publishers, tail
from federation.database import Database, WriteSession
from federation.glance import glance
from federation.pulse import Standing
from federation.tail import Tail, follow
from tests.integration.search.corpus import NODE, URL, publish, records
from tests.services import NOW

_MADE = records(Random(5), 90)
_LICENSE = "https://licence.test/"


@pytest.fixture
def base(database: Database) -> Database:
    """Give a database that has an epoch."""
    with database.write() as session:
        publishers.settle(session, URL)
    return database


def _standing(base: Database) -> Standing:
    with base.read() as session:
        return Standing(log.latest(session), publishers.epoch(session))


def _follow(base: Database, before: Tail | None) -> Tail:
    with glance(base) as rows:
        return follow(rows, _standing(base), before)


def _differences(base: Database, kept: Tail) -> list[tuple[int, str | None]]:
    """Where the pages of a tail are not those of the database."""
    standing, wrong = kept.standing, []
    with base.read() as session:
        for kind in (None, "contract", "tool", "skill"):
            for number in range(kept.start, standing.latest + 1):
                asked = log.Asked(number, kind, URL, standing.epoch, _LICENSE)
                found = [(piece.number, piece.item) for piece in kept.after(number, kind)]
                true = log.page(session, number, public_url=URL, epoch=standing.epoch, license_url=_LICENSE, kind=kind)
                if log.page_of(asked, found, standing.latest) != true:
                    wrong.append((number, kind))
    return wrong


def _write(base: Database, chance: Random) -> None:
    """Publish, change or withdraw a few records."""
    some = chance.sample(_MADE, chance.randint(1, 6))
    if chance.random() < 0.7:
        publish(base, some)
        return
    with base.write() as session:
        gone = [log.Draft(one.id, one.kind, one.publisher, None, "ended") for one in some]
        log.append(session, gone, node=NODE, now=NOW)


@pytest.mark.parametrize(("most", "page"), [(1 << 20, 500), (1 << 20, 7), (2_000, 500), (1, 500)])
def test_the_tail_is_what_the_database_says(
    base: Database, monkeypatch: pytest.MonkeyPatch, most: int, page: int
) -> None:
    """After any writing, read on or read anew, each page of the tail is the database's own, to the byte."""
    monkeypatch.setattr(tail, "MOST_BYTES", most)
    monkeypatch.setattr(tail, "PAGE_SIZE", page)
    chance, kept = Random(most + page), None
    for _ in range(25):
        _write(base, chance)
        kept = _follow(base, kept if chance.random() < 0.9 else None)
        assert _differences(base, kept) == []
        assert len(kept.pieces) <= page
        assert kept.size == sum(len(piece.item) for piece in kept.pieces.values()) <= most


def test_what_is_written_while_the_tail_is_read_is_of_the_next_one(base: Database) -> None:
    """All that is asked for one tail is of one moment, on both databases."""
    publish(base, _MADE[:20])
    before, standing = _follow(base, None), _standing(base)
    with glance(base) as rows:
        asked = log.latest(rows)
        publish(base, _MADE[10:30])
        kept = follow(rows, standing, before)
    assert asked == kept.last == standing.latest
    assert list(kept.pieces) == list(before.pieces)


def _restored(session: WriteSession) -> None:
    session.connection().execute(text("UPDATE record SET kind = 'skill' WHERE number = 3"))
    publishers.renew_epoch(session)


def _cleared(session: WriteSession) -> None:
    session.connection().execute(text("DELETE FROM record WHERE number = 4"))


@pytest.mark.parametrize("otherwise", [_restored, _cleared])
def test_what_became_of_rows_otherwise_is_seen(base: Database, otherwise: Callable[[WriteSession], None]) -> None:
    """Where numbers say other things since a restore, or a row is gone with none in its place, all is read anew."""
    publish(base, _MADE[:9])
    before = _follow(base, None)
    with base.write() as session:
        otherwise(session)
    assert _differences(base, _follow(base, before)) == []
