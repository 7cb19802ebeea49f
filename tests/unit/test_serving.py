"""Several processes at one port: who works beside them, who ends with whom, and what the settings say of them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from api.always import Always
from folkmoot import serving, wiring
from folkmoot.crowds import networks
from folkmoot.patience import Patient
from folkmoot.serving import StopsWithSignal, WithParent
from folkmoot.settings import Settings
from schema.errors import Misconfigured
from tests.waiting import until

ROOT = Path(__file__).parents[2]
QUOTA = 60


class _Counting:
    """A worker that says when it works, and is stopped or falls over."""

    def __init__(self, *, falls: bool = False) -> None:
        self.working, self.falls = 0, falls

    async def run(self, stop: asyncio.Event) -> None:
        self.working += 1
        if self.falls:
            raise RuntimeError("fell over")
        await stop.wait()


def test_one_of_many_processes_works(tmp_path: Path) -> None:
    """Of two that hold the same lock's file one works; when it ends, whatever its end, the other takes over."""

    async def go() -> tuple[int, int, int]:
        first, second = _Counting(), _Counting()
        stops = asyncio.Event(), asyncio.Event()
        tasks = []
        for worker, stop in zip((first, second), stops, strict=True):
            once = wiring.Once(worker, tmp_path / "locks" / "worker", look=0.02)
            tasks.append(asyncio.create_task(once.run(stop)))
            await asyncio.sleep(0.1)
        before = second.working
        stops[0].set()
        await asyncio.sleep(0.2)
        stops[1].set()
        await asyncio.gather(*tasks)
        return first.working, before, second.working

    assert asyncio.run(go()) == (1, 0, 1)


def test_a_worker_that_falls_over_gives_its_lock_back(tmp_path: Path) -> None:
    """The lock of a worker that raised is free for the next, and its fault is told to who runs it."""

    async def go() -> None:
        lock = tmp_path / "worker"
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(wiring.Once(_Counting(falls=True), lock).run(asyncio.Event()), 2)

    asyncio.run(go())


def test_a_process_ends_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose parent is another than the one that started it tells itself to end."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    asyncio.run(asyncio.wait_for(WithParent(os.getppid() + 1).run(asyncio.Event()), 5))
    assert told == [(os.getpid(), signal.SIGTERM)]


def test_workers_are_told_to_stop_with_the_signal() -> None:
    """Who works beside a server stops when it is told to, not when its last client is gone; the server hears it too."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))

    async def go() -> None:
        stop, worker = asyncio.Event(), _Counting()
        tasks = [asyncio.create_task(one.run(stop)) for one in (StopsWithSignal(), worker)]
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        asyncio.run(go())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM, signal.SIGTERM]


def test_connections_know_the_proxies_and_the_address_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of FOLKMOOT_TRUSTED_PROXIES is no crowd; what is no request has the fields of all answers, over https."""
    monkeypatch.setattr(Patient, "proxies", ())
    monkeypatch.setattr(Patient, "always", ())
    monkeypatch.setattr(serving, "configure", lambda _settings: None)
    told = {"trusted_proxies": "10.0.0.5,192.168.1.0/24", "public_url": "https://moot.exampleshire.example"}
    settings = Settings.model_validate({"data_dir": tmp_path, **told})
    made = serving.application(settings, os.getpid())
    made.state.services.database.dispose()
    assert Patient.proxies == networks("10.0.0.5/32,192.168.1.0/24")
    assert Patient.always == Always(https=True).quick


def test_the_command_line_says_how_many_serve(tmp_path: Path) -> None:
    """--workers wins over FOLKMOOT_SERVE_WORKERS, and the role is the command's."""
    settings = Settings.model_validate({"data_dir": tmp_path, "serve_workers": 3})
    assert settings.serving("aggregator", None).serve_workers == 3
    assert settings.serving("aggregator", 2).serve_workers == 2
    assert settings.serving("aggregator", 2).role == "aggregator"


@pytest.mark.parametrize(
    ("database", "replica"),
    [("", "postgresql://a@b/c"), ("postgresql://a@b/c", "sqlite:////tmp/x.db")],
)
def test_only_postgresql_has_a_replica(database: str, replica: str, tmp_path: Path) -> None:
    """A replica beside SQLite, or a file as one, is told to the operator."""
    values = {"data_dir": tmp_path, "database_url": database, "read_database_url": replica}
    with pytest.raises(Misconfigured, match="FOLKMOOT_READ_DATABASE_URL"):
        wiring.reading(Settings.model_validate(values), None)  # type: ignore[arg-type]


