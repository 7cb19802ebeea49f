"""What came of a look at a node: kept for whoever asked, and told to the node if it is among ours."""

from __future__ import annotations

from datetime import datetime

import orjson
from sqlalchemy import select, update

from federation import hooks, log, told
from federation.checks import Report
from federation.database import WriteSession, table
from federation.examining import Claim
from federation.summary import summary
from federation.verdicts import Trouble
from schema.change import Item
from schema.errors import LeaseLost, ReaderFault
from schema.tables import Examination, Node

_examination, _node = table(Examination), table(Node)


def finish(session: WriteSession, held: Claim, report: Report, now: datetime) -> None:
    """Keep the report, and tell a node that is among ours what was found. Raises `LeaseLost`.

    What is found of a node stands in one table, whoever looked: so its check and its page say the same. A look at it as
    what it is not here (an aggregator, say) is for whoever asked alone.
    """
    mine = update(_examination).where(_examination.c.id == held.id, _examination.c.owner == held.owner)
    result = orjson.dumps(summary(report) | {"unseen": report.unseen})
    done = {"state": "done", "result": result, "finished": now, "owner": None}
    if session.connection().execute(mine.values(leased_until=None, **done)).rowcount != 1:
        raise LeaseLost("Another worker has taken this check.")
    if report.known is None or any(trouble.rule == ReaderFault.rule for trouble in report.troubles):
        return
    ours = select(_node.c.id).where(_node.c.id == report.known.id, _node.c.url == held.url)
    node_id = session.connection().execute(ours).scalar_one_or_none()
    if node_id is None:
        return
    log.lock(session)  # whoever withdraws a record holds it while what problems quote of that is taken out
    if report.steps and report.steps[-1].page.ended:
        told.visit_mended(session, node_id, rules=[result.rule for result in report.results if result.kept])
    told.mended(session, node_id, _good(report))
    told.tell(session, node_id, report.troubles, now)
    hooks.again(session, node_id)


def _good(report: Report) -> list[str]:
    bad = {trouble.record_id for trouble in report.troubles}
    return [one.id for one in report.readings if isinstance(one, Item) and one.id not in bad]


def unseen(report: Report) -> None:
    """Say that the node was not asked, for another had its host's turn: no rule was looked for, and none is broken."""
    report.unreachable = True
    report.unseen = "It was not looked at: it is being visited. Ask again in a minute."


def overrun(report: Report) -> None:
    """Say that the look took longer than it may."""
    report.unreachable = True
    report.troubles.append(Trouble("reachable", "", "The look was ended: the node took too long to answer."))
