"""The rows. One class a table, for SQLite and PostgreSQL alike; never built from foreign JSON.

A row stores what was received as bytes (`data`, `origin`, `via`) and serves it from them. Times are UTC, numbers
that grow are 64 bits wide.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """An instant in UTC. SQLite forgets the zone, so it is put back on reading; a naive time is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC, and refuse a time that does not say its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the instant back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Row(SQLModel):
    """What all rows share: rows are never validated, so that what would validate them is not built."""

    model_config = {"defer_build": True}


# SQLite gives row numbers by itself only to a column that it calls INTEGER.
RowNumber = BigInteger().with_variant(Integer, "sqlite")


class Counter(Row, table=True):
    """One row: the highest change number given so far (protocol section 2)."""

    id: int = Field(primary_key=True)
    n: int = Field(default=0, sa_type=BigInteger)


class Meta(Row, table=True):
    """What this node remembers about itself: `publicUrl`, `epoch`."""

    key: str = Field(primary_key=True, max_length=40)
    value: str = Field(sa_type=Text)


class Publisher(Row, table=True):
    """A body that this node publishes for. Name and the rest stand in its organisation record."""

    id: str = Field(primary_key=True, max_length=120)
    id_prefix: str = Field(max_length=400)
    relation: str = Field(default="own", max_length=20)
    created: datetime = Field(sa_type=Moment)


class Record(Row, table=True):
    """The current state of one record, at its latest change number; a tombstone where `deleted`.

    `node_id` is the route it came by (None: published here). `rank` and `seq` are what protocol section 5
    compares between routes: 0 straight from the origin, 1 relayed and signed, 2 relayed unsigned, 3 lapsed.
    `hidden`: its publisher has a node of its own here, and this comes from another (federation/precedence.py).
    Tombstones have an index by node and number too, `ix_record_gone` (migrations/env.py says why it is not said here).
    """

    __table_args__ = (
        Index("ix_record_kind_number", "kind", "number"),
        Index("ix_record_publisher_kind", "publisher", "kind"),
    )

    row: int | None = Field(default=None, sa_type=RowNumber, primary_key=True)
    id: str = Field(max_length=2600, unique=True)
    kind: str = Field(max_length=40)
    publisher: str = Field(max_length=120)
    number: int = Field(sa_type=BigInteger, unique=True)
    deleted: bool = False
    data: bytes | None = Field(default=None, sa_type=LargeBinary)
    origin: bytes = Field(sa_type=LargeBinary)
    via: bytes | None = Field(default=None, sa_type=LargeBinary)
    reason: str | None = Field(default=None, max_length=20)
    moved_to: str | None = Field(default=None, max_length=2600)
    origin_node: str = Field(max_length=2000)
    seq: int = Field(sa_type=BigInteger)
    rank: int = Field(default=0, sa_type=SmallInteger)
    signature: str = Field(default="absent", max_length=12)
    node_id: int | None = Field(default=None, sa_type=RowNumber, foreign_key="node.id", index=True)
    changed: datetime = Field(sa_type=Moment)
    hidden: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class History(Row, table=True):
    """A state of a record that a later one replaced, kept for audit."""

    number: int = Field(sa_type=BigInteger, primary_key=True)
    id: str = Field(max_length=2600, index=True)
    kind: str = Field(max_length=40)
    deleted: bool
    data: bytes | None = Field(default=None, sa_type=LargeBinary)
    origin: bytes = Field(sa_type=LargeBinary)
    via: bytes | None = Field(default=None, sa_type=LargeBinary)
    reason: str | None = Field(default=None, max_length=20)
    changed: datetime = Field(sa_type=Moment)


class Said(Row):
    """What one route says about a record, as protocol section 5 weighs it (`federation/merge.py`, `Statement`)."""

    kind: str = Field(max_length=40)
    publisher: str = Field(max_length=120)
    origin: bytes = Field(sa_type=LargeBinary)
    via: bytes | None = Field(default=None, sa_type=LargeBinary)
    reason: str | None = Field(default=None, max_length=20)
    moved_to: str | None = Field(default=None, max_length=2600)
    origin_node: str = Field(max_length=2000)
    seq: int = Field(sa_type=BigInteger)
    rank: int = Field(sa_type=SmallInteger)


class Shadow(Said, table=True):
    """What a route that does not win says about a record: it takes over when the winning one ends."""

    id: str = Field(primary_key=True, max_length=2600)
    node_id: int = Field(primary_key=True, sa_type=RowNumber, foreign_key="node.id", index=True, ondelete="CASCADE")
    deleted: bool
    data: bytes | None = Field(default=None, sa_type=LargeBinary)
    signature: str = Field(default="absent", max_length=12)


