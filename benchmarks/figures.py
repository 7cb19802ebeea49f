"""Every figure that the bench promises: its goal, the gate below which it fails, and how it is got.

docs/performance.md lists the same figures; tests/unit/test_benchmarks.py holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Values = Mapping[str, float]
Verdict = Literal["met", "short", "below the gate", "told"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise in words, and whether what was measured keeps it. `at` is the least size that it speaks of."""

    text: str
    holds: Callable[[Values], bool]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the table. Without a gate it is told and never fails."""

    key: str
    title: str
    goal: Bound
    gate: Bound | None
    shape: str
    how: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out: values by name, the size that it was measured at, and what a reader should know beside it."""

    key: str
    values: Values
    size: int
    note: str = ""
    runs: Mapping[str, list[float]] = field(default_factory=dict)


def verdict(figure: Figure, found: Measured) -> Verdict:
    """Judge: below the gate, short of the goal, or met. A goal for larger sizes is not judged at smaller ones."""
    if figure.gate is not None and found.size >= figure.gate.at and not figure.gate.holds(found.values):
        return "below the gate"
    if found.size < figure.goal.at:
        return "told"
    return "met" if figure.goal.holds(found.values) else "short"


def said(figure: Figure, found: Measured) -> str:
    """Give what was measured in the figure's own words."""
    return figure.shape.format(**found.values)


def least(bound: float, text: str = "") -> Bound:
    """Promise `x` or more."""
    return Bound(text or f"≥ {bound:g}x", lambda values: values["x"] >= bound)


def most(bound: float, text: str = "", *, at: int = 0) -> Bound:
    """Promise `x` or less."""
    return Bound(text or f"≤ {bound:g}x", lambda values: values["x"] <= bound, at)


def near(ms: float, times: float) -> Bound:
    """Promise no more than so many milliseconds above, or so many times, whichever is larger."""
    return Bound(f"≤ +{ms:g} ms or {times:g}x", lambda values: values["over"] <= ms or values["x"] <= times)


def both(p50: float, p99: float, *, at: int) -> Bound:
    """Promise a median and a 99th percentile in milliseconds."""
    held = lambda values: values["p50"] <= p50 and values["p99"] <= p99  # noqa: E731
    return Bound(f"≤ {p50:g} / {p99:g} ms", held, at)


MILLION, NEVER = 1_000_000, 2**62
_X, _MS = "{x:.1f}x", "{x:.1f} ms"

