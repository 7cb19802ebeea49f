"""What can go wrong, named by what to do next. Errors know no HTTP: `api/problems.py` gives each its status.

FolkmootError
├── Bad                  what was sent is at fault: mend it and send it again
│   ├── Invalid          the data breaks the schema; carries one `Fault` a place
│   ├── Malformed        the bytes are not what they say they are (no JSON, no UTF-8, a cut-off file)
│   ├── UnknownParameter a query parameter that nobody reads
│   ├── BadParameter     a query parameter with a value that cannot be read
│   └── UnknownFormat    a `format` that this list does not speak
├── Absent               there is nothing there
│   ├── NotFound         never was, as far as we know
│   └── Withdrawn        was there and is gone; carries the reason of its tombstone
├── Barred               who asks may not do this
│   ├── Unauthorised     no token
│   │   └── BadToken     one that is none, or has ended
│   └── Forbidden        a token that does not reach this far
├── Clash                the state of things is against it
│   ├── Conflict         it exists already, or the same key was used for another request
│   ├── Stale            `If-Match` names another version
│   ├── Unguarded        `If-Match` is missing where an update needs it
│   └── Held             the removal guard waits for a person
├── Misconfigured        the operator must change a setting; the sentence says which
├── Hurried              who asks does so too often; carries `retry_after` in seconds
├── Busy                 the query would cost more than its budget, or the index is not ready
└── Crawling             what a visit to a node can end in
    ├── Later            try again (time-out, 5xx, 429); may carry `retry_after` in seconds
    │   └── Untrusted    its certificate or its TLS is at fault, so nothing was asked; carries rule
    ├── Refused          the node broke a rule: tell it; carries rule and JSON pointer
    ├── Vanished         404 or 410: stop hot polling, keep what is held
    ├── ReaderFault      it broke off by a fault of ours, which its publisher need not mend
    └── LeaseLost        another worker has taken the feed: throw this turn away
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place.

    `pointer` is an RFC 6901 JSON pointer into the record ("" is the whole record); `found` the value as it
    stood there; `expected` what would have been right, in words.
    """

    pointer: str
    message: str
    found: Any = None
    expected: str = ""
    severity: Severity = "error"
    rule: str = "schema"


class FolkmootError(Exception):
    """The root. `detail` is one sentence for a person."""

    _public: str = ""
    """What anybody is told, where `detail` is for the operator alone."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or (self.__doc__ or "").splitlines()[0]
        super().__init__(self.detail)

    @property
    def public(self) -> str:
        """The sentence for anybody who asks over HTTP; `detail` may name what only the operator should know."""
        return self._public or self.detail


class Bad(FolkmootError):
    """What was sent is at fault: mend it and send it again."""


class Invalid(Bad):
    """The data breaks the schema."""

    def __init__(self, faults: Sequence[Fault], detail: str = "") -> None:
        self.faults = tuple(faults)
        super().__init__(detail or "; ".join(f"{f.pointer or '/'}: {f.message}" for f in self.faults[:3]))


class Malformed(Bad):
    """The bytes are not what they say they are."""


class UnknownParameter(Bad):
    """A query parameter that nobody reads; `near` is the known one it resembles."""

    def __init__(self, name: str, near: str | None, known: Sequence[str] = (), *, hint: str = "") -> None:
        self.parameter = name
        self.near = near
        self.known = tuple(known)
        told = f"Did you mean '{near}'?" if near else hint
        super().__init__(f"Unknown parameter '{name}'. {told}".rstrip())


class BadParameter(Bad):
    """A query parameter with a value that cannot be read."""

    _shown: ClassVar = "'{}'"

    def __init__(self, name: str, found: str, expected: str) -> None:
        self.parameter = name
        self.found = found
        self.expected = expected
        super().__init__(f"Parameter '{name}' is {self._shown.format(found[:80])}; expected {expected}.")


class Repeated(BadParameter):
    """A query parameter that is given more often than it may be."""

    _shown = "{}"

    def __init__(self, name: str, times: int, expected: str) -> None:
        super().__init__(name, f"given {times} times", expected)


class UnknownFormat(BadParameter):
    """A `format` that this list does not speak."""


class Absent(FolkmootError):
    """There is nothing there."""


class NotFound(Absent):
    """Nothing is known by this name."""


class Withdrawn(Absent):
    """It was published and has been withdrawn; `tombstone` is the feed item that says why."""

    def __init__(self, tombstone: dict[str, Any]) -> None:
        self.tombstone = tombstone
        super().__init__(f"This record was withdrawn (reason: {tombstone.get('reason', 'unknown')}).")


class Barred(FolkmootError):
    """Who asks may not do this."""


class Unauthorised(Barred):
    """A bearer token that this node knows is needed."""


class BadToken(Unauthorised):
    """The token that was sent is none of this node's, or has ended; whoever sends it is not told which."""

    # One sentence for all of these, so that nobody learns which tokens there were.
    _public = (
        "The token that was sent is not good here: it is misspelt, none of this node's, revoked, or has expired. "
        "Whoever runs the node sees which in its log and by 'folkmoot token list'."
    )


