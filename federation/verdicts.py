"""What judging a page comes to: statements, refusals, and the words in which a publisher is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.merge import Statement
from schema.errors import Fault, Invalid
from schema.identifiers import is_canonical

MAX_ID = 2_600
MAX_NODE = 2_000
MAX_PLACE = 260  # a host of at most 253 characters (RFC 1035, section 2.3.4) and a port
MAX_PUBLISHER = 120
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONG_LABEL = re.compile(r"[^.:]{64}")  # RFC 1035, section 2.3.4: no resolver takes such a name

Prefixes = Mapping[str, str]
"""The prefixes of a node's ids, each with the publisher id whose records stand under it."""


@dataclass(frozen=True, slots=True)
class Source:
    """The node that is read: `id` is its manifest's URL; `relays` whether it was accepted as an aggregator."""

    node_id: int
    id: str
    prefixes: Prefixes
    relays: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an item was refused: the rule, where (a JSON pointer into the item), and which record it was about."""

    rule: str
    pointer: str
    message: str
    record_id: str = ""


@dataclass(slots=True)
class Judged:
    """What a page says: statements and route ends in the feed's order, refusals, and how many items came back to us.

    `heard` holds (statement, whether the route ends here); `unproven` those that are signed with a key which their
    origin has not published; `standing` the ids of records that are held just as the page says them; `named` the ids of
    refused items, so that a full reconcile does not take a refusal for a removal; `warned` is what was taken all the
    same. `looped` has, for each record that came back by way of us, that this route carries it no more.
    """

    heard: list[tuple[Statement, bool]] = field(default_factory=list)
    unproven: list[Statement] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    refused: list[Trouble] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    warned: list[Trouble] = field(default_factory=list)
    looped: list[Statement] = field(default_factory=list)
    loops: int = 0

    def add(self, other: Judged) -> None:
        """Count in what the next page says."""
        self.heard += other.heard
        self.unproven += other.unproven
        self.standing += other.standing
        self.refused += other.refused
        self.named += other.named
        self.warned += other.warned
        self.looped += other.looped
        self.loops += other.loops

    def ids(self) -> list[str]:
        """The ids of the records that are spoken of."""
        heard = (statement.id for statement, _ends in self.heard)
        return [*heard, *(statement.id for statement in self.unproven), *self.standing, *self.named]


def is_node(node: str) -> bool:
    """Whether this can be the id of a node: the address of a manifest, in its canonical form."""
    if len(node) > MAX_NODE or not is_canonical(node):
        return False
    place = node.split("/", 3)[2]
    return len(place) <= MAX_PLACE and not _LONG_LABEL.search(place)


def broken(rule: str, pointer: str, message: str, found: object = None, expected: str = "") -> Invalid:
    """One broken rule, to be raised."""
    return Invalid([Fault(pointer, message, found, expected, rule=rule)])


def sentence(fault: Fault) -> str:
    """A fault in one sentence or three: what is wrong, what was found, what was expected."""
    parts = [fault.message]
    if fault.found is not None:
        parts.append(f"Found: {str(fault.found)[:200]}.")
    if fault.expected:
        parts.append(f"Expected: {fault.expected[:300]}.")
    return clean(" ".join(parts))


def clean(text: str) -> str:
    """Text that both databases take, for PostgreSQL refuses NUL and lone surrogates; and that tells no terminal."""
    return _CONTROL.sub(" ", text)