def test_without_a_replica_requests_read_the_database_itself(tmp_path: Path) -> None:
    """One object serves both, so that what is kept of it is kept once."""
    base = wiring.database(Settings.model_validate({"data_dir": tmp_path}))
    assert wiring.reading(Settings.model_validate({"data_dir": tmp_path}), base) is base
    base.dispose()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield a node that serves with two processes, and its address."""
    from benchmarks.places import free_port

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    env = dict(os.environ) | {"FOLKMOOT_DATA_DIR": str(tmp_path), "FOLKMOOT_PORT": str(port)}
    env |= {"FOLKMOOT_PUBLIC_URL": address, "FOLKMOOT_TRUSTED_PROXIES": "127.0.0.1", "FOLKMOOT_RATE_LIMIT": str(QUOTA)}
    folkmoot = [sys.executable, "-m", "folkmoot"]
    named = ["--name", "Exampleshire County Council"]
    subprocess.run([*folkmoot, "publisher", "add", "GB-LAE-EXA", *named], check=True, env=env, cwd=ROOT)
    with (tmp_path / "log").open("wb") as told:
        process = subprocess.Popen(
            [*folkmoot, "node", "serve", "--workers", "2"], env=env, cwd=ROOT, stdout=told, stderr=told
        )
    until(lambda: _answers(address, "/health/ready"))  # it is alive before the first index is built
    yield process, address
    process.kill()
    process.wait()
    until(lambda: not _answers(address))


def _answers(address: str, path: str = "/health/live") -> str:
    try:
        with urllib.request.urlopen(address + path, timeout=5) as answer:
            found: str = answer.read().decode()
            return found
    except OSError:
        return ""


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    told = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [pid for pid in map(int, told.split()) if "spawn_main" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""  # it went between the two looks


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed by /proc, which Linux has")
def test_processes_serve_together(server: tuple[subprocess.Popen[bytes], str]) -> None:
    """Two processes answer at one port and count together; a killed one is started again; none outlives the parent."""
    process, address = server
    before = _children(process)
    assert len(before) == 2
    for _ in range(10):
        assert _answers(address, "/v1/contracts")
    assert 'route="/v1/contracts",status="200"} 10.0' in _answers(address, "/metrics")
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(_children(process)) == 2 and _children(process) != before)
    assert _answers(address)


def test_processes_count_together_who_asks(server: tuple[subprocess.Popen[bytes], str]) -> None:
    """An address has its share once, whoever answers; each answer says one less, and who is killed forgets nothing."""
    process, address = server
    half = [_asked(address) for _ in range(QUOTA // 2)]
    before = _children(process)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(_children(process)) == 2 and _children(process) != before)
    whole = half + [_asked(address) for _ in range(QUOTA // 2 + 10)]
    assert whole == [(200, left) for left in reversed(range(QUOTA))] + [(429, 0)] * 10


def _asked(address: str) -> tuple[int, int]:
    """How a request of an address somewhere is answered, on a connection of its own, and what is left to it."""
    asked = urllib.request.Request(address + "/v1/changes", headers={"X-Forwarded-For": "192.0.2.7"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            status, told = answer.status, answer.headers["RateLimit"]
    except urllib.error.HTTPError as error:
        with error:
            status, told = error.code, error.headers["RateLimit"]
    return status, int(told.partition(";r=")[2].partition(";")[0])


def test_nobody_keeps_a_server_from_stopping(server: tuple[subprocess.Popen[bytes], str], tmp_path: Path) -> None:
    """Who drips a body is cut off when processes stop, and from the start of it nobody connects."""
    process, address = server
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(_UPLOAD % _token(tmp_path, address).encode())
        assert one.recv(1_000).startswith(b"HTTP/1.1 100 ")  # it is being read
        process.terminate()
        began = time.monotonic()
        until(lambda: _refuses(port), 5)  # the processes that share it close it one after the other
        assert process.poll() is None
        with suppress(ConnectionError):
            while time.monotonic() < began + 30:
                one.sendall(b" " * 1_000)
                time.sleep(0.1)
        process.wait(15)
        assert 5 < time.monotonic() - began < 20


def _refuses(port: int) -> bool:
    with suppress(ConnectionResetError):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except ConnectionRefusedError:
            return True
    return False


_UPLOAD = (
    b"POST /v1/contracts?publisher=GB-LAE-EXA HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
    b"Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
)


def _token(folder: Path, address: str) -> str:
    env = dict(os.environ) | {"FOLKMOOT_DATA_DIR": str(folder), "FOLKMOOT_PUBLIC_URL": address}
    told = [sys.executable, "-m", "folkmoot", "token", "create", "--publisher", "GB-LAE-EXA", "--name", "drips"]
    return subprocess.run(told, check=True, env=env, cwd=ROOT, capture_output=True, text=True).stdout.split()[-1]
