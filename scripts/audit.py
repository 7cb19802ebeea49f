"""Ask an advisory database about every locked package: `make audit`.

pip-audit lives in an environment of its own, build/audit: it needs packages that neither a server nor its tests have.
Arguments are handed on to it (`ARGS="--vulnerability-service osv"`).

Exit: 0 every package was asked about and nothing is known against any; 1 something is known; 2 the set-up broke;
3 some or all could not be asked about, for there is no route to a database from here, or to a package index that has
pip-audit: that says nothing either way.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts import beside

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "audit"
TOOLS = ROOT / "requirements-audit.txt"
LOCKS = (
    *("requirements.txt", "requirements-dev.txt", "requirements-build.txt", "requirements-mutants.txt"),
    "requirements-audit.txt",
)
CLEAN, KNOWN, BROKEN, NOBODY = 0, 1, 2, 3
NO_INDEX = re.compile(r"\(from versions: none\)|Max retries exceeded|Read timed out")
"""What pip says where no index answers it: a version or a hash that an index does not have, it says otherwise."""
NO_DATABASE = re.compile(
    r"(requests|urllib3)\.exceptions\.\w+|pip_audit\._service\.\S+Error|.*your network may be blocking"
)
"""How the last line of pip-audit begins where its database did not answer, or with an error of its own."""


def verdict(lock: str, report: Mapping[str, Any]) -> tuple[int, list[str]]:
    """What a report of pip-audit comes to. A package that it passed over was not asked about, whatever it says."""
    packages = report["dependencies"]
    bad = [one for one in packages if one.get("vulns")]
    passed = [one["name"] for one in packages if "skip_reason" in one]
    lines = [
        f"{lock}: {one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for one in bad
        for found in one["vulns"]
    ]
    if passed:
        named = ", ".join(passed[:5]) + (" ..." if len(passed) > 5 else "")
        lines.append(f"{lock}: {len(passed)} of {len(packages)} packages could not be asked about: {named}")
    if not lines:
        lines.append(f"{lock}: nothing is known against any of its {len(packages)} packages.")
    return (KNOWN if bad else NOBODY if passed else CLEAN), lines


def main(given: Sequence[str]) -> int:
    """Ask about each lock; the worst answer is the exit code."""
    try:
        _prepare()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"pip-audit could not be installed: {error}", file=sys.stderr)
        worst = NOBODY if NO_INDEX.search(str(getattr(error, "stderr", None) or "")) else BROKEN
    else:
        worst = _ask_all(given)
    if worst == NOBODY:
        print("No route to an advisory database from here (exit 3): ask again where there is one.", file=sys.stderr)
    return worst


def _ask_all(given: Sequence[str]) -> int:
    codes = []
    for lock in LOCKS:
        code, lines = _ask(lock, given)
        codes.append(code)
        print("\n".join(lines), file=sys.stdout if code == CLEAN else sys.stderr)
    return next((code for code in (KNOWN, BROKEN, NOBODY) if code in codes), CLEAN)


def _prepare() -> None:
    if not beside.stands(TOOLS, HOME):
        venv.create(HOME, clear=True, with_pip=True)
        beside.install(TOOLS, HOME, HOME / "bin" / "python")


def _ask(lock: str, given: Sequence[str]) -> tuple[int, list[str]]:
    report = HOME / f"{lock}.json"
    report.unlink(missing_ok=True)
    asked = [str(HOME / "bin" / "pip-audit"), "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    asked += ["--format", "json", "--output", str(report), "-r", str(ROOT / lock), *given]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - pip-audit, pinned
    if report.exists() and report.stat().st_size:
        return verdict(lock, json.loads(report.read_text()))
    code, told = gave_up(done.stderr)  # it writes no report then
    return code, [f"{lock}: pip-audit gave up: {told[:300]}"]


def gave_up(said: str) -> tuple[int, str]:
    """What it comes to that pip-audit wrote no report, and its last words: its database is away, or it broke."""
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    return (NOBODY if NO_DATABASE.match(last) else BROKEN), last


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
