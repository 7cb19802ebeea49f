"""One answer for one `Idempotency-Key`: a request that is sent again is not done again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import delete, func, select, update

from federation import log
from federation.database import WriteSession, insert, table
from federation.tokens import Grant
from schema.errors import BadParameter, Conflict, Withdrawn
from schema.tables import Idempotency

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ERASED = 410
_row = table(Idempotency)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and is answered again: status, headers and body bytes."""

    status: int
    headers: dict[str, str]
    body: bytes


def fingerprint(*parts: str | bytes) -> str:
    """Tell one request from another: a digest over method, path, query, headers that matter, and body."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(len(raw).to_bytes(8, "big") + raw)
    return total.hexdigest()


def once(
    session: WriteSession, *, grant: Grant, key: str | None, request: str, now: datetime, do: Callable[[], Answer]
) -> Answer:
    """Do it, or give the answer that this token got for this key within the last day.

    Only what was done is remembered: a refusal rolls its row back, and may be tried again under the same key.
    Raises `Conflict` where the key was used for another request.
    """
    if key is None:
        return do()
    if not _KEY.fullmatch(key):
        raise BadParameter("Idempotency-Key", key, "1 to 255 visible ASCII characters, such as a UUID")
    log.lock(session)  # doubles that come at once wait here, and the second finds the answer of the first
    session.connection().execute(delete(_row).where(_row.c.created <= now - KEPT))
    mine = (_row.c.token_id == grant.token_id) & (_row.c.key == key)
    held = session.connection().execute(select(_row).where(mine)).one_or_none()
    if held is None:
        answer = do()
        _remember(session, answer, token_id=grant.token_id, key=key, request=request, created=now)
        return answer
    if held.status == _ERASED:
        raise Withdrawn({"reason": "personal-data"})
    if held.request != request:
        raise Conflict("This Idempotency-Key was used for another request; take a new one for each.")
    return Answer(held.status, orjson.loads(held.headers), held.body)


def _remember(session: WriteSession, answer: Answer, **told: object) -> None:
    headers = orjson.dumps(answer.headers).decode()
    insert(session, Idempotency, [{**told, "status": answer.status, "headers": headers, "body": answer.body}])


def erase(session: WriteSession, record: str) -> None:
    """Forget the answers that showed a record, whose id stands in their headers; a repeat is told that it is gone."""
    # Not LIKE, which takes C-1 for c-1 on SQLite.
    shown = func.replace(_row.c.headers, orjson.dumps(record).decode(), "") != _row.c.headers
    session.connection().execute(update(_row).where(shown).values(status=_ERASED, headers="{}", body=b""))
