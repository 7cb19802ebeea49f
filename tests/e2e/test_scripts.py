"""T27: whatever a record or an address holds, nothing of it runs in a browser, and the policy has nothing to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

import migrations
from api.services import Services
from federation import examining, log
from federation.database import Database
from federation.examiner import Examiner
from federation.identity import WELL_KNOWN
from schema.kinds import KINDS
from tests.e2e import browser
from tests.e2e.test_accessibility import served
from tests.integration.crawl.world import Aggregator, World
from tests.integration.pages.test_hostile import filled
from tests.proof import figure, sized
from tests.services import NOW, PREFIX, PUBLISHER, make_services

BREAKOUTS = (
    "{}", '">{}', "'>{}", "></title>{}", "</textarea></noscript>{}", "</style>{}", "</script>{}", "--!>{}", "]]>{}",
    "{{{{7031*7031}}}}${{7031*7031}}{}", "`\"'><svg><math>{}", "&#x3c;b&gt;&quot;{}",
)  # fmt: skip
ACTIONS = (
    "<script>alert(7031)</script>",
    "<img src=x onerror=alert(7031)>",
    "<svg/onload=alert(7031)>",
    "jAvascript:alert(7031)//",
    "\" onmouseover=alert(7031) autofocus onfocus=alert(7031) x='",
)
PAYLOADS = [breakout.format(action) for breakout in BREAKOUTS for action in ACTIONS]
SOME = PAYLOADS if sized(60, 60) >= len(PAYLOADS) else PAYLOADS[::11]
READ = ("contract", "roadmap-item", "tool", "asset", "skill", "festival")


@pytest.fixture
def engine_name() -> str:
    """Return SQLite alone: a page looks the same on both databases."""
    return "sqlite"


def plant(database: Database) -> None:
    """Append, for each payload, a record of each kind with it in every member, known and unknown."""
    drafts = []
    for number, payload in enumerate(SOME):
        for kind in READ:
            data = filled(KINDS[kind], payload) if kind in KINDS else {payload: [payload], "name": payload}
            data |= {"title": payload, "name": payload} | ({"endDate": "2026-12-01"} if kind == "contract" else {})
            drafts.append(log.Draft(f"{PREFIX}{kind}/X{number}", kind, PUBLISHER, orjson.dumps(data)))
    with database.write() as session:
        log.append(session, drafts, node="http://node.test/.well-known/folkmoot", now=NOW)


def _code(number: int) -> str:
    return f"Q{chr(65 + number // 26)}{chr(65 + number % 26)}"


def region(folder: Path) -> tuple[Services, list[str]]:
    """An aggregator that visits a node for each payload, whose every word is one, and the addresses of its pages."""
    migrations.upgrade(url := f"sqlite:///{folder / 'region.db'}")
    world = World()
    moot = Aggregator(Database(url), world)
    found = ["/", "/nodes", "/publishers", "/contracts"]
    for number, payload in enumerate(SOME):
        node = world.node(f"n{number}.example", _code(number))
        node.name = payload
        node.more = {"contact": {"name": payload, "team": payload}, "updateFrequency": payload, payload: payload}
        node.put("organisation", node.publisher, node.organisation())
        node.put("contract", "C-1", title={payload: payload}, stage=payload)
        moot.add(node)
    moot.crawl()
    for number in range(len(SOME)):
        key, code = f"n{number}.example", _code(number)
        with moot.database.write() as session:
            made = examining.ask(session, f"https://{key}{WELL_KNOWN}", aggregator=False, now=NOW)
        asyncio.run(Examiner(moot.database, world.get, lambda: NOW).turn())
        found += [f"/nodes/{key}", f"/check/{made}", f"/publishers/GB-LAE-{code}", f"/v1/nodes/{key}/badge.svg"]
        found += [f"/v1/nodes/{key}?format={form}" for form in ("atom", "jsonfeed")]
    return make_services(moot.database, folder, "aggregator", moot.url, organisation=None), found


def pages() -> Iterator[str]:
    """Yield twelve addresses for each payload: records, JSON, and pages that show what was asked."""
    for number, payload in enumerate(SOME):
        asked, record = quote(payload, safe=""), f"{PREFIX}contract/X{number}"
        yield from (f"/records?id={PREFIX}{kind}/X{number}" for kind in READ)
        yield f"/search?q={asked}"
        yield f"/search?publishe={asked}&{asked}=1"
        yield f"/nowhere/{asked}"
        yield f"/suppliers/{asked}"
        yield f"/v1/records?id={record}"
        yield f"/v1/search?format=atom&q=x{number}"


TOLD = {
    "dialogs": "dialogs",
    "reports": "reports of the policy",
    "able": "elements and attributes that could run something",
    "outside": "requests to other origins",
}


@pytest.mark.browser
@pytest.mark.proof
def test_t27_no_payload_runs_on_any_page(database: Database, tmp_path: Path) -> None:
    """60 payloads on 18 pages each: no dialog, no report of the policy, nothing that could run, no other origin."""
    assert len(PAYLOADS) == 60
    plant(database)
    (tmp_path / "region").mkdir()
    services, found = region(tmp_path / "region")
    with served(make_services(database, tmp_path)) as node, served(services) as aggregator:
        addresses = [*(node + path for path in pages()), *(aggregator + path for path in found)]
        verdicts = browser.load(addresses, tmp_path)
    assert len(verdicts) == len(set(addresses)) == 18 * len(SOME) + 4
    assert all(verdict["status"] in (200, 404, 422) for verdict in verdicts)
    assert [verdict["url"] for verdict in verdicts[12 * len(SOME) :] if verdict["status"] != 200] == []
    for told, what in TOLD.items():
        figure("T27", f"{what} in {len(verdicts)} loads", sum(len(one[told]) for one in verdicts), goal="0")
    for told in TOLD:
        assert [(verdict["url"], verdict[told]) for verdict in verdicts if verdict[told]] == []


@pytest.mark.browser
def test_t27_the_judge_sees_what_runs_and_what_is_stopped(tmp_path: Path) -> None:
    """A page with a script, a handler and no policy is found out: the proof is not blind."""
    bad = "<!doctype html><title>x</title><a href='javascript:1'>x</a><img src=x onerror=alert(7031)>"
    bad += "<input value='javascript:1'><form><button formaction='javascript:1'></button></form>"
    stopped = f'<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">{bad}'
    (tmp_path / "bad.html").write_text(bad)
    (tmp_path / "stopped.html").write_text(stopped)
    first, second = browser.load([f"file://{tmp_path}/{name}.html" for name in ("bad", "stopped")], tmp_path)
    assert first["dialogs"] == ["7031"]
    assert set(first["able"]) == {"a href", "img onerror", "button formaction"}
    assert second["dialogs"] == []
    assert second["reports"]
