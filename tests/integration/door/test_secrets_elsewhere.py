"""T31 beyond the requests of a node: what runs beside a server, the command line, and the secrets that lie on them."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from api.app import create_app
from federation import hooks, keys
from federation.database import Database, DatabaseFault
from federation.erasure import Eraser
from federation.fetch import Door
from federation.follow import Follower
from federation.seam import Answer
from federation.webhooks import Herald
from folkmoot import cli, wiring
from folkmoot.settings import Settings
from schema.errors import Later
from tests.integration.crawl.world import Aggregator, World
from tests.integration.writes.conftest import Moot
from tests.services import NOW, PUBLISHER, client, make_services

Logged = Callable[[], str]
NOWHERE = "127.0.0.1:1"
"""Where nobody listens."""
ERASER = "the database does not serve; what is due is erased later"


def _canary() -> str:
    return f"CANARY{secrets.token_hex(8)}"


def _token() -> str:
    return f"fmt_{_canary()}{'A' * 20}"


def _events(told: str) -> list[str]:
    return [orjson.loads(line)["event"] for line in told.splitlines()]


def _forms(seed: bytes) -> list[str]:
    """A seed as it might be written."""
    urlsafe = base64.urlsafe_b64encode(seed).decode().rstrip("=")
    return [seed.hex(), base64.b64encode(seed).decode(), urlsafe, repr(seed)]


@pytest.mark.parametrize("between", ["", "/", ":", "%40", "?", "#"])
def test_t31_the_databases_password_stays_out_of_the_log(
    between: str, tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away is told by a server, a worker beside it and a command, none of which shows a piece."""
    pieces = (_canary(), _canary())
    url = f"postgresql://moot:{between.join(pieces)}@{NOWHERE}/moot"
    base = Database(url)
    services = make_services(base, tmp_path, organisation=None)
    site = client(create_app(services), raise_server_exceptions=False)
    said = [site.get(path).text for path in ("/health/ready", "/v1/contracts", "/v1/changes")]

    async def beside() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, stop.set)
        await Eraser(base, every=0.05).run(stop)

    asyncio.run(beside())
    base.dispose()
    try:
        wiring.database(Settings.model_validate({"data_dir": tmp_path, "database_url": url}))
    except DatabaseFault:
        structlog.get_logger("folkmoot.test").exception("it did not start")
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", url)
    said.append(CliRunner().invoke(cli.command_line(), ["doctor"]).output)
    told = logged()
    assert {"database not reachable", ERASER, "it did not start"} <= {*_events(told)}
    for piece in pieces:
        assert piece not in told
        assert all(piece not in one for one in said)
    services.index.close()


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t31_the_search_clusters_password_stays_out_of_the_log(
    database: Database, tmp_path: Path, logged: Logged
) -> None:
    """A cluster that is away is told by who follows the log, by readiness and to who searches: without its account."""
    canary = _canary()
    index = wiring.index(Settings.model_validate({"index_url": f"http://moot:{canary}@{NOWHERE}/moot"}))
    services = replace(make_services(database, tmp_path), index=index, follower=Follower(database, index))
    told = ""
    with client(create_app(services)) as site:
        said = [site.get(path).text for path in ("/health/ready", "/v1/contracts", "/v1/search?q=a")]
        until = time.monotonic() + 20
        while "the index cannot follow the log" not in told and time.monotonic() < until:
            time.sleep(0.05)
            told += logged()
    told += logged()
    assert {"the index cannot follow the log", "the index cannot be asked"} <= {*_events(told)}
    assert canary not in told
    assert base64.b64encode(f"moot:{canary}".encode()).decode() not in told
    assert all(canary not in one for one in said)


