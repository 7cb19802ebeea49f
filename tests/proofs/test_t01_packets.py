"""Not one packet goes inward: the same vectors as tests/hostile/test_ssrf.py, on a machine whose wires are counted."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.outside import PUBLIC
from tests.proof import figure
from tests.proofs import namespaces
from tests.proofs.namespaces import Machine, Network

pytestmark = [pytest.mark.prove]
TRY = "import socket, sys; socket.create_connection((sys.argv[1], 80), 0.3)"


@pytest.fixture
def wired() -> Iterator[tuple[Network, Machine]]:
    """A machine with two wires: one to the public host alone, and one that everything else would take."""
    reason = namespaces.unavailable()
    if reason:
        pytest.skip(reason)
    with Network() as network:
        network.hub.run(*f"ip addr add {PUBLIC}/24 dev bridge".split())
        machine = network.machine("10.77.0.9")
        for line in (
            "addr flush dev eth0",
            "addr add 8.8.8.9/24 dev eth0",
            "link add inward type veth peer name wall",
            "link set inward addrgenmode none",
            "link set wall addrgenmode none",
            "link set wall up",
            "link set inward up",
            "addr add 192.0.2.9/32 dev inward",
            "-6 addr add fd00::9/128 dev inward nodad",
            "route add default dev inward",
            "-6 route add default dev inward",
        ):
            machine.run("ip", *line.split())
        _settle(machine)
        yield network, machine


def _sent(machine: Machine, *wires: str) -> list[int]:
    told = json.loads(machine.run("ip", "-s", "-j", "link", "show"))
    packets = {wire["ifname"]: wire["stats64"]["tx"]["packets"] for wire in told}
    return [packets[wire] for wire in wires]


def _settle(machine: Machine) -> None:
    """Wait until the kernel has told the wires of the addresses that they were given (RFC 3810)."""
    for _ in range(10):
        before = _sent(machine, "inward", "lo")
        time.sleep(2)
        if _sent(machine, "inward", "lo") == before:
            return
    raise AssertionError("the wires do not fall silent")


def test_t01_no_packet_goes_inward(wired: tuple[Network, Machine]) -> None:
    """390 vectors by the real door over real TLS: the public host is asked, and nothing leaves by any other wire."""
    network, machine = wired
    inward, loopback, outward = _sent(machine, "inward", "lo", "eth0")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    told = machine.run(
        "env", *(f"{k}={v}" for k, v in environment.items()),
        sys.executable, "-m", "tests.proofs.vectors", str(network.hub.pid),
    )  # fmt: skip
    found = json.loads(told.splitlines()[-1])
    after = _sent(machine, "inward", "lo", "eth0")
    assert found["vectors"] == 390
    assert found["asked"] >= 100, "the public host was hardly asked: the vectors did not come to the door"
    assert after[2] > outward
    sent = after[0] - inward + after[1] - loopback
    figure("T01", f"packets sent inward by 390 vectors ({found['asked']} requests to the public host)", sent, goal="0")
    assert sent == 0


@pytest.mark.parametrize(
    ("address", "wire"), [("10.0.0.1", "inward"), ("127.0.0.1", "lo"), ("fd00:ec2::254", "inward")]
)
def test_t01_a_packet_would_be_seen(wired: tuple[Network, Machine], address: str, wire: str) -> None:
    """A connection that is tried inward is counted: the proof can fail."""
    _network, machine = wired
    (before,) = _sent(machine, wire)
    machine.run("sh", "-c", f'{sys.executable} -c "{TRY}" {address} 2>/dev/null || true')
    assert _sent(machine, wire)[0] > before
