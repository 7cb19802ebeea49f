"""Say how much of the five rooms the tests walked through, and fail below the promise.

Reads the `.coverage` file that `make cover` leaves. Branches are judged by themselves too: lines alone flatter.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage

PROMISE = 95  # per cent, of lines with branches and of branches alone


def main() -> int:
    """Print one line; return 1 below the promise."""
    measured = Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report))
        totals = json.loads(report.read_text())["totals"]
    both = totals["percent_covered"]
    branches = 100 * totals["covered_branches"] / max(1, totals["num_branches"])
    print(f"Coverage: {both:.1f} % of lines and branches, {branches:.1f} % of branches alone.")
    if min(both, branches) >= PROMISE:
        return 0
    missing = io.StringIO()
    measured.report(file=missing, show_missing=True, skip_covered=True)
    print(missing.getvalue(), f"Below the promised {PROMISE} %.", sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
