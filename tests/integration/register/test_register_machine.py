"""Importing against a plain model: a dict of what is live, and the rules of protocol section 7 in a few lines."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from federation.database import Database
from tests.integration.register.test_laws import Rows, _Council
from tests.machine import examples
from tests.proof import figure

EXAMPLES = examples(600, steps=8)
REFERENCES = [f"R{number:02}" for number in range(30)]
Live = dict[str, dict[str, Any]]


@st.composite
def registers(draw: st.DrawFn) -> Rows:
    """Rows with references of their own: few or many; some without a title, some ends that cannot be read."""
    chosen = draw(st.one_of(st.sets(st.sampled_from(REFERENCES[:5])), st.sampled_from([REFERENCES, REFERENCES[8:]])))
    titles = st.sampled_from(["Bins", "Roads", "Schools", "Parks", ""])
    ends = st.sampled_from(["", "2026-01-01", "2030-12-31", "TBC"])
    whole = len(chosen) > 5
    title, end = draw(titles.filter(bool)), draw(ends)
    return [
        {"reference": one, "title": title if whole else draw(titles), "endDate": end if whole else draw(ends)}
        for one in sorted(chosen)
    ]


def expected(live: Live, rows: Rows, *, partial: bool, accept: bool, confirm: bool) -> tuple[str, Live]:
    """What an import comes to: done, refused or held, and what is live then."""
    good: Live = {}
    for row in rows:
        if row["title"]:
            ends = {"endDate": row["endDate"]} if row["endDate"] not in ("", "TBC") else {}
            good[str(row["reference"])] = {"reference": row["reference"], "title": row["title"], **ends}
    refused = {str(row["reference"]) for row in rows if not row["title"]}
    if refused and not accept:
        return "refused", live
    gone = set() if partial else live.keys() - good.keys() - refused
    large = len(gone) >= 20 and len(gone) * 5 > len(live)
    if not partial and (large or not good) and not confirm:
        return "held", live
    return "done", {name: data for name, data in live.items() if name not in gone} | good


class Importing(RuleBasedStateMachine):
    """One council brings registers, each in its own way."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.council, self.live = _Council(self.database), Live()

    @rule(rows=registers(), partial=st.booleans(), accept=st.booleans(), confirm=st.booleans(), dry=st.booleans())
    def bring(self, rows: Rows, *, partial: bool, accept: bool, confirm: bool, dry: bool) -> None:
        wanted, after = expected(self.live, rows, partial=partial, accept=accept, confirm=confirm)
        outcome = self.council.bring(
            rows, partial=partial, accept_good_rows=accept, confirm_removals=confirm, dry_run=dry
        )
        assert outcome.state == wanted
        if wanted == "done" and not dry:
            told = (len(outcome.plan.created), len(outcome.plan.deleted))
            assert told == (len(after.keys() - self.live.keys()), len(self.live.keys() - after.keys()))
            self.live = after
        found = {data["reference"]: data for data in map(orjson.loads, self.council.live().values())}
        assert found == self.live


@pytest.mark.proof
def test_t29_importing_does_as_the_model(database: Database, engine_name: str) -> None:
    """Whole and partial registers, good rows and bad, held and confirmed: what is live is what the model says."""
    Importing.database = database
    run_state_machine_as_test(Importing, settings=EXAMPLES)
    figure(
        "T29",
        f"importing against its model, {engine_name}, {EXAMPLES.max_examples:,} sequences: differences",
        0,
        goal="0",
    )
