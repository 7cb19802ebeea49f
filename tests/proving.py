"""`make prove` goes on where it stopped: a proof that passed at this size and commit is skipped, unless asked again.

`FOLKMOOT_PROVE_AGAIN=1` runs it all the same. A checkout with changes of its own has no commit to speak of: all run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import proof

_REPORTS = pytest.StashKey[list[tuple[str, bool, float]]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what has passed."""
    if os.environ.get("FOLKMOOT_PROVE_AGAIN") or config.option.collectonly:
        return
    passed = proof.passed()
    done = pytest.mark.skip(reason=f"passed at this size and commit, {proof.commit()}" if passed else "")
    for item in items:
        if item.nodeid in passed:
            item.add_marker(done)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # the report is passed through
    """Note a proof that passed: with all its subtests, which have reports of their own, and with what its end asks."""
    report = yield
    if not any(item.iter_markers("proof")) | any(item.iter_markers("prove")):
        return report
    reports = item.stash.setdefault(_REPORTS, [])
    reports.append((call.when, report.passed, call.duration))  # type: ignore[attr-defined]
    tried = [seconds for when, _passed, seconds in reports if when == "call"]
    if call.when == "teardown" and tried and all(passed for _when, passed, _seconds in reports):
        proof.keep({"passed": item.nodeid, "seconds": round(max(tried), 1)})
    return report