class Node(Row, table=True):
    """A node that this aggregator was told to crawl, with the manifest pinned when it joined.

    `own` is a JSON list of the publishers whose own node it is, as the operator confirmed by taking it in; `jwks` one
    of the JWKs that it is known by, each with `since`, the time when it was pinned.
    """

    id: int | None = Field(default=None, sa_type=RowNumber, primary_key=True)
    key: str = Field(max_length=300, unique=True)
    url: str = Field(max_length=2000, unique=True)
    name: str = Field(max_length=500)
    role: str = Field(max_length=20)
    relays: bool = False
    state: str = Field(default="preview", max_length=12)
    manifest: bytes = Field(sa_type=LargeBinary)
    prefixes: str = Field(sa_type=Text)
    jwks: str = Field(default="[]", sa_type=Text, sa_column_kwargs={"server_default": "[]"})
    own: str = Field(default="[]", sa_type=Text, sa_column_kwargs={"server_default": "[]"})
    added: datetime = Field(sa_type=Moment)
    stale_since: datetime | None = Field(default=None, sa_type=Moment)
    webhook: str | None = Field(default=None, max_length=2000)


class Feed(Row, table=True):
    """One feed of one node: its lease, its cursor, and how the last visits went.

    `fence` grows with every claim; a commit that names an older one changes nothing (docs/decisions, lease rows).
    `place` is the host and port that it is read from, whose turn is the row of `Host`. `availability` and
    `completeness` are parts of the node's quality (federation/quality.py), `last_report` is what the last visit came
    to, as JSON; `not_before` is the node's own wish (`Retry-After`, a long Crawl-delay), which nobody's ping moves.
    """

    id: int | None = Field(default=None, sa_type=RowNumber, primary_key=True)
    node_id: int = Field(sa_type=RowNumber, foreign_key="node.id", unique=True, ondelete="CASCADE")
    url: str = Field(max_length=2000)
    due: datetime = Field(sa_type=Moment, index=True)
    owner: str | None = Field(default=None, max_length=200)
    leased_until: datetime | None = Field(default=None, sa_type=Moment)
    fence: int = Field(default=0, sa_type=BigInteger)
    place: str = Field(default="", max_length=300, sa_column_kwargs={"server_default": ""})
    cursor: str = Field(max_length=2000)
    position: int = Field(default=0, sa_type=BigInteger)
    latest: int | None = Field(default=None, sa_type=BigInteger)
    epoch: str | None = Field(default=None, max_length=64)
    reconciling: bool = False
    etag: str | None = Field(default=None, max_length=300)
    every: int = Field(default=300)
    fails: int = 0
    last_error: str | None = Field(default=None, sa_type=Text)
    last_visit: datetime | None = Field(default=None, sa_type=Moment)
    last_good: datetime | None = Field(default=None, sa_type=Moment)
    accepted: int = Field(default=0, sa_type=BigInteger)
    refused: int = Field(default=0, sa_type=BigInteger)
    dropped: int = Field(default=0, sa_type=BigInteger)
    latency_ms: int | None = None
    manifest_at: datetime | None = Field(default=None, sa_type=Moment)
    manifest_etag: str | None = Field(default=None, max_length=300)
    gone_since: datetime | None = Field(default=None, sa_type=Moment)
    visits: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    good_visits: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    pages: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    availability: float | None = None
    completeness: float | None = None
    not_before: datetime | None = Field(default=None, sa_type=Moment)
    last_report: str | None = Field(default=None, sa_type=Text)


class Host(Row, table=True):
    """A host and port that is or was asked: `owner` has its turn, and nobody else asks it before `free_at`.

    `robots` is its robots.txt as it was read at `robots_at`; empty where there was none.
    """

    place: str = Field(primary_key=True, max_length=300)
    owner: str | None = Field(default=None, max_length=200)
    free_at: datetime = Field(sa_type=Moment)
    robots: bytes | None = Field(default=None, sa_type=LargeBinary)
    robots_at: datetime | None = Field(default=None, sa_type=Moment)


class Sighting(Row, table=True):
    """A record that a node still carries, noted while its feed is reconciled in full; gone when that is done."""

    node_id: int = Field(primary_key=True, sa_type=RowNumber, foreign_key="node.id", ondelete="CASCADE")
    id: str = Field(primary_key=True, max_length=2600)


class Problem(Row, table=True):
    """What a node's publisher should mend: one row a rule and place, counted."""

    __table_args__ = (UniqueConstraint("node_id", "rule", "record_id", "pointer", name="uq_problem_place"),)

    id: int | None = Field(default=None, sa_type=RowNumber, primary_key=True)
    node_id: int = Field(sa_type=RowNumber, foreign_key="node.id", ondelete="CASCADE")
    rule: str = Field(max_length=60)
    severity: str = Field(max_length=10)
    record_id: str = Field(default="", max_length=2600)
    pointer: str = Field(default="", max_length=500)
    message: str = Field(sa_type=Text)
    count: int = Field(default=1, sa_type=BigInteger)
    first_seen: datetime = Field(sa_type=Moment)
    last_seen: datetime = Field(sa_type=Moment)


