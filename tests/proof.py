"""How large a proof is this time, and where its figures go.

A test marked `proof` runs at a tenth of the CI size in `make test`, at full size by `make prove` (SIZE=ci or release).
Each figure is printed as it is found and kept in `build/proofs/`, from which docs/proofs.md is written. A proof that
has passed at this size and commit is not run again (`tests/proving.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

ROOT = Path(__file__).parents[1]
Size = Literal["tenth", "ci", "release"]


def size() -> Size:
    """The size that was asked for: a tenth of CI's where nobody asked."""
    asked = os.environ.get("FOLKMOOT_PROVE_SIZE", "tenth")
    if asked not in ("tenth", "ci", "release"):
        raise ValueError(f"SIZE is {asked}; expected ci or release")
    return cast("Size", asked)


def sized(ci: int, release: int) -> int:
    """How many cases: a tenth of `ci` in `make test`, `ci` in CI, `release` before a release."""
    return {"tenth": max(1, ci // 10), "ci": ci, "release": release}[size()]


def figure(threat: str, what: str, found: float | str, *, goal: str, unit: str = "") -> None:
    """Print a figure of a proof and, at the sizes that are published, keep it. `threat` is its row, such as `T14`."""
    told = f"{found:,}" if isinstance(found, int) else str(found)
    print(f"\n{threat} {what}: {told}{unit} (goal: {goal})", flush=True)  # noqa: T201 - a proof tells its figures
    keep({"threat": threat, "what": what, "found": f"{told}{unit}", "goal": goal, "proof": running()})


def keep(line: dict[str, Any]) -> None:
    """Add a line to what was found at this size, with the commit, the machine and the time."""
    if size() == "tenth":
        return
    kept().parent.mkdir(parents=True, exist_ok=True)
    known = {"size": size(), "commit": commit(), "machine": machine()}
    known["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    with kept().open("a") as lines:
        lines.write(json.dumps(line | known) + "\n")


def kept() -> Path:
    """The file of this size's figures."""
    return ROOT / "build" / "proofs" / f"{size()}.jsonl"


def passed() -> set[str]:
    """The proofs that have passed at this size and commit; none in a checkout with changes of its own."""
    if size() == "tenth" or commit().endswith("+") or not kept().exists():
        return set()
    lines = (json.loads(line) for line in kept().read_text().splitlines())
    return {line["passed"] for line in lines if line.get("commit") == commit() and "passed" in line}


def running() -> str:
    """The test that runs, without the folder that the checkout stands in."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]


@cache
def machine() -> str:
    """What the figures were got on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {next(named, 'processor')}, {memory:.0f} GiB"


@cache
def commit() -> str:
    """The commit of the checkout, with a `+` where files differ from it."""
    at = _git("rev-parse", "--short=10", "HEAD")
    return at + ("+" if at and _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*asked: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *asked], capture_output=True, text=True, check=False).stdout.strip()
