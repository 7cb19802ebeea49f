"""What reads foreign bytes raises an error of the house or keeps its promises, whatever the bytes are."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

import pytest

from tests.fuzz.mutate import mutations
from tests.fuzz.seeds import kept, seeds
from tests.fuzz.targets import TARGETS
from tests.proof import ROOT, figure, sized

HANG_SECONDS = 30
SECONDS = sized(60, 30 * 60)
MUTATIONS = {"xlsx": sized(1_000, 20_000), "query-string": sized(2_000, 50_000)}


class Hang(BaseException):
    """An input is read for longer than any input should be; no `except Exception` swallows it."""


@contextmanager
def _deadline() -> Iterator[None]:
    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _read(target: str, body: bytes) -> None:
    try:
        with _deadline():
            TARGETS[target](body)
    except BaseException as error:
        error.add_note(f"{target} was given {body!r}")
        raise


@pytest.mark.parametrize("target", TARGETS)
def test_t06_what_once_found_a_fault_finds_none_now(target: str) -> None:
    """Every good input, and every input that once broke a reader, is read or refused by an error of the house."""
    for body in [b"", *seeds(target)]:
        _read(target, body)


@pytest.mark.parametrize(("target", "name"), [(target, name) for target in TARGETS for name in kept(target)])
def test_t06_each_kept_input_is_read(target: str, name: str) -> None:
    """An input that once found a fault is read, alone, so that a new fault is named after it."""
    _read(target, kept(target)[name])


@pytest.mark.proof
@pytest.mark.parametrize("target", TARGETS)
def test_t06_bytes_changed_at_random_break_no_reader(target: str) -> None:
    """Good inputs with changes at random are read or refused by an error of the house, and none hangs."""
    count = MUTATIONS.get(target, sized(12_000, 110_000))
    for body in mutations(seeds(target), count, Random(f"{target} {count}")):
        _read(target, body)
    figure("T06", f"inputs changed at random, {target}: faults in {count:,}", 0, goal="0")


@pytest.mark.prove
@pytest.mark.parametrize("target", TARGETS)
def test_t06_atheris_finds_no_fault(target: str, tmp_path: Path) -> None:
    """A fuzzer that watches which code an input reaches finds no input that breaks a reader or hangs it."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris has no wheel for this platform: the harnesses ran on changes at random alone")
    found = tmp_path / "found"
    found.mkdir()
    command = [sys.executable, "-m", "tests.fuzz.drive", target, str(SECONDS), str(found)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS + 300, check=False
    )
    faults = [path for path in found.iterdir() if path.is_file()]
    keep = ROOT / "build" / "fuzz" / target
    for fault in faults:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / fault.name).write_bytes(fault.read_bytes())
    told = re.search(r"number_of_executed_units:\s*([0-9]+)", done.stderr)
    runs = int(told[1]) if told else 0
    figure("T06", f"atheris, {target}, {SECONDS} s: faults in {runs:,} runs", len(faults), goal="0")
    assert runs > SECONDS, done.stderr[-6000:]
    assert done.returncode == 0, f"{keep}: {[fault.name for fault in faults]}\n{done.stderr[-6000:]}"
