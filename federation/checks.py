"""A node held to every rule before it joins, while it is a preview, and whenever somebody asks (`federation/rules.py`).

Everything is read through the seam `get`; nothing is written. `examine` gives a report that a person can act on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from federation import judge, nodes, origins, papers, pinning, told, verdicts
from federation.advice import advice_for, inward_for
from federation.crawl import Step, walk
from federation.identity import feed_of, manifest_url, prefixes_of, read_manifest, without_overlap
from federation.looks import Seen, look
from federation.nodes import Known
from federation.origins import Heard
from federation.rule import Part, Rule
from federation.rules import RULES, gates
from federation.seam import Get
from federation.sign import Ring
from federation.unproven import UNKNOWN_KEY
from federation.verdicts import Source, Trouble
from schema.change import LARGE_PAGE, Item
from schema.errors import Crawling, Later, LeaseLost, Refused, Vanished
from schema.identifiers import same_origin
from schema.manifest import Manifest

PAGES = 3
AN_ID = 300
"""How many characters of an id are shown."""
LISTS, ORIGINS = 5, 3
"""How many pages of an aggregator's list of members are read, and how many origins that are not on it are asked."""
_AT_THE_END = {"latest", "latest-named", "not-empty"}
"""Rules that can be asked only where the feed was read to its end."""
_UNKNOWN = "It is signed with a key that is not in its origin's manifest."


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule found. `found` is empty where the rule is kept; `advice` says how to mend it."""

    of: Rule
    found: str
    pointer: str
    advice: str

    @property
    def rule(self) -> str:
        """The rule's id."""
        return self.of.id

    @property
    def severity(self) -> str:
        """How bad a breach is: error or warning."""
        return self.of.severity

    @property
    def kept(self) -> bool:
        """Whether the rule is kept."""
        return not self.found


