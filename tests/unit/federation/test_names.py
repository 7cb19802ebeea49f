"""Names whose servers never answer, looked up in threads of their own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from federation import names
from federation.fetch import Door, Limits
from federation.names import Resolver
from federation.seam import Answer
from schema.errors import Later, Refused
from tests.unit.federation.test_fetch import QUICK, Server, reply


class _Dead:
    """A resolver of the system that hangs for every name that begins with `dead`, until it is let go."""

    def __init__(self) -> None:
        self.over, self.met = threading.Event(), threading.Semaphore(0)
        self.waiting = 0

    def meet(self, count: int) -> None:
        """Wait until so many hang."""
        assert all(self.met.acquire(timeout=20) for _ in range(count))

    def look_up(self, host: str, _port: int) -> list[str]:
        if host.startswith("dead"):
            self.waiting += 1
            self.met.release()
            self.over.wait(30)
            raise OSError("no name server answers")
        return ["127.0.0.1"]


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Dead]:
    """The resolver of the test, which hangs until its end at most."""
    found = _Dead()
    monkeypatch.setattr(names, "look_up", found.look_up)
    yield found
    found.over.set()


def test_dead_name_servers_hold_up_neither_others_nor_work_in_threads(dead: _Dead) -> None:
    """While fifty names hang in the resolver, a good one is read at once, and what runs in threads goes on."""
    server = Server(reply())

    async def go() -> tuple[Answer, float]:
        limits = Limits(connect=5.0)
        async with server, Door(user_agent="test", allow_private=True, gap=0, limits=limits) as door:
            hanging = [asyncio.create_task(door.get(f"http://dead{n}.localhost/")) for n in range(50)]
            await asyncio.to_thread(dead.meet, 50)
            began = time.monotonic()
            await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(20)))
            answer = await door.get(f"http://good.localhost:{server.port}/")
            took = time.monotonic() - began
            dead.over.set()
            ends = await asyncio.gather(*hanging, return_exceptions=True)
            assert [type(end) for end in ends] == [Later] * 50
            return answer, took

    answer, took = asyncio.run(go())
    assert answer.status == 200
    assert took < 3


def test_who_waits_for_a_thread_gives_up_in_time_and_leaves_nothing_behind(
    dead: _Dead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more names are looked up at a time than there is room for; who was in vain is no load on those who come."""
    monkeypatch.setattr(names, "MOST_THREADS", 3)

    async def go() -> list[str]:
        async with Door(user_agent="test", allow_private=True, gap=0, limits=QUICK) as door:
            asked = (door.get(f"http://dead{n}.localhost/") for n in range(9))
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert {getattr(end, "cause", None) for end in ends} == {"name"}
            assert dead.waiting == 3
            dead.over.set()
            return await door._resolve("good.localhost", 80)

    assert asyncio.run(go()) == ["127.0.0.1"]


def test_what_the_resolver_says_is_given_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses come in the resolver's order, each once; its errors are the asker's."""
    found = [(socket.AF_INET, 0, 0, "", (address, 80)) for address in ("127.0.0.2", "127.0.0.1", "127.0.0.2")]

    def answers(host: str, *_args: object, **_named: object) -> list[object]:
        if host == "none.localhost":
            raise socket.gaierror(8, "not known")
        return list(found)

    monkeypatch.setattr(socket, "getaddrinfo", answers)

    async def go() -> list[str]:
        resolver = Resolver()
        with pytest.raises(OSError, match="not known"):
            await resolver("none.localhost", 80)
        return await resolver("exa.localhost", 80)

    assert asyncio.run(go()) == ["127.0.0.2", "127.0.0.1"]


def test_a_thread_that_cannot_be_started_is_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine gives no thread the visit is for later, and the place in line goes to whoever comes next."""
    monkeypatch.setattr(names, "MOST_THREADS", 1)
    monkeypatch.setattr(names, "look_up", lambda _host, _port: ["127.0.0.1"])

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def go() -> list[str]:
        async with Door(user_agent="test", allow_private=True, gap=0, limits=QUICK) as door:
            with monkeypatch.context() as without:
                without.setattr(threading.Thread, "start", start)
                for _ in range(2):
                    with pytest.raises(Later, match="can start no thread") as later:
                        await door.get("http://good.localhost/")
                    assert later.value.cause == "name"
            return await asyncio.wait_for(door._resolve("good.localhost", 80), 10)

    assert asyncio.run(go()) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "url", ["https://a..localhost/", "https://" + "a" * 64 + ".localhost/", "https://exa..localhost:443/x"]
)
@pytest.mark.parametrize("private", [True, False], ids=["intranet", "internet"])
def test_what_can_be_no_name_is_refused(url: str, *, private: bool) -> None:
    """A name with an empty part, or one of more than 63 characters, will never resolve: it is refused and told so."""

    async def go() -> None:
        async with Door(user_agent="test", allow_private=private, gap=0) as door:
            await door.get(url)

    with pytest.raises(Refused) as refused:
        asyncio.run(go())
    assert refused.value.rule == "url-host"
    assert refused.value.detail.endswith("a part of it is empty or has more than 63 characters.")


def test_threads_are_used_again_and_end_with_the_door() -> None:
    """One after the other names need one thread, and none is left behind."""
    known = set(threading.enumerate())

    def threads() -> int:
        return sum(thread.name == "resolver" and thread not in known for thread in threading.enumerate())

    async def go() -> int:
        async with Server(reply()) as server, Door(user_agent="test", allow_private=True, gap=0) as door:
            for _ in range(5):
                await door.get(server.url())
            most = threads()
        for _ in range(200):
            await asyncio.sleep(0.02 if threads() else 0.0)
        return most

    assert (asyncio.run(go()), threads()) == (1, 0)


HANGING = """
import asyncio, time
from federation import names

names.look_up = lambda host, port: time.sleep(60)

async def go():
    try:
        await asyncio.wait_for(names.Resolver()("dead.localhost", 80), 0.1)
    except TimeoutError:
        print("left")

asyncio.run(go())
"""


def test_a_look_up_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    """A process that stops does not wait for a resolver."""
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("left\n", "")
