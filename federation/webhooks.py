"""Tell nodes of what was found: thin messages by Standard Webhooks 1.0, signed with Ed25519 (`v1a`).

A message says only that the status changed and where it stands; whoever receives it reads the status there. The public
key stands in this aggregator's manifest, so that no secret goes by mail (docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import structlog

from federation import ed25519, hooks
from federation.answers import retry_after
from federation.database import Database, clock
from federation.hooks import WAITS, Message
from federation.leases import Clock
from federation.outages import is_outage
from federation.seam import Answer, Post
from federation.verdicts import clean
from schema.errors import Crawling, Later

log = structlog.get_logger("folkmoot.webhooks")
Outcome = Literal["delivered", "later", "gone"]
LONGEST_WISH = 86_400.0
_BUSY = (429, 502, 504)
_BUSY_WAIT = 300.0


def public_key(seed: bytes) -> str:
    """The public key as Standard Webhooks writes it: `whpk_` and base64."""
    return "whpk_" + base64.b64encode(ed25519.pair(seed)[0]).decode()


def signed(seed: bytes, message: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message, for this attempt at this time."""
    stamp = str(int(at.astimezone(UTC).timestamp()))
    signature = ed25519.sign(ed25519.pair(seed)[1], f"{message}.{stamp}.".encode() + body)
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1a," + base64.b64encode(signature).decode(),
    }


@dataclass(slots=True)
class Herald:
    """The worker beside an aggregator's server: looks for what nodes must hear of, and tells them, one at a time.

    What is due and who holds it goes by the database's clock.
    """

    database: Database
    post: Post
    public_url: str
    clock: Clock = clock
    every: float = 2.0
    jitter: random.Random = field(default_factory=random.Random)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        await asyncio.to_thread(self.prepare)
        while not stop.is_set():
            await asyncio.to_thread(self.look)
            while not stop.is_set() and await self.turn() is not None:
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.every)

    async def turn(self) -> Outcome | None:
        """Send one message that is due. None where there is none."""
        taken = await asyncio.to_thread(self._claim)
        if taken is None:
            return None
        seed, message, now = taken
        answer: Answer | None = None
        why = ""
        try:
            answer = await self.post(message.url, message.body, signed(seed, message.id, now, message.body))
            told = f"The address answers {answer.status}."
        except Crawling as error:
            told, why = clean(error.public), clean(error.detail)
            wish = error.retry_after if isinstance(error, Later) else None
        except Exception as error:
            if is_outage(error):
                raise
            # A fault of ours with one address must neither stop the others nor be met again without end.
            log.exception("a webhook broke off by a fault of ours", node=message.key)
            told, wish = f"A fault of this aggregator's own ({type(error).__name__}) kept it from being sent.", None
        else:
            wish = retry_after(answer.headers.get("retry-after"), now)
        status = 0 if answer is None else answer.status
        await asyncio.to_thread(self._settle, message, status, told, wish)
        outcome: Outcome = "delivered" if 200 <= status < 300 else "gone" if status == 410 else "later"
        log.info("webhook", node=message.key, message=message.id, status=status, outcome=outcome, why=why)
        return outcome

    def prepare(self) -> None:
        """Make the key that signs, where there is none yet: it stands in the manifest from then on."""
        with self.database.present() as session:
            if hooks.seed(session) is not None:
                return
        made = secrets.token_bytes(32)
        with self.database.write() as writing:
            hooks.keep(writing, made, public_key(made))

    def look(self) -> None:
        """Make a message for each node whose status is not what it was told."""
        with self.database.present() as session:
            if not hooks.wanted(session):
                return
        with self.database.write() as writing:
            hooks.look(writing, public_url=self.public_url, now=self.clock(writing))

    def _claim(self) -> tuple[bytes, Message, datetime] | None:
        with self.database.present() as session:
            if not hooks.waiting(session, now=self.clock(session)):
                return None
        with self.database.write() as writing:
            now = self.clock(writing)
            message, seed = hooks.claim(writing, now=now), hooks.seed(writing)
            return None if message is None or seed is None else (seed, message, now)

    def _settle(self, message: Message, status: int, told: str, wish: float | None) -> None:
        wait = WAITS[min(message.tries, len(WAITS) - 1)] * self.jitter.uniform(1.0, 1.2)
        wait = max(wait, min(wish or 0.0, LONGEST_WISH), _BUSY_WAIT if status in _BUSY else 0.0)
        with self.database.write() as session:
            hooks.settle(
                session,
                message,
                good=200 <= status < 300,
                gone=status == 410,
                answer=told,
                wait=wait,
                now=self.clock(session),
            )
