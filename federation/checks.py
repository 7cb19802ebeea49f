"""The rules that a node is held to when it joins, and whenever somebody asks: one function a rule.

Everything is read through the seam `get`; nothing is written. `examine` gives a report that a person can act on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from federation import judge, pinning
from federation.advice import advice_for
from federation.crawl import Step, walk
from federation.identity import feed_of, key_of, manifest_url, name_of, prefixes_of, read_manifest
from federation.judge import Source, Trouble
from federation.origins import Heard, learn
from federation.seam import Answer, Get
from federation.sign import Ring, is_key
from federation.unproven import UNKNOWN_KEY
from schema.change import Item
from schema.errors import Crawling, Refused
from schema.identifiers import same_origin
from schema.manifest import Manifest

PAGES = 3
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # nothing that is examined is kept
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule found. `found` is empty where the rule is kept; `advice` says how to mend it."""

    rule: str
    severity: Severity
    found: str
    advice: str

    @property
    def kept(self) -> bool:
        """Whether the rule is kept."""
        return not self.found


@dataclass(slots=True)
class Report:
    """What was read of a node and what each rule found, in the order in which they were asked."""

    url: str
    manifest: Manifest | None = None
    body: bytes = b""
    steps: list[Step] = field(default_factory=list)
    readings: list[judge.Reading] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    unreachable: bool = False

    @property
    def passed(self) -> bool:
        """Whether no rule of severity error is broken."""
        return all(result.kept or result.severity == "warning" for result in self.results)

    def note(self, rule: Rule, found: str, advice: str = "") -> None:
        """Keep what a rule found, with the rule's own advice where the cause has none."""
        self.results.append(Result(rule.id, rule.severity, found, advice or rule.advice))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name, how bad a breach is, how to mend it, and the function that looks. It gives what is wrong."""

    id: str
    severity: Severity
    advice: str
    look: Callable[[Report, bool], str]


REACHABLE = Rule("reachable", "error", "Serve the manifest at /.well-known/folkmoot over https.", lambda _r, _a: "")
VALID = Rule("manifest-valid", "error", "Mend the manifest as its JSON Schema says.", lambda _r, _a: "")
FEED = Rule("feed-reachable", "error", "Serve the feed that the manifest names, on the same host.", lambda _r, _a: "")
PAGE = Rule("page-valid", "error", "Mend the page as OpenActive RPDE says; the cursor waits.", lambda _r, _a: "")


async def examine(get: Get, url: str, *, aggregator: bool = False, pages: int = PAGES) -> Report:
    """Read a node's manifest and the first pages of its feed, and hold them to every rule.

    `aggregator`: the node is to be accepted as one, and may carry others' records.
    """
    report = Report(manifest_url(url))
    if not await _read(report, get):
        return report
    if not await _walk(report, get, pages):
        return report
    if aggregator:
        await _learn(report, get)
    for rule in LOOKS:
        report.note(rule, rule.look(report, aggregator))
    return report


async def _tried(report: Report, rule: Rule, work: Callable[[], Awaitable[None]]) -> bool:
    try:
        await work()
    except Crawling as error:
        report.unreachable = not isinstance(error, Refused)
        report.note(rule, error.detail, advice_for(error) if rule is REACHABLE else "")
        return False
    report.note(rule, "")
    return True


async def _read(report: Report, get: Get) -> bool:
    async def fetch() -> None:
        answer = await get(report.url)
        report.body = answer.body

    async def parse() -> None:
        report.manifest = read_manifest(report.body, report.url)

    return await _tried(report, REACHABLE, fetch) and await _tried(report, VALID, parse)


async def _walk(report: Report, get: Get, pages: int) -> bool:
    manifest = report.manifest
    assert manifest is not None
    answered = False

    async def heard(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        nonlocal answered
        answered = False
        answer = await get(url, headers)
        answered = True
        return answer

    async def go() -> None:
        async for step in walk(heard, feed_of(manifest).url, budget=pages):
            report.steps.append(step)
            report.readings += judge.read(step.page.items)

    try:
        await go()
    except Crawling as error:
        report.unreachable = not isinstance(error, Refused)
        report.note(PAGE if answered else FEED, error.detail, "" if answered else advice_for(error))
        return False
    report.note(FEED, "")
    report.note(PAGE, "")
    return True


async def _learn(report: Report, get: Get) -> None:
    manifest = report.manifest
    assert manifest is not None
    named = dict.fromkeys(r.origin.node for r in report.readings if isinstance(r, Item))
    for node in [node for node in named if node != manifest.id and judge.is_node(node)][:20]:
        heard = await learn(get, node, relay=manifest)
        if heard is not None:
            report.heard[node] = heard


def _role(report: Report, aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    role = report.manifest.role
    if aggregator and role != "aggregator":
        return f"Its role is {role}; only an aggregator can be accepted as one."
    return ""


def _relays(report: Report, aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    if not aggregator and report.manifest.role == "aggregator":
        others = len({t.record_id for t in _judged(report, aggregator) if _passed_on(report, t)})
        more = f"; {others} of those that were read are others'" if others else ""
        return f"It is an aggregator. Without --aggregator only its own records are taken{more}."
    return ""


def _prefixes(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    foreign = report.manifest.foreign_prefixes()
    return f"{len(foreign)} prefixes lie on another host, such as {foreign[0]}." if foreign else ""


def _licence(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    return "" if report.manifest.license else "The manifest names no licence."


def _contact(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    contact = report.manifest.contact
    return "" if contact is not None else "The manifest names nobody to ask."


def _epoch(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    epochs = {step.page.epoch for step in report.steps}
    if epochs - {report.manifest.epoch}:
        return "The epoch of the feed's pages is not the manifest's."
    return "" if report.manifest.epoch else "There is no epoch: a restored database cannot be told from a rewound feed."


def _end(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    last = report.steps[-1].page
    return "The last page does not say latest." if last.ended and last.latest is None else ""


def _filled(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    return "" if report.readings else "The feed holds nothing, not even the publisher's own record."


def _keys(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    keys = pinning.offered(report.manifest)
    doubled = sorted({key["kid"] for key in keys if [one["kid"] for one in keys].count(key["kid"]) > 1})
    if doubled:
        return f"The key {doubled[0]} stands in the manifest twice."
    bad = next((key["kid"] for key in keys if not is_key(key)), None)
    return f"x of the key {bad} is no Ed25519 public key." if bad else ""


def _signs(report: Report, _aggregator: bool) -> str:  # noqa: FBT001
    assert report.manifest is not None
    return (
        "" if report.manifest.keys else "The manifest names no key: nobody can tell a relayed record from a forged one."
    )


def _items(report: Report, aggregator: bool, group: int) -> str:  # noqa: FBT001
    found = [t for t in _judged(report, aggregator) if aggregator or not _passed_on(report, t)]
    troubles = [t for t in found if _group(t) == group]
    if not troubles:
        return ""
    first = troubles[0]
    about = first.record_id or "an item"
    return f"{len(troubles)} items would be refused; the first: {about} {first.pointer}: {first.message}"


_OWNERSHIP = ("id-prefix", "id-form", "id", "publisher", "kind", "reference", "origin-unknown", "not-an-aggregator")


_OWNER, _SIGNATURE, _DATA = range(3)


def _group(trouble: Trouble) -> int:
    if trouble.rule.startswith("signature-"):
        return _SIGNATURE
    return _OWNER if trouble.rule in _OWNERSHIP else _DATA


def _judged(report: Report, aggregator: bool) -> list[Trouble]:  # noqa: FBT001
    assert report.manifest is not None
    source = Source(0, report.manifest.id, prefixes_of(report.manifest), aggregator)
    origins = {node: heard.prefixes for node, heard in report.heard.items()}
    manifests = {node: heard.manifest for node, heard in report.heard.items()} | {report.manifest.id: report.manifest}
    rings = {node: Ring(pinning.offered(manifest)) for node, manifest in manifests.items() if manifest is not None}
    found = judge.judge(report.readings, source, me="", origins=origins, now=_NEVER, rings=rings)
    message = "It is signed with a key that is not in its origin's manifest."
    return [*found.refused, *(Trouble(UNKNOWN_KEY, "/origin/sig", message, one.id) for one in found.unproven)]


def _passed_on(report: Report, trouble: Trouble) -> bool:
    """Whether it is about a record of somebody else that an aggregator passes on: a warning of its own tells that."""
    manifest = report.manifest
    assert manifest is not None
    return manifest.role == "aggregator" and not same_origin(trouble.record_id, manifest.id)


def _ids(report: Report, aggregator: bool) -> str:  # noqa: FBT001
    return _items(report, aggregator, _OWNER)


def _records(report: Report, aggregator: bool) -> str:  # noqa: FBT001
    return _items(report, aggregator, _DATA)


def _signatures(report: Report, aggregator: bool) -> str:  # noqa: FBT001
    return _items(report, aggregator, _SIGNATURE)


LOOKS: tuple[Rule, ...] = (
    Rule("role", "error", "Leave out --aggregator, or set the node's role.", _role),
    Rule("relays", "warning", "Add it with --aggregator to take all.", _relays),
    Rule("prefix-own-origin", "warning", "Publish ids under the node's own address.", _prefixes),
    Rule("licence", "warning", "Set FOLKMOOT_LICENSE, or license in the manifest.", _licence),
    Rule("contact", "warning", "Name a role mailbox in the manifest.", _contact),
    Rule("epoch", "warning", "Give manifest and pages the same epoch, new at every restore.", _epoch),
    Rule("latest", "warning", "Say latest on the last page, so that readers notice a rewound feed.", _end),
    Rule("not-empty", "warning", "Publish the organisation record as change 1.", _filled),
    Rule("ids-within-prefix", "error", "Every id begins with its publisher's idPrefix, then kind and reference.", _ids),
    Rule("keys-valid", "error", "Mend keys in the manifest: folkmoot keys list shows them.", _keys),
    Rule("signed", "warning", "Sign what the node publishes: folkmoot keys new.", _signs),
    Rule(
        "signatures-valid",
        "error",
        "Sign each item as protocol section 5 says, with a key of the manifest.",
        _signatures,
    ),
    Rule("records-valid", "warning", "Mend the records; those that are valid are taken meanwhile.", _records),
)

RULES: tuple[Rule, ...] = (REACHABLE, VALID, FEED, PAGE, *LOOKS)


def summary(report: Report) -> dict[str, object]:
    """The report as a program reads it."""
    return {
        "url": report.url,
        **_about(report.manifest),
        "pagesRead": len(report.steps),
        "itemsRead": len(report.readings),
        "passed": report.passed,
        "rules": [
            {"rule": r.rule, "severity": r.severity, "kept": r.kept, "found": r.found, "advice": r.advice}
            for r in report.results
        ],
    }


def _about(manifest: Manifest | None) -> dict[str, object]:
    if manifest is None:
        return {"key": None, "name": None, "role": None, "publishers": []}
    return {
        "key": key_of(manifest.id),
        "name": name_of(manifest),
        "role": manifest.role,
        "publishers": list(prefixes_of(manifest).values()),
    }
