"""Figures for Prometheus: requests by route template, and the state of log, index and crawl when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from federation.status import Figures

MEDIA_TYPE = CONTENT_TYPE_LATEST
Family = GaugeMetricFamily | CounterMetricFamily
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry an application, so that two applications in one process keep their own figures.

    Several processes that serve together count together, in files of the folder `shared` (prometheus-client's own).
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "folkmoot_http_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "folkmoot_http_request_seconds",
            "Time from a request's arrival to the end of its answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. An unheard-of method is counted as OTHER, so that nobody can grow the table."""
        kept = self._known.get((method, route, status))
        if kept is None:
            known = method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
            label = method if known else "OTHER"
            kept = self._requests.labels(label, route, str(status)), self._seconds.labels(route)
            if known:
                self._known[method, route, status] = kept
        kept[0].inc()
        kept[1].observe(seconds)

    def page(self, states: Iterable[Family]) -> bytes:
        """The page that Prometheus reads: what was counted, and the given states."""
        gathered = CollectorRegistry()
        gathered.register(_Given(states))
        return generate_latest(self._counted()) + generate_latest(gathered)

    def _counted(self) -> CollectorRegistry:
        if self._shared is None:
            return self._registry
        together = CollectorRegistry()
        MultiProcessCollector(together, path=str(self._shared))  # type: ignore[no-untyped-call]
        return together


class _Given(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Family]:
        yield from self._families


def gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    """One figure of the moment."""
    return GaugeMetricFamily(name, help_text, value=value)


def standing(states: Mapping[str, int], problems: Mapping[tuple[str, str], int]) -> list[Family]:
    """How many nodes are in each state, and how many places of theirs break each rule."""
    nodes = GaugeMetricFamily("folkmoot_nodes", "Nodes, by state.", labels=["state"])
    broken = GaugeMetricFamily("folkmoot_problems", "Places that break a rule.", labels=["rule", "severity"])
    for state, count in states.items():
        nodes.add_metric([state], count)
    for labels, count in problems.items():
        broken.add_metric(labels, count)
    return [nodes, broken]


def erasing(waiting: int, overdue: int) -> list[Family]:
    """How many records that were withdrawn as personal data have something kept of them, and should not any more."""
    return [
        gauge("folkmoot_erasures_waiting", "Records withdrawn as personal data that wait to be erased.", waiting),
        gauge("folkmoot_erasures_overdue", "Those of them that should have been erased by now.", overdue),
    ]


def outward(checks: Mapping[str, int], webhooks: Mapping[str, int]) -> list[Family]:
    """Checks of the last day by state; webhooks delivered and given up, and how many wait or are disabled."""
    looked = GaugeMetricFamily("folkmoot_checks", "Checks of the last day, by state.", labels=["state"])
    for state, count in checks.items():
        looked.add_metric([state], count)
    sent = CounterMetricFamily("folkmoot_webhooks", "Webhook messages, by what became of them.", labels=["as"])
    for name in ("delivered", "failed"):
        sent.add_metric([name], webhooks[name])
    waiting = gauge("folkmoot_webhooks_waiting", "Webhook messages that wait.", webhooks["waiting"])
    retrying = gauge("folkmoot_webhooks_retrying", "Webhook messages that are tried again.", webhooks["retrying"])
    disabled = gauge("folkmoot_webhooks_disabled", "Webhooks whose address is gone.", webhooks["disabled"])
    return [looked, sent, waiting, retrying, disabled]


def crawl(nodes: Iterable[Figures]) -> list[Family]:
    """Figures of each crawled node, by its key."""
    families = {
        name: kind(f"folkmoot_{name}", text, labels=["node", *([label] if label else [])])
        for name, (kind, label, text) in _OF_A_NODE.items()
    }
    for node in nodes:
        for name, found in (_counts(node) | {name: {"": value} for name, value in _figures(node).items()}).items():
            for label, value in found.items():
                if value is not None:
                    families[name].add_metric([node.key, *([label] if label else [])], value)
    return list(families.values())


_COUNTER, _GAUGE = CounterMetricFamily, GaugeMetricFamily
_OF_A_NODE: Mapping[str, tuple[type[Family], str, str]] = {
    "crawl_items": (_COUNTER, "as", "Items of a node, by what became of them."),
    "crawl_visits": (_COUNTER, "as", "Visits to a node, by how they ended."),
    "crawl_pages": (_COUNTER, "", "Pages of a node that were read."),
    "crawl_behind": (_GAUGE, "", "Changes of a node not yet taken."),
    "crawl_fails": (_GAUGE, "", "Visits to a node that failed in a row."),
    "crawl_latency_seconds": (_GAUGE, "", "How long a node's page takes."),
    "crawl_last_visit_timestamp_seconds": (_GAUGE, "", "When the last visit to a node ended."),
    "crawl_last_good_timestamp_seconds": (_GAUGE, "", "When the last good visit to a node ended."),
    "crawl_next_visit_timestamp_seconds": (_GAUGE, "", "When a node is due for the next visit."),
    "node_state": (_GAUGE, "state", "1 for the state that a node is in."),
    "node_webhook": (_GAUGE, "state", "1 for how a node's webhook stands."),
    "node_records": (_GAUGE, "signature", "Live records of a node, by what their signatures are worth."),
    "node_withdrawn": (_GAUGE, "", "Records that a node took away."),
    "node_removals_held": (_GAUGE, "", "Removals of a node that wait for a person."),
    "node_reconciling": (_GAUGE, "", "Whether a node's feed is read anew, to find what it no longer has."),
    "node_stale_since_timestamp_seconds": (_GAUGE, "", "Since when a node's last good copy is served."),
    "node_newest_timestamp_seconds": (_GAUGE, "", "When a record of a node last changed."),
    "node_quality": (_GAUGE, "", "How good a node is as a source, from 0 to 1."),
    "node_quality_part": (_GAUGE, "part", "What a node's quality is made of, each from 0 to 1."),
    "node_freshness_kept": (_GAUGE, "", "Whether a node changes as often as it promises."),
}
"""Name, after `folkmoot_`: what sort it is, its label beside the node, and its text."""


def _counts(node: Figures) -> dict[str, Mapping[str, float | None]]:
    return {
        "crawl_items": {"accepted": node.accepted, "refused": node.refused, "dropped": node.dropped},
        "crawl_visits": {"good": node.good_visits, "failed": node.visits - node.good_visits},
        "node_state": {node.state: 1},
        "node_webhook": {} if node.webhook is None else {node.webhook: 1},
        "node_records": node.signatures,
        "node_quality_part": node.parts,
    }


def _figures(node: Figures) -> dict[str, float | None]:
    return {
        "crawl_pages": node.pages,
        "crawl_behind": node.behind,
        "crawl_fails": node.fails,
        "crawl_latency_seconds": node.latency,
        "crawl_last_visit_timestamp_seconds": _seconds(node.last_visit),
        "crawl_last_good_timestamp_seconds": _seconds(node.last_good),
        "crawl_next_visit_timestamp_seconds": _seconds(node.next_visit),
        "node_withdrawn": node.withdrawn,
        "node_removals_held": node.held,
        "node_reconciling": node.reconciling,
        "node_stale_since_timestamp_seconds": _seconds(node.stale_since),
        "node_newest_timestamp_seconds": _seconds(node.newest),
        "node_quality": node.quality,
        "node_freshness_kept": node.kept_promise,
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
