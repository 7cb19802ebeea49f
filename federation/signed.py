"""What the signature of a statement is worth, and what that makes of the statement (protocol section 5). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from federation import sign
from federation.merge import DIRECT, DROPPED, LAPSED, SIGNED, UNSIGNED, Statement
from federation.sign import Asked, Ring, State
from federation.verdicts import broken
from schema.change import read_origin

Rings = Mapping[str, Ring]
"""The keys of each node, by its id; a node that is not there publishes none."""
Weigh = Callable[[Sequence[Asked], Rings], list[State]]
"""What each of these signatures is worth: `sign.states`, or a process that does the same (federation/verifier.py)."""


def signatures(statements: Sequence[Statement], rings: Rings, weigh: Weigh = sign.states) -> list[State]:
    """What the signature of each statement is worth, by the keys of its origin."""
    return weigh([_asked(statement) for statement in statements], rings)


def _asked(statement: Statement) -> Asked:
    origin = statement.origin
    time, sig = "", None
    if statement.reason != DROPPED and (b"sig" in origin or b"\\" in origin):
        read = read_origin(origin)
        time, sig = read.time, read.sig
    return Asked(
        statement.origin_node,
        statement.id,
        statement.kind,
        statement.data,
        statement.reason,
        statement.moved_to,
        origin,
        time,
        sig,
    )


def proven(statement: Statement, state: State, *, signs: bool) -> Statement | None:
    """The statement with what its signature is worth; None where its origin publishes keys, but not the one it names.

    Raises `Invalid` where an origin that `signs` did not sign it: a signature that is left out is a lie too.
    """
    if statement.reason == DROPPED:  # a relay's own word, which nobody signs
        return statement
    if state == sign.VALID or not signs:
        return weighed(statement, state)
    if state == sign.UNKNOWN_KEY:
        return None
    told = "It is not signed, yet its origin signs." if state == sign.ABSENT else "Its signature does not hold."
    raise broken(f"signature-{state}", "/origin/sig", told, None, "the signature of a key in its origin's manifest")


def weighed(statement: Statement, state: State) -> Statement:
    """The statement with what its signature is worth, and the rank that this gives it where it was relayed."""
    if state == statement.signature:
        return statement
    relayed = SIGNED if state == sign.VALID else UNSIGNED
    rank = statement.rank if statement.rank in (DIRECT, LAPSED) else relayed
    return msgspec.structs.replace(statement, signature=state, rank=rank)
