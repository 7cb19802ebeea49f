"""Joining is a gate: a node that is a preview is looked at on each visit, and nothing of it is taken until it passes.

The look is the same as at `node add` and at `folkmoot check`; what it finds stands among the node's problems.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from federation import log, nodes, origins, precedence, told
from federation.checks import Report, examine
from federation.database import WriteSession, table
from federation.nodes import Known
from federation.papers import Write
from federation.rules import gates
from federation.seam import Get
from schema.errors import Later, LeaseLost, Refused
from schema.tables import Node

PREVIEW = "preview"
PAGES = 20
_node = table(Node)


class NotYet(Refused):
    """A preview does not pass. All that was found is told already, each thing at its place."""


async def passing(get: Get, write: Write, known: Known, *, now: datetime) -> None:
    """Hold a preview to every rule that is a gate, on its first pages, and let it in where it keeps them all.

    Raises `NotYet` with the first rule that is broken, `Later` where the node did not answer, `Vanished` where it says
    that nothing is there.
    """
    others = await write(lambda session: origins.taken(session, but=known.url))
    report = await examine(get, known.url, now=now, aggregator=known.relays, known=known, others=others, pages=PAGES)
    await write(lambda session: _note(session, known, report, now))
    for trouble in report.troubles:
        if gates(trouble.rule):
            if report.unreachable:
                raise report.vanished or Later(trouble.message)
            raise NotYet(trouble.rule, trouble.message, trouble.pointer)


def _note(session: WriteSession, known: Known, report: Report, now: datetime) -> None:
    log.lock(session)  # before the node's row
    ours = _node.c.id == known.id, _node.c.state == PREVIEW
    if session.connection().execute(select(_node.c.id).where(*ours).with_for_update()).first() is None:
        raise LeaseLost("The node was paused, removed or let in while it was looked at.")
    told.examined(session, known.id, report.troubles, now)
    if report.manifest is not None:
        nodes.hear_keys(session, nodes.load(session, known.id), report.manifest, now=now)
    if report.passed:
        session.connection().execute(update(_node).where(*ours).values(state="active"))
        precedence.settle(session, known.own, now=now)