class Origin(Row, table=True):
    """An origin heard of through a relay: the prefixes and keys that its own manifest claims.

    `vouched_by` is the aggregator whose list said so where the origin itself could not be reached. `unofficial` are the
    publishers for which it gathers without being theirs, as JSON (`federation/relations.py`).
    """

    id: str = Field(primary_key=True, max_length=2000)
    prefixes: str = Field(sa_type=Text)
    jwks: str = Field(default="[]", sa_type=Text, sa_column_kwargs={"server_default": "[]"})
    vouched_by: str | None = Field(default=None, max_length=2000)
    unofficial: str | None = Field(default=None, sa_type=Text)
    fetched: datetime = Field(sa_type=Moment)


class Unproven(Said, table=True):
    """What a route said of a record under a key that its origin has not published: judged again when keys change."""

    id: str = Field(primary_key=True, max_length=2600)
    node_id: int = Field(primary_key=True, sa_type=RowNumber, foreign_key="node.id", index=True, ondelete="CASCADE")
    data: bytes | None = Field(default=None, sa_type=LargeBinary)
    origin_node: str = Field(max_length=2000, index=True)


class Moved(Row, table=True):
    """Ids that begin with another prefix since their node has moved: old ones lead to the new (protocol section 3)."""

    old: str = Field(primary_key=True, max_length=2600)
    new: str = Field(max_length=2600)
    at: datetime = Field(sa_type=Moment)


class SigningKey(Row, table=True):
    """A key that signs what is published here. `seed` is the private key, forgotten when the key is retired.

    It stands in the manifest from `published` on; `endorsement` is the word of an older key for it, as JSON.
    """

    kid: str = Field(primary_key=True, max_length=100)
    x: str = Field(max_length=43)
    seed: bytes | None = Field(default=None, sa_type=LargeBinary)
    created: datetime = Field(sa_type=Moment)
    published: datetime | None = Field(default=None, sa_type=Moment)
    retired: datetime | None = Field(default=None, sa_type=Moment)
    revoked: datetime | None = Field(default=None, sa_type=Moment)
    reason: str | None = Field(default=None, max_length=500)
    endorsement: str | None = Field(default=None, sa_type=Text)


class Token(Row, table=True):
    """A bearer token, stored as the SHA-256 of what was shown once. `kinds` is `*` or names joined by commas.

    `barred` is when the audit log last told that it had reached for what is not its own.
    """

    id: int | None = Field(default=None, sa_type=RowNumber, primary_key=True)
    name: str = Field(max_length=200)
    publisher: str = Field(max_length=120, foreign_key="publisher.id")
    kinds: str = Field(default="*", max_length=400)
    digest: str = Field(max_length=64, unique=True)
    hint: str = Field(max_length=20)
    created: datetime = Field(sa_type=Moment)
    expires: datetime = Field(sa_type=Moment)
    revoked: datetime | None = Field(default=None, sa_type=Moment)
    last_used: datetime | None = Field(default=None, sa_type=Moment)
    barred: datetime | None = Field(default=None, sa_type=Moment)


class Idempotency(Row, table=True):
    """The answer given to a request with an `Idempotency-Key`, given again when it is repeated."""

    token_id: int = Field(sa_type=RowNumber, foreign_key="token.id", primary_key=True, ondelete="CASCADE")
    key: str = Field(primary_key=True, max_length=255)
    request: str = Field(max_length=64)
    status: int
    headers: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)
    created: datetime = Field(sa_type=Moment)


class Job(Row, table=True):
    """Work that a request asked for and a worker does: the queue is the table.

    `owner` holds it until `leased_until`, so that what a killed worker left is taken up again.
    """

    id: str = Field(primary_key=True, max_length=40)
    task: str = Field(max_length=20)
    state: str = Field(default="queued", max_length=10, index=True)
    publisher: str = Field(max_length=120, foreign_key="publisher.id")
    token_id: int | None = Field(default=None, sa_type=RowNumber, foreign_key="token.id", ondelete="SET NULL")
    options: str = Field(sa_type=Text)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    result: bytes | None = Field(default=None, sa_type=LargeBinary)
    owner: str | None = Field(default=None, max_length=200)
    leased_until: datetime | None = Field(default=None, sa_type=Moment)
    tries: int = 0
    created: datetime = Field(sa_type=Moment)
    started: datetime | None = Field(default=None, sa_type=Moment)
    finished: datetime | None = Field(default=None, sa_type=Moment)