FIGURES: tuple[Figure, ...] = (
    Figure(
        "crawl.scrapy", "First crawl and index, against a Scrapy item pipeline with a full-text index",
        least(6), least(3.5), _X,
        "`folkmoot crawl --once` beside a serving aggregator, from the first page asked for until the index holds "
        "all; Scrapy 2.19 with the same Pydantic validation, an upsert a record, a commit every 500 and FTS5 by "
        "triggers, from the first page asked for until it has ended.",
    ),
    Figure(
        "crawl.scrapy_page", "First crawl and index, against Scrapy's page-batch form",
        least(3.5), least(2), _X,
        "The same, the spider yielding whole pages: one upsert statement and one commit a page.",
    ),
    Figure(
        "crawl.sqlmodel", "First crawl and index, against a per-record SQLModel loop",
        least(7), least(5), _X,
        "A loop that asks for each record and adds or changes it, a commit a page, without an index; one node of the "
        "ten, compared by records a second.",
    ),
    Figure(
        "crawl.postgres", "First crawl and index into PostgreSQL, against the Scrapy item pipeline",
        Bound("told", lambda _v: True, at=NEVER), None, _X,
        "The first row again, the store on a PostgreSQL server of this machine (`fsync` and `synchronous_commit` on); "
        "left out where there is no PostgreSQL.",
    ),
    Figure(
        "crawl.floor", "First crawl and index, against our own store-only floor",
        least(0.65, "≥ 65 %"), least(0.45, "≥ 45 %"), "{x:.0%}",
        "The floor has all rows ready in memory, puts them into our tables 5,000 a transaction and builds the index "
        "once at the end; nothing is fetched or validated.",
    ),
    Figure(
        "crawl.signed", "A crawl of signed records, against that of the same unsigned",
        least(0.6, "≥ 60 %"), least(0.6, "≥ 60 %"), "{x:.0%}",
        "The same contracts of ten other nodes, each record signed by its node (Ed25519): all must come out valid.",
    ),
    Figure(
        "crawl.again", "Reading an unchanged feed again, against the first crawl",
        least(4), least(2), _X,
        "Every cursor is put back to the beginning and the same pages are crawled again; nothing changes.",
    ),
    Figure(
        "crawl.idle", "A poll of an idle feed",
        Bound("1 request, only its own row", lambda v: v["x"] <= 1 and v["writes"] == 0),
        Bound("≤ 2 requests, its own row and its host's", lambda v: v["x"] <= 2 and v["others"] == 0),
        "{x:.1f} requests, {writes:.0f} tables written",
        "The crawl is run when every feed stands at its end: requests counted by the nodes, rows of every other table "
        "compared before and after.",
    ),
    Figure(
        "crawl.memory", "The crawler's anonymous memory",
        most(200, "≤ 200 MB at 1M", at=MILLION), most(300, "≤ 300 MB at 100k"), "{x:.0f} MB",
        "The most that `/proc/PID/smaps_rollup` called anonymous, looked at ten times a second through a first crawl.",
    ),
    Figure(
        "crawl.memory_growth", "The crawler's anonymous memory at the full size, against that at a tenth",
        most(1.25, at=MILLION), most(1.5, at=MILLION), "{x:.2f}x",
        "The same at both sizes.",
    ),
    Figure(
        "crawl.growth", "Growth of crawl and index",
        most(1.1, "n^1.1 or better"), most(1.25, "n^1.25"), "n^{x:.2f}",
        "The slope of log time over log size of one first crawl at each size (the median where there are several).",
    ),
    Figure(
        "serve.plain", "A feed page through the application, against bare uvicorn sending the same bytes, plain",
        least(0.75, "≥ 0.75"), least(0.5, "≥ 0.5"), "{x:.2f}",
        "16 connections, one worker each, in turns; bare uvicorn runs ten lines of ASGI that send the bytes and "
        "headers that the application sent.",
    ),
    Figure(
        "serve.gzip", "The same, gzip",
        least(0.6, "≥ 0.6"), least(0.35, "≥ 0.35"), "{x:.2f}",
        "The same with `Accept-Encoding: gzip`.",
    ),
    Figure(
        "serve.model", "A feed page, against the same page as `response_model` of dicts",
        least(25), least(10), _X,
        "A FastAPI route that returns the 500 items as dicts through a response model, 16 connections.",
    ),
    Figure(
        "serve.middleware", "A compressed feed page, against `GZipMiddleware`",
        least(40), least(20), _X,
        "A FastAPI route that returns the plain bytes through `GZipMiddleware`, 16 connections.",
    ),
    Figure(
        "serve.last", "The last page of the feed, against the first",
        most(1.3), most(1.5), "{x:.2f}x",
        "Pages of 500 that nobody has asked for before, at either end of the log, in turns, one connection.",
    ),
    Figure(
        "search.datasette", "Search, filters, 3 facets and 20 records over HTTP, against Datasette; the least of four "
        "classes of term", least(15), least(6), _X,
        "`/v1/contracts?q=...&stage=active&valueMin=...&facets=publisher,cpv,endYear` against Datasette 0.65.5 on the "
        "same records with FTS5, its limits lifted, one keep-alive connection, 40 requests in a row of each side in "
        "turn; rare, medium and common terms and a pair of them, the sum found different at every request so that no "
        "answer can be kept.",
    ),
    Figure(
        "search.datasette_common", "The same, common terms",
        least(60), least(20), _X,
        "Terms that stand in about 15 % of the records.",
    ),
    Figure(
        "search.one_by_one", "The same of the least class, one request of each side in turn",
        least(15), None, _X,
        "Each request finds the processor's caches full of what the other side did; the medians of a class.",
    ),
    Figure(
        "search.process", "Search over HTTP, against the same page computed in process; the worst of four classes",
        near(1, 1.5), near(2, 2), "+{over:.1f} ms, {x:.1f}x",
        "The same query through the index and the store in a process of its own, the body made, no HTTP; medians.",
    ),
    Figure(
        "search.parts", "That page in process, of the index as the crawl left it against the one made anew; the least "
        "of four classes", least(1.2, "≥ 1.2x"), None, "{x:.2f}x",
        "Two processes on one store, some pages in a row of each in turn; the server itself made the index anew.",
    ),
    Figure(
        "search.tail", "Search of common terms: p99 against p50",
        Bound("≤ 4x and ≤ 100 ms", lambda v: v["x"] <= 4 and v["p99"] <= 100), most(6, "≤ 6x", at=MILLION),
        "{x:.1f}x, {p99:.0f} ms",
        "The requests of the comparison with Datasette, and as many again.",
    ),
    Figure(
        "search.busy", "Search of common terms while a crawl is writing: p50 / p99",
        both(20, 100, at=MILLION), None, "{p50:.1f} / {p99:.1f} ms",
        "The same requests while other nodes are crawled into the same aggregator for the first time.",
    ),
    Figure(
        "search.growth", "Search of common terms at the full size, against a tenth: p50",
        most(12, at=MILLION), most(15, at=MILLION), _X,
        "The same requests at both sizes.",
    ),
    Figure(
        "search.window", "Contracts that end in a window, by category and region",
        most(10, "≤ 10 ms at 1M", at=MILLION), None, _MS,
        "`/v1/contracts?endsAfter=...&endsBefore=...&facets=cpv,region` over HTTP, another window at every request; "
        "the median. Counts are held to those of SQL.",
    ),
    Figure(
        "search.facets", "Facets without a query",
        most(10, "≤ 10 ms at 1M", at=MILLION), None, _MS,
        "`/v1/contracts?facets=publisher,cpv,stage` over HTTP; the median. Counts are held to those of SQL.",
    ),
    Figure(
        "startup.ready", "The application ready, against a one-route FastAPI application",
        most(2), most(3), "{x:.2f}x",
        "From the start of the process until the first 200, `folkmoot aggregator serve` with an index against "
        "uvicorn with one route; files warm.",
    ),
    Figure(
        "startup.memory", "Its resident memory then, against the same",
        most(1.6), most(2), "{x:.2f}x",
        "Resident memory at the first 200.",
    ),
    Figure(
        "startup.version", "`folkmoot --version`, against `python -c pass`",
        most(3), most(6), "{x:.2f}x",
        "From the start of the process to its end.",
    ),
    Figure(
        "import.rate", "Import of an LGA register",
        least(20_000, "≥ 20,000 rows/s"), None, "{x:,.0f} rows/s",
        "`folkmoot import` of a file of that many rows into an empty node, the process's start included.",
    ),
    Figure(
        "import.memory", "Its anonymous memory",
        most(300, "≤ 300 MB", at=100_000), None, "{x:.0f} MB",
        "As of the crawler.",
    ),
)  # fmt: skip
BY_KEY: Mapping[str, Figure] = {figure.key: figure for figure in FIGURES}
