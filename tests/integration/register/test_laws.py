"""Laws of importing, over any register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation import publishers, register
from federation.database import Database
from federation.register import Outcome
from federation.wishes import File, Wish
from schema.change import canonical
from tests.integration.register.conftest import as_csv
from tests.services import NODE, NOW

REFERENCES = st.sampled_from(["A", "B", "b", "Ä/1", "C 1", "D.", "", "E~", "F%20"])
TITLES = st.sampled_from(["", "Bins", "Roads", "bins!", "Schools"])
ENDS = st.sampled_from(["", "2026-01-01", "31/12/2030", "TBC"])
ROW = st.fixed_dictionaries({"reference": REFERENCES, "title": TITLES, "endDate": ENDS})
REGISTER = st.lists(ROW, max_size=12)
Rows = Sequence[Mapping[str, object]]
_numbers = count()


class _Council:
    """A publisher of its own for each example: one database serves them all."""

    def __init__(self, database: Database) -> None:
        self.database = database
        code = f"T{next(_numbers):06}"
        organisation = {"name": "Testshire", "identifiers": [{"scheme": "XM-TEST", "id": code}]}
        with database.write() as session:
            self.name = publishers.add(session, public_url=NODE, organisation=organisation, now=NOW)

    def bring(self, rows: Rows, **wish: bool) -> Outcome:
        file = File(as_csv(rows), "register.csv", "contract", self.name)
        return register.run(self.database, file, Wish(**wish), node=NODE, now=NOW)

    def live(self) -> dict[str, bytes]:
        with self.database.read() as session:
            found = register.published(session, File(b"", "", "contract", self.name)).live
        return {record: canonical(data) for record, data in found.items()}


laws = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@laws
@given(rows=REGISTER)
def test_importing_twice_is_importing_once(database: Database, rows: Rows) -> None:
    """The second import of a file changes nothing, whatever the file holds."""
    council = _Council(database)
    council.bring(rows, accept_good_rows=True, confirm_removals=True)
    once = council.live()
    again = council.bring(rows, accept_good_rows=True, confirm_removals=True)
    assert (again.plan.created, again.plan.updated, again.plan.deleted) == ([], [], [])
    assert council.live() == once


@laws
@given(first=REGISTER, second=REGISTER, partial=st.booleans(), accept=st.booleans())
def test_a_dry_run_is_the_real_run_untold(
    database: Database, first: Rows, second: Rows, *, partial: bool, accept: bool
) -> None:
    """A dry run changes nothing, and the real run after it reports the same and does what it said."""
    council = _Council(database)
    council.bring(first, accept_good_rows=True, confirm_removals=True)
    before = council.live()
    told = council.bring(second, partial=partial, accept_good_rows=accept, dry_run=True)
    assert council.live() == before
    done = council.bring(second, partial=partial, accept_good_rows=accept)
    after = council.live()
    assert (told.state, told.report.as_json()) == (done.state, done.report.as_json())
    if done.state != "done":
        assert after == before
        return
    assert set(told.plan.created) == after.keys() - before.keys()
    assert set(told.plan.deleted) == before.keys() - after.keys()
    assert set(told.plan.updated) == {
        record for record in after.keys() & before.keys() if after[record] != before[record]
    }


@laws
@given(rows=REGISTER, spoilt=st.sets(st.integers(0, 11)))
def test_a_refused_row_never_removes(database: Database, rows: Rows, spoilt: set[int]) -> None:
    """When titles are lost from some rows of a register, no record of these rows is withdrawn."""
    rows = [row for row in rows if row["reference"]]
    council = _Council(database)
    council.bring(rows, accept_good_rows=True, confirm_removals=True)
    before = council.live()
    worse = [{**row, "title": ""} if turn in spoilt else row for turn, row in enumerate(rows)]
    done = council.bring(worse, accept_good_rows=True, confirm_removals=True)
    lost = {str(row["reference"]) for turn, row in enumerate(rows) if turn in spoilt}
    kept = {record for record in before if any(f'"reference":"{name}"'.encode() in before[record] for name in lost)}
    assert not kept & set(done.plan.deleted)


@laws
@given(rows=REGISTER, order=st.randoms(use_true_random=False))
def test_the_order_of_rows_says_nothing(database: Database, rows: Rows, order: object) -> None:
    """The same rows in another order are the same register."""
    council = _Council(database)
    council.bring(rows, accept_good_rows=True, confirm_removals=True)
    before = council.live()
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    council.bring(shuffled, accept_good_rows=True, confirm_removals=True)
    assert council.live() == before
