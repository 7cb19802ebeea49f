"""The feed served: against the same bytes from bare uvicorn, and against what a framework would do by itself."""

from __future__ import annotations

import gzip
import statistics
from collections.abc import Mapping
from pathlib import Path

import orjson

from benchmarks import load, taking_turns
from benchmarks.asking import Line
from benchmarks.equality import held
from benchmarks.figures import Measured
from benchmarks.ours import Moot
from benchmarks.places import HERE, free_port, fresh
from benchmarks.processes import Child, fetch, python, ready
from benchmarks.scene import Scene

PEERS = HERE / "peers"
GZIP = "Accept-Encoding: gzip"
FIRST = 600
"""A change number within the contracts, so that the page is full."""


def measure(scene: Scene) -> list[Measured]:
    """Give the figures of serving."""
    moot = scene.held(scene.size)
    print("Serving a feed page", flush=True)
    with moot.serving() as server:
        ready(f"{moot.url}/health/live", server)
        return [*_against(scene, moot), _last(scene, moot)]


def _against(scene: Scene, moot: Moot) -> list[Measured]:
    folder = fresh("serve")
    url = f"{moot.url}/v1/changes?afterChangeNumber={FIRST}"
    plain, packed = folder / "page.json", folder / "page.json.gz"
    plain.write_bytes(fetch(url))
    packed.write_bytes(fetch(url, {"Accept-Encoding": "gzip"}))
    bare, framework = free_port(), free_port()
    with (
        Child(python(PEERS / "bare.py", str(bare), plain, packed), log=folder / "bare.log", serves=True) as one,
        Child(python(PEERS / "framework.py", str(framework), plain), log=folder / "fw.log", serves=True) as two,
    ):
        ready(f"http://127.0.0.1:{bare}/plain", one)
        ready(f"http://127.0.0.1:{framework}/health/live", two)
        others = {
            "bare": f"http://127.0.0.1:{bare}/plain",
            "bare gzip": f"http://127.0.0.1:{bare}/gzip",
            "model": f"http://127.0.0.1:{framework}/model",
            "middleware": f"http://127.0.0.1:{framework}/middleware/page",
        }
        _same(plain, packed, others)
        return _rates(scene, url, others)


def _same(plain: Path, packed: Path, others: Mapping[str, str]) -> None:
    """Hold what each side sends to be the same page."""
    body = plain.read_bytes()
    asked = {"Accept-Encoding": "gzip"}
    held("bare uvicorn: page", fetch(others["bare"]), body)
    held("bare uvicorn: gzip", fetch(others["bare gzip"]), packed.read_bytes())
    held("gzip: page", gzip.decompress(packed.read_bytes()), body)
    held("response_model: page", orjson.loads(fetch(others["model"])), orjson.loads(body))
    held("GZipMiddleware: page", gzip.decompress(fetch(others["middleware"], asked)), body)


def _rates(scene: Scene, url: str, others: Mapping[str, str]) -> list[Measured]:
    seconds = 1.0 if scene.quick else 2.0
    sides = {
        "plain": lambda _n: load.rate(url, seconds=seconds),
        "bare": lambda _n: load.rate(others["bare"], seconds=seconds),
        "gzip": lambda _n: load.rate(url, seconds=seconds, header=GZIP),
        "bare gzip": lambda _n: load.rate(others["bare gzip"], seconds=seconds, header=GZIP),
        "model": lambda _n: load.rate(others["model"], seconds=seconds),
        "middleware": lambda _n: load.rate(others["middleware"], seconds=seconds, header=GZIP),
    }
    found = taking_turns.turns(sides, scene.rounds)
    for name, rates in found.items():
        print(f"  {name:12} {statistics.median(rates):9,.0f} requests/s", flush=True)

    def over(key: str, ours: str, theirs: str) -> Measured:
        mine, other = found[ours], found[theirs]
        note = f"{statistics.median(mine):,.0f} against {statistics.median(other):,.0f} requests/s ({load.client()})"
        return Measured(key, {"x": taking_turns.ratio(mine, other)}, scene.size, note, {ours: mine, theirs: other})

    return [
        over("serve.plain", "plain", "bare"),
        over("serve.gzip", "gzip", "bare gzip"),
        over("serve.model", "plain", "model"),
        over("serve.middleware", "gzip", "middleware"),
    ]


def _last(scene: Scene, moot: Moot) -> Measured:
    """Time full pages at both ends of the log, each asked for the first time."""
    latest = moot.sql("SELECT n FROM counter")[0][0]
    asked = 5 * scene.rounds
    first: list[float] = []
    last: list[float] = []
    with Line(moot.port) as line:
        for step in range(asked):
            for after, into in ((FIRST + 1 + step, first), (latest - 501 - step, last)):
                ms, body = line.ask(f"/v1/changes?afterChangeNumber={after}")
                held(f"page after {after}: items", len(orjson.loads(body)["items"]), 500)
                into.append(ms)
    note = f"{statistics.median(last):.1f} ms against {statistics.median(first):.1f} ms, none of them cached"
    return Measured(
        "serve.last", {"x": taking_turns.ratio(last, first)}, scene.size, note, {"first": first, "last": last}
    )