class Removal(Said, table=True):
    """A live record that one route withdraws, and what that route says instead (protocol section 5).

    `state` is `waiting` until the pass ends, `held` until a person looks, `gone` for a day after it was applied.
    `ends`: the route no longer carries the record; `afresh`: it was said in a full reconcile.
    """

    __table_args__ = (Index("ix_removal_node_id_state", "node_id", "state", "origin_node"),)

    id: str = Field(primary_key=True, max_length=2600)
    node_id: int = Field(primary_key=True, sa_type=RowNumber, foreign_key="node.id", ondelete="CASCADE")
    state: str = Field(max_length=10)
    since: datetime = Field(sa_type=Moment)
    ends: bool
    afresh: bool
    signature: str = Field(default="absent", max_length=12)


class Erasure(Row, table=True):
    """A record withdrawn as personal data at a change number: what is kept of it before that goes when it is `due`.

    The row stays, as the log of what was erased: it has no content. By the origin's own number `seq`, at which it was
    withdrawn with the rank of that word, an older word is known whatever was published since.
    """

    id: str = Field(primary_key=True, max_length=2600)
    number: int = Field(sa_type=BigInteger, index=True)
    node_id: int | None = Field(default=None, sa_type=RowNumber, foreign_key="node.id", ondelete="SET NULL")
    since: datetime = Field(sa_type=Moment)
    due: datetime = Field(sa_type=Moment)
    erased: datetime | None = Field(default=None, sa_type=Moment)
    origin_node: str | None = Field(default=None, max_length=2000)
    seq: int | None = Field(default=None, sa_type=BigInteger)
    rank: int | None = Field(default=None, sa_type=SmallInteger)


class Audit(Row, table=True):
    """One write of somebody, appended in the transaction that did it, and never changed: the database refuses it.

    `actor` is `token` (its number and name as they were then) or `operator` (the name of the account that ran the
    command). `before` and `after` are the SHA-256 of a record's data; what it held stands nowhere in here.
    """

    __table_args__ = (Index("ix_audit_publisher_id", "publisher", "id"),)

    id: int | None = Field(default=None, sa_type=RowNumber, primary_key=True)
    time: datetime = Field(sa_type=Moment)
    actor: str = Field(max_length=10)
    token_id: int | None = Field(default=None, sa_type=BigInteger)
    name: str = Field(default="", max_length=200)
    action: str = Field(max_length=20)
    publisher: str = Field(default="", max_length=120)
    kind: str = Field(default="", max_length=40)
    record: str = Field(default="", max_length=2600, index=True)
    number: int | None = Field(default=None, sa_type=BigInteger)
    before: str | None = Field(default=None, max_length=64)
    after: str | None = Field(default=None, max_length=64)
    request: str = Field(default="", max_length=64)


class Examination(Row, table=True):
    """A node that somebody asked to be held to the rules, and what came of it: the queue is the table."""

    id: str = Field(primary_key=True, max_length=40)
    url: str = Field(max_length=2000, index=True)
    aggregator: bool = False
    state: str = Field(default="queued", max_length=10, index=True)
    result: bytes | None = Field(default=None, sa_type=LargeBinary)
    owner: str | None = Field(default=None, max_length=200)
    leased_until: datetime | None = Field(default=None, sa_type=Moment)
    tries: int = 0
    created: datetime = Field(sa_type=Moment)
    started: datetime | None = Field(default=None, sa_type=Moment)
    finished: datetime | None = Field(default=None, sa_type=Moment)


class Hook(Row, table=True):
    """The webhook of a node: what it was told last, and the message that waits for it.

    `looked` is the visit that was looked at last, `told` the digest of the status that was last put into a message;
    `message`, `body` and `due` stand while one waits. `disabled`: the address answered 410, and nothing is sent to it.
    """

    node_id: int = Field(primary_key=True, sa_type=RowNumber, foreign_key="node.id", ondelete="CASCADE")
    url: str = Field(max_length=2000)
    looked: datetime | None = Field(default=None, sa_type=Moment)
    told: str | None = Field(default=None, max_length=64)
    message: str | None = Field(default=None, max_length=64)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    due: datetime | None = Field(default=None, sa_type=Moment, index=True)
    tries: int = 0
    disabled: datetime | None = Field(default=None, sa_type=Moment)
    answer: str | None = Field(default=None, sa_type=Text)
    sent: datetime | None = Field(default=None, sa_type=Moment)
    delivered: int = Field(default=0, sa_type=BigInteger)
    failed: int = Field(default=0, sa_type=BigInteger)
    owner: str | None = Field(default=None, max_length=200)
    leased_until: datetime | None = Field(default=None, sa_type=Moment)


Columns = dict[str, Any]
