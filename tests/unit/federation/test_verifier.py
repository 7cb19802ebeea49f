"""Signatures verified by a process beside the crawl: the same answers, and none lost with the process."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation import sign, verifier, verifying
from federation.sign import Asked, Ring, Signer
from federation.verifier import FEWEST, Verifier

NODE, OTHER = "https://exa.example/.well-known/folkmoot", "https://other.example/.well-known/folkmoot"
SIGNER, STRANGER = Signer("k1", b"1" * 32), Signer("k2", b"2" * 32)
RINGS = {NODE: Ring([SIGNER.jwk])}


def _asked(number: int, signer: Signer | None, *, node: str = NODE, forged: bool = False, data: bytes = b"") -> Asked:
    data = data or b'{"title":"Contract %d","value":1.50}' % number
    origin = b'{"node":"%s","seq":%d,"time":"2026-11-02T09:00:00Z"}' % (node.encode(), number)
    name = f"https://exa.example/contract/{number}"
    told = sign.payload(record_id=name, kind="contract", data=data, reason=None, moved_to=None, origin=origin)
    sig = None if signer is None else signer.sign(told + b" " if forged else told)
    return Asked(node, name, "contract", data, None, None, origin, "2026-11-02T09:00:00Z", sig)


PAGE = [
    *(_asked(number, SIGNER) for number in range(FEWEST)),
    _asked(100, None),
    _asked(101, SIGNER, forged=True),
    _asked(102, STRANGER),
    _asked(103, SIGNER, node=OTHER),
    _asked(104, SIGNER, data=b'{"title":"Gro\xc3\x9fe","value":1e22}'),
]
WORTH = [*["valid"] * FEWEST, "absent", "invalid", "unknown-key", "unknown-key", "valid"]


@pytest.fixture
def verifies() -> Iterator[Verifier]:
    made = Verifier()
    yield made
    made.close()


def _pid(verifies: Verifier) -> int:
    assert verifies._child is not None
    return verifies._child.pid


def test_a_process_of_its_own_gives_the_same_answers(verifies: Verifier) -> None:
    """Each of the four states comes back from the process as it is found here, in the page's order."""
    assert sign.states(PAGE, RINGS) == WORTH
    assert verifies.states(PAGE, RINGS) == WORTH
    assert verifies.states(PAGE[::-1], RINGS) == WORTH[::-1]
    assert verifies._child is not None


def test_few_signatures_and_none_start_no_process(verifies: Verifier) -> None:
    """A crawl of unsigned records, and a change or two, are judged without another process."""
    assert verifies.states(PAGE[1:FEWEST], RINGS) == WORTH[1:FEWEST]
    assert verifies.states([_asked(number, None) for number in range(500)], RINGS) == ["absent"] * 500
    assert verifies._child is None


def test_large_pages_are_asked_for_in_parts(verifies: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many megabytes is never held twice more: it goes over in parts, and comes back whole."""
    monkeypatch.setattr(verifier, "MOST_BYTES", 500)
    assert max(map(len, verifier._parts(PAGE))) < 6
    assert verifies.states(PAGE, RINGS) == WORTH


@pytest.mark.parametrize("most", [5, 11, len(PAGE), len(PAGE) + 1])
def test_parts_are_the_page_and_none_is_empty(verifies: Verifier, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """However many go over at once, the parts are the page in its order, and nothing is asked for in vain."""
    monkeypatch.setattr(verifier, "MOST", most)
    parts = list(verifier._parts(PAGE))
    assert [one for part in parts for one in part] == PAGE
    assert all(1 <= len(part) <= most for part in parts)
    assert verifies.states(PAGE, RINGS) == WORTH


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_page_survives_the_process_that_verifies_it(verifies: Verifier, how: signal.Signals) -> None:
    """Where the process dies or stands still, the page is verified here, and the next one by a new process."""
    assert verifies.states(PAGE, RINGS) == WORTH
    first = _pid(verifies)
    assert verifies._line is not None
    verifies._line.settimeout(0.3)
    os.kill(first, how)
    assert verifies.states(PAGE, RINGS) == WORTH
    assert (verifies._child, Path(f"/proc/{first}").exists()) == (None, False)
    assert verifies.states(PAGE, RINGS) == WORTH
    assert _pid(verifies) != first


def test_a_process_that_breaks_off_again_and_again_is_given_up(
    verifies: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three vain tries everything is verified here, and nothing is lost."""
    monkeypatch.setattr(verifying, "__name__", "federation.no_such_module")
    for _ in range(5):
        assert verifies.states(PAGE, RINGS) == WORTH
    assert (verifies._left, verifies._child) == (0, None)


def test_a_page_is_whole_though_it_comes_in_pieces(verifies: Verifier) -> None:
    """What the process answers is read to its end, however the kernel cuts it; an end before that breaks off."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for part in (b"abc", b"d", b"ef"):
            theirs.sendall(part)
        assert verifier._exactly(ours, 5) == b"abcde"
        theirs.sendall(b"g")
        theirs.close()
        with pytest.raises(ConnectionError, match="the other end is gone"):
            verifier._exactly(ours, 5)
    assert verifies._child is None


def test_the_process_ends_with_the_one_that_asks(verifies: Verifier) -> None:
    """It reads until nobody is there any more, so that a killed crawl leaves nothing behind."""
    assert verifies.states(PAGE, RINGS) == WORTH
    child, line = verifies._child, verifies._line
    assert child is not None
    assert line is not None
    line.close()  # as the kernel does for whoever is killed
    assert child.wait(10) == 0


def test_closing_ends_the_process_at_once(verifies: Verifier) -> None:
    """A crawl that ends leaves no process."""
    assert verifies.states(PAGE, RINGS) == WORTH
    pid, began = _pid(verifies), time.monotonic()
    verifies.close()
    assert not Path(f"/proc/{pid}").exists()
    assert time.monotonic() - began < 5