class Forbidden(Barred):
    """The token does not reach this publisher or kind."""


class Clash(FolkmootError):
    """The state of things is against it."""


class Conflict(Clash):
    """It exists already, or the key was used for another request."""


class Stale(Clash):
    """The record has changed since the version that If-Match names."""


class Unguarded(Clash):
    """An update needs If-Match with the ETag of the version that it changes, or with * for whichever stands."""


class Held(Clash):
    """So many records would be removed that a person must say so first."""


class Misconfigured(FolkmootError):
    """The operator must change a setting."""


class Hurried(FolkmootError):
    """Too many requests: `policy` is the limit that was reached, `retry_after` whole seconds to wait."""

    def __init__(self, policy: str, retry_after: int, detail: str = "") -> None:
        self.policy = policy
        self.retry_after = retry_after
        told = f"There were too many requests from this {policy}. Go on in {retry_after} s, and more slowly."
        super().__init__(detail or told)


class Busy(FolkmootError):
    """The answer is not to be had at a bearable cost now."""


class Crawling(FolkmootError):
    """What a visit to a node can end in; `rule` is the one by which its publisher is told, `pointer` where."""

    rule = "reachable"
    pointer = ""


class Cause(StrEnum):
    """Why nothing was answered, in one word."""

    NAME = "name"
    """The name of the host does not resolve."""
    TIME = "time"
    """It took too long."""
    CONNECTION = "connection"
    """There was no connection."""
    CUT = "cut"
    """The answer broke off."""
    BUSY = "busy"
    """Another reader had the turn of the host all the while: nothing was asked."""


class Later(Crawling):
    """Try again; `retry_after` is the node's own wish in seconds, where it gave one.

    `cause` is one word for why: a `Cause`, the rule that a certificate breaks, or empty.
    """

    def __init__(self, detail: str, retry_after: float | None = None, *, cause: str = "") -> None:
        self.retry_after = retry_after
        self.cause = cause
        super().__init__(detail)


class Untrusted(Later):
    """The node's certificate or its TLS is at fault: nothing was asked, for nobody knows who would answer."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule = rule
        super().__init__(detail, cause=rule)


class Refused(Crawling):
    """The node broke a rule of the feed: the cursor stays and the publisher is told.

    `public` is what whoever had it looked at and the node's page are told, where `detail` is for the operator alone.
    """

    def __init__(self, rule: str, detail: str, pointer: str = "", *, public: str = "") -> None:
        self.rule = rule
        self.pointer = pointer
        self._public = public
        super().__init__(detail)


class Vanished(Crawling):
    """The node answers 404 or 410: keep what is held, look again tomorrow."""

    def __init__(self, detail: str, status: int) -> None:
        self.status = status
        super().__init__(detail)


class ReaderFault(Crawling):
    """The visit broke off by a fault of ours: the log says which, the publisher only that it is not theirs to mend."""

    rule = "reader-fault"


class LeaseLost(Crawling):
    """Another worker has taken the feed: this turn is thrown away."""
