"""What the signature of a statement is worth, and what that makes of the statement (protocol section 5). Pure."""

from __future__ import annotations

import msgspec

from federation import sign
from federation.merge import DIRECT, DROPPED, SIGNED, UNSIGNED, Statement
from federation.sign import Ring
from federation.verdicts import broken
from schema.change import read_origin


def prove(statement: Statement, ring: Ring) -> Statement | None:
    """The statement with what its signature is worth; None where its origin publishes keys, but not the one it names.

    Raises `Invalid` where an origin that publishes keys did not sign it: a signature that is left out is a lie too.
    """
    if statement.reason == DROPPED:  # a relay's own word, which nobody signs
        return statement
    state = signature_of(statement, ring)
    if state == sign.VALID or not ring:
        return weighed(statement, state)
    if state == sign.UNKNOWN_KEY:
        return None
    told = "It is not signed, yet its origin signs." if state == sign.ABSENT else "Its signature does not hold."
    raise broken(f"signature-{state}", "/origin/sig", told, None, "the signature of a key in its origin's manifest")


def weighed(statement: Statement, state: sign.State) -> Statement:
    """The statement with what its signature is worth, and the rank that this gives it where it was relayed."""
    if state == statement.signature:
        return statement
    relayed = SIGNED if state == sign.VALID else UNSIGNED
    rank = statement.rank if statement.rank == DIRECT else relayed
    return msgspec.structs.replace(statement, signature=state, rank=rank)


def signature_of(statement: Statement, ring: Ring) -> sign.State:
    """What the signature of a statement is worth, by the keys of its origin."""
    if b"sig" not in statement.origin and b"\\" not in statement.origin:
        return "absent"
    origin = read_origin(statement.origin)
    if origin.sig is None:
        return "absent"
    try:
        said = sign.payload(
            record_id=statement.id,
            kind=statement.kind,
            data=statement.data,
            reason=statement.reason,
            moved_to=statement.moved_to,
            origin=statement.origin,
        )
    except ValueError:  # a number that canonical JSON cannot hold, so that nobody can have signed it
        return "invalid"
    return ring.judge(origin.sig, said, origin.time)
