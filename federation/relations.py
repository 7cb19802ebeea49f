"""Which publishers a node gathers for without being theirs: `relation: unofficial` in its manifest (section 5, marks).

Lists mark each record of theirs. So it is kept in `meta`, a row for each node that has any, where a query finds it by
its key, or with what was heard of an origin through relays; and a number in `meta` counts how often that has changed,
by which a list knows to be made anew.
"""

from __future__ import annotations

import orjson
from sqlalchemy import delete, select

from federation import log
from federation.database import WriteSession, table, upsert
from schema.manifest import Manifest
from schema.tables import Meta

KEY = "unofficial"
_meta = table(Meta)


def key_of(node_id: int) -> str:
    """The row of `meta` that holds the publishers of a node, as JSON."""
    return f"{KEY}.{node_id}"


def told(manifest: Manifest | None) -> str | None:
    """The publishers that a manifest calls unofficial, as JSON; None where there are none."""
    publishers = manifest.publishers if manifest is not None else ()
    unofficial = sorted({one.publisher_id for one in publishers if one.relation == KEY})
    return orjson.dumps(unofficial).decode() if unofficial else None


def note(session: WriteSession, node_id: int, manifest: Manifest | None) -> None:
    """Keep what a node's manifest says now; None where the node is forgotten."""
    value = told(manifest)
    if value == _value(session, key_of(node_id)):
        return
    changed(session)
    if value is None:
        session.connection().execute(delete(_meta).where(_meta.c.key == key_of(node_id)))
    else:
        upsert(session, Meta, [{"key": key_of(node_id), "value": value}], ["key"])


def changed(session: WriteSession) -> None:
    """Have lists made anew, for what marks their records is no longer what it was. The log is ours from here on."""
    log.lock(session)
    upsert(session, Meta, [{"key": KEY, "value": str(int(_value(session, KEY) or 0) + 1)}], ["key"])


def _value(session: WriteSession, key: str) -> str | None:
    found: str | None = session.connection().execute(select(_meta.c.value).where(_meta.c.key == key)).scalar()
    return found
