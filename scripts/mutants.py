"""Change the core a little in one place, see whether a test notices, and do so everywhere: `make mutants`.

What coverage cannot say: a line that is walked may still be wrong unseen. The modules, and the tests that must notice,
are in pyproject.toml (`tool.mutmut`). mutmut lies beside `.venv`, in build/mutants/tool, and works on a copy of the
checkout in build/mutants/tree, where a run that was broken off goes on. Arguments are mutmut's, and name what to change
(`ARGS="federation.merge*"`).

Exit: 0 where at least 85 % of the changes are noticed (THREATS.md section 5), 1 below it, 2 where the set-up broke.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scripts import beside

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "mutants"
TOOL, TREE = HOME / "tool", HOME / "tree"
LOCK = ROOT / "requirements-mutants.txt"
PROMISE = 85
NOTICED, LEFT_OUT = frozenset({"killed", "caught by type check"}), frozenset({"skipped"})
"""What hangs is not counted as noticed: on a machine that is busy a test hangs by itself."""
Found = Mapping[str, Counter[str]]


def main(given: Sequence[str]) -> int:
    """Run mutmut to its end and tell what it has found, in this run and in those before it."""
    try:
        _prepare()
        _copy()
        _mutmut("run", *given)
        found = read(_mutmut("results", "--all", "true", kept=subprocess.PIPE).splitlines())
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"mutmut broke: {error}", file=sys.stderr)
        return 2
    print("\n".join(told(found)))
    return 0 if share(sum(found.values(), Counter())) >= PROMISE else 1


def read(lines: Iterable[str]) -> Found:
    """What became of the changes of each module, from lines such as `federation.merge.x_beats__mutmut_7: survived`."""
    found: dict[str, Counter[str]] = {}
    for line in lines:
        name, colon, became = line.strip().partition(": ")
        module, dot, _ = name.rpartition(".")
        if colon and dot and became != "not checked":
            found.setdefault(module, Counter())[became] += 1
    return found


def share(became: Counter[str]) -> float:
    """How many of a hundred changes were noticed."""
    counted = sum(count for state, count in became.items() if state not in LEFT_OUT)
    return 100 * sum(became[state] for state in NOTICED) / max(1, counted)


def told(found: Found) -> list[str]:
    """A line a module, and one for all."""
    lines = [_line(module, became) for module, became in sorted(found.items())]
    return [*lines, _line("all", sum(found.values(), Counter()))]


def _line(name: str, became: Counter[str]) -> str:
    counted = sum(count for state, count in became.items() if state not in LEFT_OUT)
    return f"{name}: {share(became):.0f} % of {counted:,} changes are noticed"


def _prepare() -> None:
    if not beside.stands(LOCK, HOME):
        shutil.rmtree(TOOL, ignore_errors=True)
        beside.install(LOCK, HOME, sys.executable, "--target", str(TOOL))


def _copy() -> None:
    """Bring the copy to what is here, and touch nothing that is the same: mutmut then knows what it has done."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    for name in filter(None, listed.stdout.split("\0")):
        here, there = ROOT / name, TREE / name
        if not here.exists():
            there.unlink(missing_ok=True)
        elif not there.exists() or not filecmp.cmp(here, there, shallow=False):
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(here, there)


def _mutmut(*arguments: str, kept: int | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(TOOL), "CI": "true"}  # laws are tried on the same cases each time
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=TREE, env=environment, check=True, text=True, stdout=kept)  # noqa: S603 - pinned
    return done.stdout or ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
