"""T40: a mixed load for minutes (an hour for a release): no 5xx, answers in time, and nothing that grows."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.crowd import Crowd, Node
from benchmarks.places import free_port
from benchmarks.processes import Child, ready
from federation import log, publishers, tokens
from federation.database import Database
from tests.proof import figure, size
from tests.proofs.soaking import Load, Sample, halves, look, slope
from tests.services import EXAMPLESHIRE, PUBLISHER

pytestmark = [pytest.mark.prove]
RATE, SECONDS = {"tenth": (200, 20), "ci": (200, 300), "release": (300, 3_600)}[size()]
RECORDS, EVERY = 5_000, 5.0
PROCESSES = 2
"""As docs/host-a-node.md advises where there is more than one processor: one process is near its end at this rate."""
WARM = 0.2
"""The first part of the run, in which caches fill, is not looked at for growth."""


def _filled(url: str, public: str) -> str:
    """A node with 5,000 contracts; gives a token that may write them."""
    import migrations

    migrations.upgrade(url)
    base, node, now = Database(url), Node(Crowd(1, RECORDS), 0), datetime.now(UTC)
    with base.write() as session:
        publishers.add(session, public_url=public, organisation=dict(EXAMPLESHIRE), now=now)
        prefix = f"{public}/id/{PUBLISHER}/contract/"
        drafts = [
            log.Draft(f"{prefix}C-{n:06d}", "contract", PUBLISHER, node.data(n, 0)) for n in range(1, RECORDS + 1)
        ]
        log.append(session, drafts, node=f"{public}/.well-known/folkmoot", now=now)
        secret = tokens.create(session, publisher=PUBLISHER, name="soak", now=now).secret
    base.dispose()
    return secret


def _tasks(address: str) -> int:
    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
        found = re.search(rb"^folkmoot_tasks (\S+)", answer.read(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def test_t40_nothing_grows_under_a_steady_load(tmp_path: Path) -> None:
    """200 (300) mixed requests a second: no answer is 5xx, and memory, files, threads and tasks stay as they are."""
    port = free_port()
    address, url = f"http://127.0.0.1:{port}", f"sqlite:///{tmp_path / 'folkmoot.db'}"
    token = _filled(url, address)
    settings = {
        "FOLKMOOT_PUBLIC_URL": address,
        "FOLKMOOT_PORT": str(port),
        "FOLKMOOT_DATABASE_URL": url,
        "FOLKMOOT_DATA_DIR": str(tmp_path / "data"),
        "FOLKMOOT_RATE_LIMIT": "off",
    }
    load = Load("127.0.0.1", port, node=address, publisher=PUBLISHER, token=token, records=RECORDS)
    samples: list[Sample] = []
    command = [sys.executable, "-m", "folkmoot", "node", "serve", "--workers", str(PROCESSES)]
    with Child(command, settings, tmp_path / "serve.log", serves=True) as child:
        ready(f"{address}/health/ready", child)
        began = time.monotonic()
        asyncio.run(
            load.run(RATE, SECONDS, lambda: samples.append(look(child.process.pid, began, _tasks(address))), EVERY)
        )
        assert child.process.poll() is None
    _tell(load, samples)


def _tell(load: Load, samples: list[Sample]) -> None:
    seen, kinds = load.seen, sorted(load.seen.statuses.items())
    on = f"{SECONDS:,} s at {RATE} requests/s ({len(seen.seconds):,}), {PROCESSES} processes"
    steady = [sample for sample in samples if sample.at > SECONDS * WARM]
    p99, grows = seen.quantile(0.99), slope(steady, lambda sample: sample.resident)
    figure("T40", f"{on}: 5xx and broken answers", seen.faults, goal="0")
    figure(
        "T40",
        f"{on}: p50 / p95 / p99",
        f"{seen.quantile(0.5):.1f} / {seen.quantile(0.95):.1f} / {p99:.1f}",
        goal="p99 < 250",
        unit=" ms",
    )
    figure(
        "T40",
        f"{on}: answers",
        ", ".join(f"{kind} {status}: {count:,}" for (kind, status), count in kinds),
        goal="none",
    )
    figure(
        "T40",
        f"{on}: resident memory, MB at first / last; its slope in 10 minutes",
        f"{steady[0].resident:.0f} / {steady[-1].resident:.0f}; {grows:+.2f}",
        unit=" %",
        goal="< 1 %",
    )
    figure(
        "T40",
        f"{on}: anonymous memory, MB at first / last",
        f"{steady[0].anonymous:.0f} / {steady[-1].anonymous:.0f}",
        goal="none",
    )
    before, after = halves(steady)
    most = {
        name: [max(getattr(one, name) for one in half) for half in (before, after)]
        for name in ("files", "threads", "tasks")
    }
    figure(
        "T40",
        f"{on}: most files, threads, tasks in the first / second half",
        "; ".join(f"{name} {a} / {b}" for name, (a, b) in most.items()),
        goal="flat",
    )
    assert seen.faults == 0, kinds
    assert {status for (_kind, status), _count in kinds} <= {200, 304, 412}, kinds
    if size() != "tenth":  # within seconds a pool is not full yet
        assert all(b <= a * 1.2 + 8 for a, b in most.values()), most
    if size() == "release":
        assert p99 < 250
        assert grows < 1
