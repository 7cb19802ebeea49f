"""The bodies that this node publishes for, and what the node remembers about itself."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from sqlalchemy import select, update

from federation import audit, keys, log, precedence
from federation.database import Reading, WriteSession, insert, table
from schema.codelists import RELATIONS
from schema.errors import Conflict, Misconfigured, NotFound
from schema.identifiers import id_prefix, organisation_id, publisher_id
from schema.kinds import parse
from schema.tables import Meta, Publisher

WELL_KNOWN = "/.well-known/folkmoot"
_meta, _publisher = table(Meta), table(Publisher)


def node_id(public_url: str) -> str:
    """A node's identity everywhere: its manifest's own URL (protocol section 1)."""
    return public_url + WELL_KNOWN


def check_public_url(url: str) -> str:
    """An origin without a path, as ids are made of it. Raises `Misconfigured`."""
    parts = urlsplit(url)
    good = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
    if not good or parts.query or parts.fragment or parts.username:
        raise Misconfigured(
            f"FOLKMOOT_PUBLIC_URL is '{url}'; expected an origin without a path, such as https://moot.example"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def recall(session: Reading, key: str) -> str | None:
    """What was remembered under this key."""
    return session.connection().execute(select(_meta.c.value).where(_meta.c.key == key)).scalar_one_or_none()


def settle(session: WriteSession, public_url: str) -> str:
    """Remember the public URL at the first publication, and refuse another one later. Gives the epoch."""
    known = recall(session, "publicUrl")
    if known is None:
        insert(session, Meta, [{"key": "publicUrl", "value": public_url}, {"key": "epoch", "value": new_epoch()}])
    elif known != public_url:
        raise moved(known, public_url)
    return epoch(session)


def own_url(session: Reading, public_url: str) -> str:
    """The origin that this node publishes under. Raises `Misconfigured` where it has published under another."""
    url, known = check_public_url(public_url), recall(session, "publicUrl")
    if known not in {None, url}:
        raise moved(str(known), url)
    return url


def moved(known: str, public_url: str) -> Misconfigured:
    """Why another public URL is refused: every published id begins with it."""
    return Misconfigured(
        f"This node has published as {known}, and FOLKMOOT_PUBLIC_URL is {public_url}. Published ids begin with the "
        f"public URL: set FOLKMOOT_PUBLIC_URL={known}, or give every record a new id with: folkmoot move {public_url}"
    )


def new_epoch() -> str:
    """A word that no database had before."""
    return secrets.token_hex(6)


def renew_epoch(session: WriteSession) -> None:
    """Take another epoch: this database is a restored one, and readers shall read it from the start."""
    session.connection().execute(update(_meta).where(_meta.c.key == "epoch").values(value=new_epoch()))


def epoch(session: Reading) -> str:
    """The epoch of this database (protocol section 1). Raises `Misconfigured` before the first publication."""
    found = recall(session, "epoch")
    if found is None:
        raise Misconfigured("Nothing is published yet: add a publisher first (folkmoot publisher add).")
    return found


def add(
    session: WriteSession,
    *,
    public_url: str,
    organisation: Mapping[str, Any],
    now: datetime,
    relation: str = "own",
    sign: bool = False,
) -> str:
    """Publish for a body: its organisation record becomes the log's next change. Gives the publisher id.

    `organisation` is the data of an organisation record; its first identifier is the primary one. `sign`: a node that
    has published nothing yet is given a key and signs from here on. Raises `Conflict` where the publisher is there
    already, `Invalid` where the data breaks the schema.
    """
    check_relation(relation)
    if sign and recall(session, "epoch") is None and keys.signs(session) is None:
        keys.first(session, now=now)
    settle(session, public_url)
    data = orjson.dumps(dict(organisation))
    parse("organisation", data)
    first = organisation["identifiers"][0]
    name = publisher_id(first["scheme"], first["id"])
    if find(session, name, missing_ok=True) is not None:
        raise Conflict(f"{name} is a publisher of this node already.")
    prefix = id_prefix(public_url, name)
    insert(session, Publisher, [{"id": name, "id_prefix": prefix, "relation": relation, "created": now}])
    audit.note(session, "publisher.add", f"{name} as {relation}", now, publisher=name)
    draft = log.Draft(organisation_id(prefix, name), "organisation", name, data)
    log.append(session, [draft], node=node_id(public_url), now=now)
    precedence.settle(session, [name], now=now)
    return name


def change(
    session: WriteSession,
    publisher: str,
    *,
    public_url: str,
    members: Mapping[str, str],
    now: datetime,
    relation: str | None = None,
) -> bool:
    """Change a publisher's organisation record and relation; an empty member is taken out. Gives whether any differed.

    Raises `NotFound` for an unknown publisher, `Invalid` where the data would break the schema.
    """
    if relation is not None:
        check_relation(relation)
    settle(session, public_url)
    log.lock(session)
    known = find(session, publisher)
    assert known is not None
    before = organisations(session, [known]).get(publisher, {})
    after = {name: value for name, value in (before | dict(members)).items() if value != ""}
    data = orjson.dumps(after)
    parse("organisation", data)
    differs = relation is not None and relation != known.relation
    if differs:
        session.connection().execute(update(_publisher).where(_publisher.c.id == publisher).values(relation=relation))
        precedence.settle(session, [publisher], now=now)
        audit.note(session, "publisher.set", f"{publisher} as {relation}", now, publisher=publisher)
    if after == before:
        return differs
    draft = log.Draft(organisation_id(known.id_prefix, publisher), "organisation", publisher, data)
    log.append(session, [draft], node=node_id(public_url), now=now)
    return True


def check_relation(relation: str) -> None:
    """Raise `Misconfigured` for a relation that the manifest does not know."""
    if relation not in RELATIONS:
        raise Misconfigured(f"The relation is '{relation}'; expected {', '.join(RELATIONS)}.")


def find(session: Reading, publisher: str, *, missing_ok: bool = False) -> Publisher | None:
    """A publisher by id. Raises `NotFound` unless it may be missing."""
    row = session.connection().execute(select(_publisher).where(_publisher.c.id == publisher)).one_or_none()
    if row is None and not missing_ok:
        raise NotFound(f"{publisher} is no publisher of this node (folkmoot publisher list shows them).")
    return None if row is None else Publisher(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def every(session: Reading) -> list[Publisher]:
    """All publishers of this node, first come first."""
    rows = session.connection().execute(select(_publisher).order_by(_publisher.c.created, _publisher.c.id))
    return [Publisher(**row._mapping) for row in rows]  # noqa: SLF001


def organisations(session: Reading, publishers: Sequence[Publisher]) -> dict[str, dict[str, Any]]:
    """The data of each publisher's organisation record, by publisher id."""
    ids = {organisation_id(p.id_prefix, p.id): p.id for p in publishers}
    found = log.entries(session, ids)
    return {ids[i]: orjson.loads(entry.data) for i, entry in found.items() if entry.data is not None}
