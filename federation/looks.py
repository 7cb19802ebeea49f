"""The rules that only a look at the whole can tell: at the manifest, and at the feed as it was read. Pure.

Each is a small function that gives what is wrong, or nothing; `look` asks all of them, at a check and at every crawl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from federation import pinning
from federation.identity import LONGEST_POLL
from federation.quality import seconds_of
from federation.sign import is_key
from federation.verdicts import Trouble
from schema.change import Page
from schema.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read. `relays`: it is, or is to be, accepted as an aggregator; `page` the last one, `epochs` all pages'.

    `items` is how many were read (None: not all pages were), `others` how many of them are others' records.
    """

    manifest: Manifest
    relays: bool = False
    page: Page | None = None
    epochs: frozenset[str | None] = field(default_factory=frozenset)
    items: int | None = None
    others: int = 0


def _role(seen: Seen) -> str:
    role = seen.manifest.role
    if seen.relays and role != "aggregator":
        return f"Its role is {role}; only an aggregator can be accepted as one."
    return ""


def _relays(seen: Seen) -> str:
    if seen.relays or seen.manifest.role != "aggregator":
        return ""
    more = f"; {seen.others} of those that were read are others'" if seen.others else ""
    return f"It is an aggregator. Without --aggregator only its own records are taken{more}."


def _prefixes(seen: Seen) -> str:
    foreign = seen.manifest.foreign_prefixes()
    return f"{len(foreign)} prefixes lie on another host, such as {foreign[0]}." if foreign else ""


def _licence(seen: Seen) -> str:
    return "" if seen.manifest.license else "The manifest names no licence."


def _contact(seen: Seen) -> str:
    return "" if seen.manifest.contact is not None else "The manifest names nobody to ask."


def _frequency(seen: Seen) -> str:
    said = seen.manifest.update_frequency
    return f"updateFrequency is '{said}', which is no duration." if said and seconds_of(said) is None else ""


def _poll(seen: Seen) -> str:
    longest = max((feed.min_poll_seconds or 0 for feed in seen.manifest.feeds), default=0)
    return (
        f"minPollSeconds is {longest}, which is more than a day: it is read once a day."
        if longest > LONGEST_POLL
        else ""
    )


def _epoch(seen: Seen) -> str:
    if seen.epochs - {seen.manifest.epoch}:
        return "The epoch of the feed's pages is not the manifest's."
    return "" if seen.manifest.epoch else "There is no epoch: a restored database cannot be told from a rewound feed."


def _latest(seen: Seen) -> str:
    page = seen.page
    return "The last page does not say latest." if page is not None and page.ended and page.latest is None else ""


def _filled(seen: Seen) -> str:
    return "The feed holds nothing, not even the publisher's own record." if seen.items == 0 else ""


def _keys(seen: Seen) -> str:
    keys = pinning.offered(seen.manifest)
    names = [key["kid"] for key in keys]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled:
        return f"The key {doubled} stands in the manifest twice."
    bad = next((key["kid"] for key in keys if not is_key(key)), None)
    return f"x of the key {bad} is no Ed25519 public key." if bad else ""


def _signed(seen: Seen) -> str:
    return "" if seen.manifest.keys else "It names no key: nobody can tell a relayed record from a forged one."


LOOKS: Mapping[str, tuple[Callable[[Seen], str], str]] = {
    "role": (_role, "/role"),
    "relays": (_relays, "/role"),
    "prefix-own-origin": (_prefixes, "/publishers"),
    "licence": (_licence, "/license"),
    "contact": (_contact, "/contact"),
    "update-frequency": (_frequency, "/updateFrequency"),
    "poll-wish": (_poll, "/feeds"),
    "epoch-named": (_epoch, "/epoch"),
    "keys-valid": (_keys, "/keys"),
    "signed": (_signed, "/keys"),
    "latest-named": (_latest, "/latest"),
    "not-empty": (_filled, "/items"),
}
"""The function of each rule, and where in the manifest or the page it looks."""


def look(seen: Seen) -> list[Trouble]:
    """What is wrong with the whole, rule by rule."""
    found = ((rule, pointer, find(seen)) for rule, (find, pointer) in LOOKS.items())
    return [Trouble(rule, pointer, message) for rule, pointer, message in found if message]