def cut(text: str, most: int) -> str:
    """Give a text, or its beginning where it is longer than anybody reads."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(slots=True)
class Report:
    """What was read of a node and what was found, in the order in which it was met. `asked`: what was read whole.

    `known` is the node as it is pinned here, where it was held to that too; `skipped` are rules that nothing asked.
    `hints` is what to do about a rule in this case, `inward` what only the operator should read of it, who has both;
    `ended` is what broke the reading off, in words for the log; `unseen` is why nothing was asked at all.
    """

    url: str
    known: Known | None = None
    manifest: Manifest | None = None
    body: bytes = b""
    steps: list[Step] = field(default_factory=list)
    readings: list[judge.Reading] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    hints: dict[str, str] = field(default_factory=dict[str, str])
    inward: dict[str, str] = field(default_factory=dict[str, str])
    ended: str = ""
    asked: list[Part] = field(default_factory=list[Part])
    skipped: set[str] = field(default_factory=set)
    unreachable: bool = False
    vanished: Vanished | None = None
    unseen: str = ""

    @property
    def passed(self) -> bool:
        """Whether the node could be looked at, and no rule is broken that keeps it out."""
        return not self.unreachable and not any(gates(trouble.rule) for trouble in self.troubles)

    @property
    def results(self) -> list[Result]:
        """What each rule found that could be asked."""
        met: dict[str, list[Trouble]] = {}
        for trouble in self.troubles:
            met.setdefault(trouble.rule, []).append(trouble)
        asked = {rule.id for rule in RULES if rule.part in self.asked} - self.skipped | met.keys()
        return [self._result(rule, met.get(rule.id, [])) for rule in RULES if rule.id in asked]

    def _result(self, rule: Rule, met: list[Trouble]) -> Result:
        if not met:
            return Result(rule, "", "", rule.advice)
        first = met[0]
        advice = " ".join(filter(None, (self.inward.get(rule.id), self.hints.get(rule.id) or rule.advice)))
        if not first.record_id and rule.part not in ("item", "identity"):
            return Result(rule, first.message, first.pointer, advice)
        about = cut(first.record_id, AN_ID) or "an item"
        many = "1 item" if len(met) == 1 else f"{len(met)} items"
        fate = "would be refused" if rule.severity == "error" else "told of"
        found = f"{many} {fate}; the first: {about} {first.pointer}: {first.message}"
        return Result(rule, found, first.pointer, advice)

    def broke_off(self, error: Crawling, part: Part = "door") -> None:
        """Keep what ended the reading of a part: the rule that was broken, or that there was no answer."""
        self.unreachable = not isinstance(error, Refused)
        self.vanished = error if isinstance(error, Vanished) else None
        self.troubles.append(Trouble(error.rule, error.pointer, verdicts.clean(error.public)))
        self.ended = verdicts.clean(error.detail)
        self.hints[error.rule] = advice_for(error, part)
        inside = "" if error.public == error.detail else self.ended
        self.inward[error.rule] = f"{inside} {inward_for(error)}".strip()

    def for_anybody(self) -> None:
        """Leave out what only the operator should know, and what only the operator can do."""
        self.inward.clear()


async def examine(
    get: Get,
    url: str,
    *,
    now: datetime,
    aggregator: bool = False,
    known: Known | None = None,
    others: Sequence[str] = (),
    pages: int = PAGES,
) -> Report:
    """Read a node's manifest and the first pages of its feed, and hold them to every rule.

    `aggregator`: the node is to be accepted as one, and may carry others' records. `known`: the node as it is pinned
    here, with its keys, and the prefixes that it was granted; `others` are those that are other nodes'.
    """
    report = Report(manifest_url(url), known)
    if not await _read(report, get, now) or not await _walk(report, get, pages):
        return report
    unknown = await _learn(report, get) if aggregator else set()
    relayed = _judge(report, unknown, now, aggregator=aggregator, others=others)
    assert report.manifest is not None
    ended = report.steps[-1].page.ended
    seen = Seen(
        report.manifest,
        relays=aggregator,
        page=report.steps[-1].page,
        epochs=frozenset(step.page.epoch for step in report.steps),
        items=len(report.readings) if ended else None,
        others=relayed,
    )
    report.troubles += look(seen)
    return report


async def _tried(report: Report, part: Part, work: Callable[[], Awaitable[None]]) -> bool:
    try:
        await work()
    except LeaseLost:
        raise
    except Crawling as error:
        report.broke_off(error, part)
        return False
    report.asked.append(part)
    return True


async def _read(report: Report, get: Get, now: datetime) -> bool:
    known = report.known
    report.skipped.add("members")
    if known is None:
        report.skipped.add(told.IDENTITY_CHANGED)

    async def fetch() -> None:
        answer = await get(report.url)
        report.body = await answer.small()

    async def parse() -> None:
        if known is None:
            report.manifest = read_manifest(report.body, report.url)
        else:
            report.manifest = papers.own(report.body, report.url, known.key)
            nodes.check_identity(known, report.manifest, now=now)

    return await _tried(report, "door", fetch) and await _tried(report, "manifest", parse)


async def _walk(report: Report, get: Get, pages: int) -> bool:
    manifest = report.manifest
    assert manifest is not None

    async def go() -> None:
        async with aclosing(walk(get, feed_of(manifest).url, budget=pages)) as steps:
            async for step in steps:
                report.steps.append(step)
                report.readings += judge.read(step.page.items)
                _check_latest(report.steps)
                if step.page.size > LARGE_PAGE:
                    return

    walked = await _tried(report, "feed", go)
    if not report.steps or not report.steps[-1].page.ended:
        report.skipped |= _AT_THE_END
    return walked


def _check_latest(steps: Sequence[Step]) -> None:
    latest, read = steps[-1].page.latest, max(step.page.last_modified for step in steps)
    if steps[-1].page.ended and latest is not None and latest < read:
        raise Refused("latest", f"latest is {latest}, yet {read} was read.", "/latest")


async def _learn(report: Report, get: Get) -> set[str]:
    """Learn of the origins that are relayed: from the list of members, a few of the others from themselves.

    Gives those of which nothing was asked, for they are too many or another has their turn: nothing is said of their
    records.
    """
    manifest = report.manifest
    assert manifest is not None
    named = {r.origin.node for r in report.readings if isinstance(r, Item)} - {manifest.id}
    wanted = sorted(node for node in named if verdicts.is_node(node))
    if manifest.members is not None:
        report.skipped.discard("members")
        try:
            report.heard |= await origins.copies(get, manifest, wanted, pages=LISTS)
        except (Refused, Vanished) as error:
            report.troubles.append(Trouble("members", "/members", verdicts.clean(error.public)))
        except Later:
            report.skipped.add("members")  # nobody can say just now
    left = [node for node in wanted if node not in report.heard]
    unknown = set(left[ORIGINS:])
    for node in left[:ORIGINS]:
        try:
            heard = await origins.learn(get, node, relay=None, wait=True)
        except Later:
            unknown.add(node)
            continue
        if heard is not None:
            report.heard[node] = heard
    return unknown


def _judge(report: Report, unknown: Container[str], now: datetime, *, aggregator: bool, others: Sequence[str]) -> int:
    """Judge the items that were read; gives how many are others' records, of which a warning of its own tells."""
    manifest = report.manifest
    assert manifest is not None
    report.asked.extend(("item", "identity", "signature"))
    granted = report.known.prefixes if report.known is not None else {}
    own = without_overlap(prefixes_of(manifest), others)
    source = Source(0, manifest.id, {**own, **granted}, aggregator)
    prefixes = {node: heard.prefixes for node, heard in report.heard.items()}
    manifests = {node: heard.manifest for node, heard in report.heard.items()} | {manifest.id: manifest}
    rings = {node: Ring(pinning.offered(said)) for node, said in manifests.items() if said is not None}
    readings = [one for one in report.readings if isinstance(one, Trouble) or one.origin.node not in unknown]
    found = judge.judge(readings, source, me="", origins=prefixes, now=now, rings=rings)
    report.troubles += found.warned
    refused = [*found.refused, *(Trouble(UNKNOWN_KEY, "/origin/sig", _UNKNOWN, one.id) for one in found.unproven)]
    passed_on = manifest.role == "aggregator" and not aggregator
    relayed: set[str] = set()
    for trouble in refused:
        if passed_on and not same_origin(trouble.record_id, manifest.id):
            relayed.add(trouble.record_id)
        else:
            report.troubles.append(trouble)
    return len(relayed)
