"""The indices of one address: an alias names the one that serves, so that a rebuilt one takes its place in one step."""

from __future__ import annotations

import secrets
from contextlib import suppress

from federation.opensearch.cluster import Clashed, Cluster, Missing
from federation.opensearch.store import state_path, writing
from federation.opensearch.template import prefix, template

_TRIES = 3


def prepare(cluster: Cluster) -> None:
    """Make the index in which it stands who writes and how far each index goes, where there is none."""
    path = f"/{cluster.address.name}-state"
    settings = {"number_of_shards": 1, "auto_expand_replicas": f"0-{max(1, cluster.address.replicas)}"}
    try:
        cluster.ask("GET", path)
    except Missing:
        with suppress(Clashed):
            cluster.ask("PUT", path, {"settings": settings, "mappings": {"enabled": False}})


def current(cluster: Cluster) -> str | None:
    """The index that serves; None where there is none of this version."""
    return next((name for name in _served(cluster) if name.startswith(prefix(cluster.address))), None)


def fresh(cluster: Cluster) -> str:
    """A new, empty index that nobody reads yet."""
    start = prefix(cluster.address)
    cluster.ask("PUT", f"/_index_template/{start}template", template(cluster.address))
    name = f"{start}{secrets.token_hex(4)}"
    cluster.ask("PUT", f"/{name}", {"aliases": {writing(name): {}}})
    return name


def point(cluster: Cluster, name: str) -> None:
    """Let an index serve from now on, and no other."""
    alias = cluster.address.name
    for tried in range(1, _TRIES + 1):
        actions = [{"remove": {"index": old, "alias": alias}} for old in _served(cluster) if old != name]
        try:
            cluster.ask("POST", "/_aliases", {"actions": [*actions, {"add": {"index": name, "alias": alias}}]})
        except Missing:  # another rebuild has just taken an old one's alias away
            if tried == _TRIES:
                raise
        else:
            return


def remove(cluster: Cluster, name: str) -> None:
    """Take an index away, with what says how far it goes."""
    for path in (f"/{name}", state_path(cluster, name)):
        with suppress(Missing):
            cluster.ask("DELETE", path)


class Leftovers:
    """Indices that serve no more, or never did because their rebuild was killed, watched until they are surely that."""

    def __init__(self, cluster: Cluster, patience: float) -> None:
        self.cluster = cluster
        self.patience = patience
        self._looked = float("-inf")
        self._idle: dict[str, tuple[int, float]] = {}

    def clear(self, serving: str, now: float) -> None:
        """Take away what does not serve and to which nothing was written for `patience` seconds by this clock."""
        if now - self._looked < self.patience / 10:
            return
        self._looked = now
        found = self.cluster.ask("GET", f"/{prefix(self.cluster.address)}*/_stats/indexing")["indices"]
        written = {name: one["primaries"]["indexing"]["index_total"] for name, one in found.items() if name != serving}
        known = {name: self._idle.get(name, (-1, now)) for name in written}
        self._idle = {name: known[name] if known[name][0] == n else (n, now) for name, n in written.items()}
        for name, (_, since) in self._idle.items():
            if now - since >= self.patience:
                remove(self.cluster, name)


def _served(cluster: Cluster) -> list[str]:
    try:
        return sorted(cluster.ask("GET", f"/_alias/{cluster.address.name}"))
    except Missing:
        return []
