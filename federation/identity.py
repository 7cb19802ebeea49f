"""Who a node is, read off its manifest: its id, its key in our lists, the prefixes that are its own. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from urllib.parse import urlsplit

from federation.verdicts import MAX_ID, MAX_NODE, Prefixes, is_node
from schema.errors import BadParameter, Invalid, Refused
from schema.identifiers import origin_of, same_origin
from schema.manifest import Feed, Manifest

WELL_KNOWN = "/.well-known/folkmoot"
LONGEST_POLL = 86_400
SHORTEST_POLL = 60


def manifest_url(url: str) -> str:
    """Where the manifest is, from what an operator typed: a host, an origin, or the manifest's own URL.

    Raises `BadParameter` where it can be no address of the web.
    """
    full = url if "://" in url else f"https://{url}"
    wrong = BadParameter("URL", url, "the address of a node, such as https://moot.exampleshire.example")
    try:
        parts = urlsplit(full)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise wrong from error
    if not good or re.search(r"[\s\x00-\x1f]", url):
        raise wrong
    return full.rstrip("/") + WELL_KNOWN if parts.path in ("", "/") else full


def read_manifest(body: bytes, url: str) -> Manifest:
    """Read a manifest that came from `url`. Raises `Refused` where it is none, or another node's."""
    try:
        manifest = Manifest.parse(body)
    except Invalid as error:
        raise Refused(
            "manifest-valid", f"The manifest is not valid: {error.detail}", error.faults[0].pointer
        ) from error
    for place, publisher in enumerate(manifest.publishers):
        try:
            _ = publisher.publisher_id
        except Invalid as error:
            pointer = f"/publishers/{place}/identifiers/0"
            raise Refused("manifest-valid", f"The manifest is not valid: {error.detail}", pointer) from error
    if manifest.id != url or not is_node(url) or len(url) > MAX_NODE:
        raise Refused("manifest-id", f"The manifest at {url} says that its id is {manifest.id}.", "/id")
    return manifest


def prefixes_of(manifest: Manifest) -> dict[str, str]:
    """The prefixes on the manifest's own scheme, host and port, each with its publisher id."""
    here = origin_of(manifest.id)
    own = [p for p in manifest.publishers if len(p.id_prefix) <= MAX_ID and origin_of(p.id_prefix) == here]
    return {publisher.id_prefix: publisher.publisher_id for publisher in own}


def poll_of(manifest: Manifest, every: int) -> int:
    """Seconds to leave the feed alone: what its node asks for, at most a day; `every` where it says nothing.

    A minute at least, whatever it asks for, or `every` where the reader itself would look more often.
    """
    wish = feed_of(manifest).min_poll_seconds or every
    return min(max(wish, min(SHORTEST_POLL, every)), LONGEST_POLL)


def feed_of(manifest: Manifest) -> Feed:
    """The change feed that is read. Raises `Refused` where it lies at another origin than the manifest."""
    feed = next((f for f in manifest.feeds if f.layout is None), None)
    if feed is None:
        raise Refused(
            "feed-layout", "The manifest names no feed but of plain files, which is not read yet.", "/feeds/0"
        )
    if not same_origin(feed.url, manifest.id):
        told = f"The feed {feed.url} does not lie at the scheme, host and port of the manifest."
        raise Refused("feed-own-origin", told, "/feeds/0/url")
    return feed


def name_of(manifest: Manifest) -> str:
    """What the node is called in lists: its first publisher."""
    return manifest.publishers[0].name


def webhook_of(manifest: Manifest) -> str | None:
    """Where the node wants to be told of its problems, if it says so."""
    return manifest.webhook.url if manifest.webhook is not None else None


def key_of(manifest_id: str) -> str:
    """The node's key in our lists: its host, with `_port` where there is one (protocol section 5)."""
    _scheme, host, _port = origin_of(manifest_id)
    port = urlsplit(manifest_id).port
    plain = host.replace(":", "-")
    return plain if port is None else f"{plain}_{port}"


class Taken:
    """Prefixes that are spoken for, in order; of one that lies under another only the upper is kept.

    A manifest may name 10,000, and they are compared while others wait to write: each costs a look into this list, not
    a walk through it.
    """

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._upper: list[str] = []
        for prefix in sorted(prefixes):
            if not self._upper or not prefix.startswith(self._upper[-1]):
                self._upper.append(prefix)

    def overlaps(self, prefix: str) -> bool:
        """Whether an id could lie under this prefix, which ends in `/` as all do, and under one of these."""
        at = bisect_right(self._upper, prefix)
        beside = self._upper[
            max(0, at - 1) : at + 1
        ]  # what it lies under is the one before, what lies under it the next
        return any(prefix.startswith(other) or other.startswith(prefix) for other in beside)


def without_overlap(prefixes: Prefixes, pinned: Iterable[str]) -> dict[str, str]:
    """The prefixes that no other node was pinned with first."""
    taken = Taken(pinned)
    return {prefix: publisher for prefix, publisher in prefixes.items() if not taken.overlaps(prefix)}