def test_t31_the_seeds_of_keys_stay_out_of_the_log(
    moot: Moot, contract: dict[str, Any], logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is made, signs, is put in another's place, and one cannot be kept: no seed is in any line."""
    base, seeds, random = moot.services.database, list[bytes](), secrets.token_bytes

    def drawn(size: int) -> bytes:
        made = random(size)
        seeds.extend([made] if size == 32 else [])
        return made

    monkeypatch.setattr(secrets, "token_bytes", drawn)
    with base.write() as session:
        kid = keys.new(session, node=moot.services.node, now=NOW)[0].kid
    moot.post(moot.token(), contract)
    with monkeypatch.context() as patch:
        patch.setattr(keys, "_name", lambda *_: kid)  # which is taken
        try:
            with base.write() as session:
                keys.rotate(session, now=NOW)
        except IntegrityError:
            structlog.get_logger("folkmoot.test").exception("no key was made")
    with base.write() as session:
        keys.rotate(session, now=NOW)
    told = logged()
    assert "hide_parameters=True" in told
    assert [form for seed in seeds for form in _forms(seed) if form in told] == []
    assert len(seeds) == 4, "of three keys, and of the token"


def test_t31_the_webhooks_seed_stays_out_of_the_log(database: Database, logged: Logged) -> None:
    """Messages that are taken, refused and broken off are told, whatever the address said, and without the seed."""
    world, token = World(), _token()
    moot, node = Aggregator(database, world), world.node()
    node.more = {"webhook": {"url": "https://exa.example/hook"}}
    moot.add(node)
    moot.crawl()
    answers: list[Answer | Exception] = [
        Answer(500, token.encode(), {"location": f"https://moot:{token}@x.example/"}),
        Later(f"https://moot:{token}@exa.example/hook did not answer in time."),
        KeyError(f"a fault that names {token} and https://moot:{_canary()}@x.example/"),
        Answer(204, b""),
    ]

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        del url, body, headers
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    herald = Herald(database, post, moot.url, lambda _session: world.now)
    herald.prepare()
    herald.look()
    while answers:
        world.pass_time(days=1)
        asyncio.run(herald.turn())
    with database.read() as session:
        seed = hooks.seed(session)
    told = logged()
    assert seed is not None
    assert [orjson.loads(line).get("outcome") for line in told.splitlines()].count("later") == 3
    assert "a webhook broke off by a fault of ours" in _events(told)
    assert [form for form in (*_forms(seed), "CANARY") if form in told] == []


class _Echo(BaseHTTPRequestHandler):
    """A node that sends back what nobody should log, in each place where it can say something."""

    secret = ""

    def do_GET(self) -> None:
        """Answer by the path."""
        said = f'{{"error": "{self.secret}", "at": "https://moot:{self.secret}@x.example/"}}'.encode()
        status, media = {"/500": (500, "application/json"), "/html": (200, "text/html")}.get(
            self.path.partition("?")[0], (200, "application/json")
        )
        place = {
            "/account": f"http://moot:{self.secret}@127.0.0.1/",
            "/token": f"/500?token={self.secret}",
            "/round": f"/round?token={self.secret}",
        }.get(self.path.partition("?")[0])
        self.send_response(302 if place else status, self.secret)
        for name, value in (("Location", place), ("Content-Type", media), ("ETag", f'"{self.secret}"')):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


@contextmanager
def _echo(secret: str) -> Iterator[str]:
    handler = type("Echo", (_Echo,), {"secret": secret})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_t31_what_a_node_sends_back_stays_out_of_the_crawls_log(
    database: Database, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors, redirects, bodies and fields with a token in them, and a fault of ours that quotes one: in no line."""
    world, token = World(), _token()
    moot, node = Aggregator(database, world), world.node()
    moot.add(node)
    moot.crawl()
    node.put("contract", token, title=5, note=f"https://moot:{token}@x.example/")
    moot.crawl()
    errors: list[str | None] = []
    with _echo(token) as address:
        for path in ("/500", "/html", "/json", "/account", "/token", "/round", ""):

            async def get(_url: str, _headers: Mapping[str, str] | None = None, path: str = path) -> Answer:
                if not path:
                    raise KeyError(f"a fault that names {token} and https://moot:{token}@x.example/")
                async with Door(user_agent="a test", allow_private=True, gap=0) as door:
                    return await door.get(address + path)

            monkeypatch.setattr(world, "get", get)
            world.pass_time(days=2)
            errors += [result.error for result in moot.crawl()]
    told = logged()
    assert len(errors) == 7
    assert all(errors)
    assert "a visit broke off by a fault of ours" in _events(told)
    assert "CANARY" not in told


def test_t31_a_token_is_shown_once_and_never_logged(
    moot: Moot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logged: Logged
) -> None:
    """`token create` and `rotate` print the secret alone on standard output; nothing else ever says it."""
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", moot.services.database.url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path))
    shown, said = [], ""
    for words in (
        ("token", "create", "--publisher", PUBLISHER, "--name", "a test"),
        ("token", "rotate", "1"),
        ("token", "list"),
        ("token", "revoke", "2"),
        ("audit", "list"),
        ("audit", "export"),
    ):
        done = CliRunner().invoke(cli.command_line(), words)
        assert done.exit_code == 0, (words, done.exception)
        if words[1] in ("create", "rotate"):
            shown.append(done.stdout.removesuffix("\n"))
            said += done.stderr
        else:
            said += done.output
    structlog.get_logger("folkmoot.test").info("made", tokens=shown)
    told = logged()
    assert told.count("fmt_***") == len(shown) == 2
    for secret in shown:
        assert re.fullmatch(r"fmt_[\w-]{30,}", secret)
        assert secret not in said + told
