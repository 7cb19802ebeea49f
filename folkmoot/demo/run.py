"""Five councils publish, a region finds, a nation finds the region: on real servers, in one command.

The steps are those of an operator: `folkmoot publisher add`, `folkmoot import`, `folkmoot node serve`,
`folkmoot node add`, `folkmoot crawl --once`, `folkmoot aggregator serve`.
"""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType

from folkmoot.demo import tour
from folkmoot.demo.councils import COUNCILS, REGION, Council
from folkmoot.demo.files import register, rows, write_all
from folkmoot.demo.processes import DemoFailed, Server
from folkmoot.words import counted

Say = Callable[[str], None]
_Handler = Callable[[int, FrameType | None], object] | int | None
SOON = 60


def run(*, check: bool, say: Say) -> None:
    """Build the federation, show it, and stay up until Ctrl-C; with `check`, verify and stop. Raises `DemoFailed`."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="folkmoot-demo-"))
    servers: list[Server] = []
    today = datetime.now(UTC).date()
    before = _end_on_signals()
    try:
        nodes = _publish(folder, servers, today, say)
        region = _aggregate(folder, servers, "region", f"{REGION} Office of Digital Services", nodes, say)
        nation = _aggregate(folder, servers, "nation", "National Moot", [region], say)
        since, above = _latest(region), _latest(nation)
        expected = _renew(nodes[0], COUNCILS[0], today, say)
        _arrive(region, since, expected)
        _arrive(nation, above, expected)
        say(f"  and {expected} changes have reached {region.name} and {nation.name}.")
        _show(region, nation, nodes, since, today, say)
        if check:
            _check(region, nation, nodes, say)
        say(f"\nReady in {time.monotonic() - started:.0f} seconds.")
        if not check:
            say("Everything stays up until you press Ctrl-C.")
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        say("\nStopping.")
        if check:
            raise DemoFailed("The demo was told to end before it was checked.") from None
    finally:
        for number in before:  # from here on nothing may come between: neither impatience nor a closing terminal
            signal.signal(number, _leave)
        for server in reversed(servers):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_on_signals() -> dict[signal.Signals, _Handler]:
    """Let TERM and a closed terminal end the demo as Ctrl-C does. Gives the handlers of before.

    Only the first one counts, and what is ignored (`nohup`) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in heard}

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in heard:
            signal.signal(number, _leave)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, end)
    return before


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Hear a signal and do nothing: unlike SIG_IGN, the servers that are started do not inherit it."""


def _publish(folder: Path, servers: list[Server], today: date, say: Say) -> list[Server]:
    say(f"Five fictional councils of {REGION} publish the files that they keep already:")
    nodes = [_node(folder, council) for council in COUNCILS]
    servers.extend(nodes)

    def publish(pair: tuple[Server, Council]) -> str:
        server, council = pair
        told = _import(server, council, today)
        server.start()
        return f"  {council.name:32} {server.url}   {told}"

    # Two at a time: the demo is to start on a small machine.
    with ThreadPoolExecutor(max_workers=2) as pool:
        try:
            for line in pool.map(publish, zip(nodes, COUNCILS, strict=True)):
                say(line)
        except BaseException:  # the pool waits for what is begun: let none start another server
            for server in nodes:
                server.ending = True
            raise
    for server in nodes:
        server.wait()
    return nodes


def _node(folder: Path, council: Council) -> Server:
    home = folder / council.slug
    home.mkdir(parents=True)
    contact = {
        "FOLKMOOT_CONTACT_NAME": "Digital team",
        "FOLKMOOT_CONTACT_EMAIL": f"digital@{council.slug}.example",
    }
    return Server(council.name, "node", home, contact)


def _import(server: Server, council: Council, today: date) -> str:
    server.run(
        "publisher", "add", council.publisher, "--name", council.name,
        "--type", council.type, "--region", REGION, "--nation", "England",
    )  # fmt: skip
    told = []
    for kind, path in write_all(council, server.folder / "files", today):
        report = _report(server.run("import", str(path), "--kind", kind, "--publisher", council.publisher, "--json"))
        told.append(counted(report["created"], kind))
    return ", ".join(told)


def _report(printed: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(printed)
    return found


def _aggregate(folder: Path, servers: list[Server], slug: str, name: str, members: list[Server], say: Say) -> Server:
    home = folder / slug
    home.mkdir()
    server = Server(name, "aggregator", home, {"FOLKMOOT_CRAWL_INSIDE": "1", "FOLKMOOT_ROLE": "aggregator"})
    servers.append(server)
    say(f"\n{name} adds {len(members)} {'nodes' if len(members) > 1 else 'node'} and crawls:")
    server.run("publisher", "add", f"XM-DEMO-{slug.upper()}", "--name", name, "--type", "office")
    for member in members:
        relay = ["--aggregator"] if member.role == "aggregator" else []
        server.run("node", "add", member.url, *relay)
    server.run("crawl", "--once")
    server.start()
    server.wait()
    say(f"  {server.url}")
    return server


def _renew(server: Server, council: Council, today: date, say: Say) -> int:
    say(f"\n{council.name} publishes its register again: one contract renewed, one gone from the file.")
    made = rows(council, today)
    made[0]["ContractTitle"] += " (renewed)"
    path = server.folder / "files" / "contracts-register.csv"
    path.write_bytes(register(council, [row for row in made if row is not made[1]]))
    said = _report(server.run("import", str(path), "--kind", "contract", "--publisher", council.publisher, "--json"))
    say(f"  {said['updated']} updated, {said['deleted']} withdrawn, {said['unchanged']} unchanged;")
    return said["created"] + said["updated"] + said["deleted"]


def _latest(server: Server) -> int:
    found: int = tour.ask(f"{server.url}/v1/changes?afterChangeNumber={2**53 - 1}")["latest"]
    return found


def _arrive(server: Server, since: int, expected: int) -> None:
    """Wait until the changes have been crawled and the search index has reached the log. Raises `DemoFailed`."""
    until = time.monotonic() + SOON
    while len(_changes(server, since)) < expected or _live(server) != _found(server):
        if time.monotonic() > until:
            raise DemoFailed(f"{server.name}: the change was not crawled and indexed within {SOON} seconds.")
        time.sleep(0.2)


def _changes(server: Server, since: int) -> list[object]:
    found: list[object] = tour.ask(f"{server.url}/v1/changes?afterChangeNumber={since}")["items"]
    return found


def _live(server: Server) -> int:
    """Live records in the feed, counted by reading it to its end."""
    url = f"{server.url}/v1/changes?afterChangeNumber=0"
    live = 0
    while True:
        page = tour.ask(url)
        live += sum(1 for item in page["items"] if item["state"] == "updated")
        if not page["items"] and page["next"] == url:
            return live
        url = page["next"]


def _found(server: Server) -> int:
    found: int = tour.ask(f"{server.url}/v1/search?limit=1")["count"]["value"]
    return found


def _show(region: Server, nation: Server, nodes: list[Server], since: int, today: date, say: Say) -> None:
    say("\nOpen in a browser:")
    say(f"  {region.url}   {region.name}: search everything in the region")
    say(f"  {nation.url}   {nation.name}: the same records, one tier up")
    say(f"  {nodes[0].url}   {nodes[0].name}: what one council publishes")
    say("\nFive requests to copy:")
    key = f"127.0.0.1_{nodes[0].port}"
    for step, question in enumerate(tour.questions(region.url, key, since, today), start=1):
        answer = tour.ask(question.url)
        say(f"\n{step}. {question.words}\n   curl '{question.url}'")
        for line in question.show(answer):
            say(f"   {line}")


def _check(region: Server, nation: Server, nodes: list[Server], say: Say) -> None:
    published = sum(_live(server) for server in nodes)
    in_region, in_nation = _live(region), _live(nation)
    faults: list[str] = []
    if in_region != published + 1:
        faults.append(f"the region holds {in_region} records; its councils publish {published} and it one of its own")
    if in_nation != in_region + 1:
        faults.append(f"the nation holds {in_nation} records; the region {in_region} and it one of its own")
    faults += [
        f"{server.name} finds {_found(server)} records and holds {_live(server)}"
        for server in (region, nation)
        if _found(server) != _live(server)
    ]
    for server in (*nodes, region, nation):
        with_problems = [n for n in _nodes(server) if n["refused"] or n["state"] != "active"]
        faults.extend(
            f"{server.name}: node {n['key']} is {n['state']} with {n['refused']} refused" for n in with_problems
        )
    if faults:
        raise DemoFailed("The demo is not right: " + "; ".join(faults))
    say(f"\nChecked: {published} records of {len(nodes)} councils stand in the region and in the nation, all findable.")


def _nodes(server: Server) -> list[dict[str, str | int]]:
    if server.role != "aggregator":
        return []
    found: list[dict[str, str | int]] = tour.ask(server.url + "/v1/nodes")["items"]
    return found
