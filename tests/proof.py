"""How large a proof is this time, and where its figures go.

A test marked `proof` runs at a tenth of the CI size in `make test`, at full size by `make prove` (SIZE=ci or release).
Each figure is printed as it is found and kept in `build/proofs/`, from which docs/proofs.md is written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

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
    sys.stdout.write(f"\n{threat} {what}: {told}{unit} (goal: {goal})\n")
    if size() == "tenth":
        return
    folder = ROOT / "build" / "proofs"
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"threat": threat, "what": what, "found": f"{told}{unit}", "goal": goal, "commit": _commit()}
    with (folder / f"{size()}.jsonl").open("a") as lines:
        lines.write(json.dumps({**kept, "at": datetime.now(UTC).isoformat(timespec="seconds")}) + "\n")


def _commit() -> str:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
