"""What the pages of one visit say: read, judged, and their origins asked for where they are not known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from federation import judge, origins, verdicts
from federation.apply import Said, said, standing
from federation.database import Database
from federation.merge import DIRECT, DROPPED
from federation.papers import Papers, Write
from federation.seam import Get
from federation.sign import Ring
from federation.signed import Rings, Weigh
from federation.verdicts import Judged, Prefixes, Source
from schema.change import Item, Loose
from schema.errors import Cause, Crawling, Later, LeaseLost

ORIGINS_A_VISIT = 100
MANY_PREFIXES = 10_000
"""After so many what was learnt is kept at once: the transaction that compares them with all others stays short."""
AGAIN_A_VISIT = 10
"""How many of those may be origins that are known and asked again, so that a visit stays short."""
Learnt = dict[str, Prefixes]


class Unasked(Exception):
    """A large page names origins that must be asked first; its turn, for which others wait, is given back before."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.nodes = nodes
        super().__init__()


class Reader:
    """Reads pages of one node for the reader whose id is `me`. `first`: nothing of the feed was read before.

    `late` tells that the visit has lasted long enough: no more origins are asked then, but for one, so that each visit
    comes further. `asked` are those that earlier visits asked for the first page that comes now.
    """

    def __init__(
        self,
        database: Database,
        get: Get,
        write: Write,
        me: str,
        papers: Papers,
        *,
        weigh: Weigh,
        first: bool,
        late: Callable[[], bool] = lambda: False,
        asked: Iterable[str] = (),
    ) -> None:
        self._database, self._get, self._write, self._weigh = database, get, write, weigh
        self._me, self._papers, self._first, self._late = me, papers, first, late
        self._origins: Learnt | None = None
        self._rings: dict[str, Ring] | None = None
        self._overdue: list[str] | None = None
        self._asked: set[str] = set()
        self._again: set[str] = set()
        self._earlier = frozenset(asked)
        self._tries = 0
        self.busy = False
        """Whether `learn` could do no more for now: others had the turn of the hosts of those that it left."""

    @property
    def newly(self) -> int:
        """How many origins were asked in this visit that were not known well enough."""
        return len(self._asked - self._again)

    def begin_anew(self) -> None:
        """Forget what was asked for a page that does not come any more: the feed is read from its beginning."""
        self._earlier = frozenset()

    @property
    def asked(self) -> frozenset[str]:
        """The origins that were asked for the page that was read last, and need not be for it in the next visit."""
        return self._earlier | self._asked

    @property
    def _source(self) -> Source:
        return self._papers.known.source()

    async def read(
        self, items: Sequence[bytes | Loose], waiting: Collection[str], now: datetime, *, large: bool = False
    ) -> Judged | None:
        """Judge a page. None where not all new origins can be asked now: it is for the next visit.

        `waiting` are the ids of records whose words are not written yet. Raises what asking a node does, and `Unasked`
        where a `large` page names any: it is to be read again once they were asked (`learn`).
        """
        found = await asyncio.to_thread(self._look, items, waiting, now)
        if isinstance(found, list) and large:
            raise Unasked(found)
        if isinstance(found, list):
            if not await self.learn(found, now):
                return None
            found = await asyncio.to_thread(self._judge, judge.read(items), waiting, now)
        self._earlier = frozenset()
        return found

    def _look(self, items: Sequence[bytes | Loose], waiting: Collection[str], now: datetime) -> Judged | list[str]:
        """What a page says, or the nodes that must be asked before that can be told."""
        readings = judge.read(items)
        strays = judge.strays(readings, self._source, self._heard_of(now), self._keys())
        fresh = [node for node in strays if node not in self.asked]
        again = self._once_more(readings, {*fresh, *self._asked}, now)
        return [*again, *fresh] or self._judge(readings, waiting, now)

    def _once_more(self, readings: Sequence[judge.Reading], but: Collection[str], now: datetime) -> list[str]:
        """The origins of a page that are known, but were not asked for long: some of them, longest ago first."""
        if self._overdue is None:
            with self._database.present() as session:
                self._overdue = origins.overdue(session, now=now) if self._papers.known.relays else []
        room = min(AGAIN_A_VISIT - len(self._again), ORIGINS_A_VISIT - len(self._asked))
        if not self._overdue or room <= 0:
            return []
        named = {item.origin.node for item in readings if isinstance(item, Item)}
        again = [node for node in self._overdue if node in named and node not in but][:room]
        self._again.update(again)
        return again

    def _judge(self, readings: Sequence[judge.Reading], waiting: Collection[str], now: datetime) -> Judged:
        heard_of, source, rings = self._heard_of(now), self._source, self._keys()
        if self._first:
            return judge.judge(readings, source, me=self._me, origins=heard_of, now=now, rings=rings, weigh=self._weigh)
        with self._database.present() as session:
            own = {item.id: word for item, word in _own_words(readings, source) if item.id not in waiting}
            held = standing(session, list(own.values()), relayed=False)
            rest = [one for one in readings if isinstance(one, verdicts.Trouble) or one.id not in held]
            found = judge.place(rest, source, me=self._me, origins=heard_of, now=now)
            others = [said(s) for s, ends in found.heard if not ends and s.rank != DIRECT and s.id not in waiting]
            known = standing(session, others, relayed=True)
        judge.look(found, known, rings=rings, weigh=self._weigh)
        found.standing += held
        return found

    def _heard_of(self, now: datetime) -> Learnt:
        """The origins that may be relayed; asked of the database with the first page, for many visits have none."""
        if self._origins is None:
            with self._database.present() as session:
                self._origins = origins.every(session, now=now) if self._papers.known.relays else {}
        return self._origins

    def _keys(self) -> Rings:
        """The keys by which what is said is judged, as they are known now."""
        known = self._papers.known
        if self._rings is None:
            with self._database.present() as session:
                self._rings = origins.rings(session) if known.relays else {}
        return {**self._rings, known.url: known.ring}

    async def learn(self, wanted: Sequence[str], now: datetime) -> bool:
        """Ask for the manifests of origins that are not known well enough, each once a visit.

        False where some are left: there are too many, it is late, or another reader has the turn of their host
        (`busy`: that alone, or none could be asked for it). What was heard is kept where one raises, so that the next
        visit need not ask it again.
        """
        heard: list[origins.Heard] = []
        before = len(self._asked)
        try:
            busy = await self._hear(wanted, heard, now)
        except LeaseLost:
            raise
        except Crawling:
            with suppress(SQLAlchemyError):  # it is asked again; the visit ends for what was raised
                await self._keep(heard, now)
            raise
        await self._keep(heard, now)
        left = set(wanted) - self._asked
        self.busy = bool(left & busy) and (left <= busy or len(self._asked) == before)
        return not left

    async def _hear(self, wanted: Sequence[str], heard: list[origins.Heard], now: datetime) -> set[str]:
        """Put what origins say into `heard`, less what is kept already. Gives those whose host was another's turn."""
        busy: set[str] = set()
        for node in wanted[: ORIGINS_A_VISIT - len(self._asked)]:
            if self._tries and self._late():
                break
            self._tries += 1
            if node == self._papers.known.url:
                await self._papers.ask(self._get, self._write, now=now, afresh=False)
                self._asked.add(node)
                continue
            found = await self._ask(node, now)
            if found is None:
                busy.add(node)
            else:
                heard.append(found)
            if found is not None or node in self._again:  # what is known of that one will do
                self._asked.add(node)
            if sum(len(one.prefixes) for one in heard) >= MANY_PREFIXES:
                await self._keep(heard, now)
                heard.clear()
        return busy

    async def _ask(self, node: str, now: datetime) -> origins.Heard | None:
        """What one origin says; what is known of it, where nothing can be learnt; None where it is another's turn."""
        # Of one that is known with this prefix and key the relay's copy would change nothing.
        relay = None if node in self._again else self._papers.manifest
        try:
            found = await origins.learn(self._get, node, relay=relay, wait=True)
        except Later as error:
            if error.cause != Cause.BUSY:
                raise
            return None
        return found or origins.Heard(node, self._heard_of(now).get(node, {}))

    async def _keep(self, heard: Sequence[origins.Heard], now: datetime) -> None:
        if heard:
            known = self._heard_of(now)
            known |= await self._write(lambda session: origins.remember(session, heard, now=now))
            self._rings = None


def _own_words(readings: Sequence[judge.Reading], source: Source) -> Iterator[tuple[Item, Said]]:
    """What a node says of its own records. Words that are held were judged when they came, and may be taken as good."""
    for item in readings:
        if isinstance(item, Item) and item.origin.node == source.id and not item.via and item.reason != DROPPED:
            reason, moved_to = (item.reason, item.moved_to) if item.deleted else (None, None)
            yield (
                item,
                (item.id, item.kind, source.node_id, item.data, item.origin_bytes, reason, moved_to),
            )
