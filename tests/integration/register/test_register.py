"""A file is the whole register of one kind of one publisher: what its import changes, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest

from exchange.reading import Parsed, parse
from federation import erasure, log, moving, publishers, register, writes
from federation.database import WriteSession
from federation.register import Outcome
from federation.wishes import File, Wish
from schema.errors import Busy, Malformed, NotFound
from tests.integration.register.conftest import Office, as_csv, contracts, counts
from tests.services import NODE, NOW, PREFIX, PUBLISHER

NODE_ID = f"{NODE}/.well-known/folkmoot"


def test_only_what_differs_changes(office: Office) -> None:
    """A second file creates, updates and removes what differs from the first, and touches nothing else."""
    rows = contracts(10)
    assert counts(office.bring(rows)) == (10, 0, 0, 0)
    before = office.latest()
    changed: list[Mapping[str, object]] = [
        *rows[:4],
        {**rows[4], "title": "Renewed"},
        *rows[5:9],
        {"reference": "NEW", "title": "New"},
    ]
    assert counts(office.bring(changed)) == (1, 1, 1, 8)
    assert office.latest() == before + 3
    assert office.live()["contract/C004"]["title"] == "Renewed"
    assert "contract/C009" not in office.live()


def test_the_same_file_again_changes_nothing(office: Office) -> None:
    """An import of what is published already takes no change number."""
    office.bring(contracts(5))
    before = office.latest()
    assert counts(office.bring(contracts(5))) == (0, 0, 0, 5)
    assert office.latest() == before


@pytest.mark.parametrize(
    ("end", "reason"),
    [("2026-11-01", "ended"), ("2026-11-02", "withdrawn"), ("2030-01-01", "withdrawn"), ("", "withdrawn")],
)
def test_what_is_gone_leaves_a_tombstone_that_says_why(office: Office, end: str, reason: str) -> None:
    """A row gone from the file after its record's last day has ended; any other is withdrawn."""
    office.bring([*contracts(2), {"reference": "X", "title": "Going", "endDate": end}])
    office.bring(contracts(2))
    entry = office.entry("contract/X")
    assert entry is not None
    assert (entry.data, entry.reason) == (None, reason)


def test_a_partial_file_removes_nothing(office: Office) -> None:
    """With `partial` a file adds and updates; what it does not name stays, even where the file is empty."""
    office.bring(contracts(30))
    assert counts(office.bring([{"reference": "C000", "title": "Renewed"}], partial=True)) == (0, 1, 0, 0)
    assert office.bring([], partial=True).state == "done"
    assert len(office.live()) == 30


def test_one_refused_row_keeps_everything_from_landing(office: Office) -> None:
    """With errors nothing lands: no row is published, none is removed, and the counts of changes are 0."""
    office.bring(contracts(3))
    before = office.latest()
    done = office.bring([{"reference": "C000", "title": ""}, {"reference": "NEW", "title": "New"}])
    assert (done.state, counts(done), done.report.refused) == ("refused", (0, 0, 0, 0), 1)
    assert "1 row" in done.error
    assert office.latest() == before


def test_a_refused_row_keeps_what_is_published_for_it(office: Office) -> None:
    """With `accept_good_rows` good rows land, and the record of a refused row stays as it is."""
    office.bring(contracts(3))
    done = office.bring(
        [{"reference": "C000", "title": ""}, {"reference": "C001", "title": "Renewed"}], accept_good_rows=True
    )
    assert (done.state, done.report.updated, done.report.deleted) == ("done", 1, 1)
    assert {name: data["title"] for name, data in office.live().items()} == {
        "contract/C000": "Contract 0",
        "contract/C001": "Renewed",
    }


@pytest.mark.parametrize(
    ("live", "left", "state"), [(100, 80, "done"), (100, 79, "held"), (40, 21, "done"), (40, 20, "held")]
)
def test_a_large_removal_is_held(office: Office, live: int, left: int, state: str) -> None:
    """More than a fifth of the live records, and at least 20, go only when a person confirms it."""
    office.bring(contracts(live))
    before = office.latest()
    done = office.bring(contracts(left))
    assert done.state == state
    if state == "held":
        assert office.latest() == before
        assert [fault.code for fault in done.report.problems] == ["removal-guard"]
        assert "Aggregators" in done.error
        confirmed = office.bring(contracts(left), confirm_removals=True)
        assert (confirmed.state, confirmed.report.deleted) == ("done", live - left)
        assert "Aggregators" in confirmed.report.problems[0].message
    assert len(office.live()) == left


@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_empty_file_is_always_held(office: Office, before: int) -> None:
    """A header without rows is held however little is published, until somebody confirms it."""
    office.bring(contracts(before), confirm_removals=True)
    assert office.bring([]).state == "held"
    assert len(office.live()) == before
    assert office.bring([], confirm_removals=True).report.deleted == before


def test_a_cut_off_file_is_no_register(office: Office) -> None:
    """A file that ends in the middle of a row is unreadable, not a removal of the rest."""
    office.bring(contracts(30))
    whole = as_csv(contracts(30))
    with pytest.raises(Malformed):
        office.bring(whole[: len(whole) - 4])
    assert len(office.live()) == 30


def test_a_dry_run_tells_and_changes_nothing(office: Office) -> None:
    """A dry run gives the report and the difference of the real run, and leaves the log alone."""
    office.bring(contracts(10))
    changed: list[Mapping[str, object]] = [
        {"reference": "C000", "title": "Renewed"},
        *contracts(9)[1:],
        {"reference": "NEW", "title": "New"},
    ]
    before = office.latest()
    told = office.bring(changed, dry_run=True)
    assert office.latest() == before
    done = office.bring(changed)
    assert told.report.as_json() == done.report.as_json()
    assert (told.plan.created, told.plan.updated, told.plan.deleted) == (
        [f"{PREFIX}contract/NEW"],
        [f"{PREFIX}contract/C000"],
        [f"{PREFIX}contract/C009"],
    )


def test_kinds_and_publishers_keep_out_of_each_others_way(office: Office) -> None:
    """A register of tools removes no contract."""
    office.bring(contracts(3))
    tools = as_csv([{"reference": "T1", "name": "PlanRight"}], ("reference", "name"))
    office.bring(tools, "tool")
    office.bring(as_csv([{"reference": "T2", "name": "BinWise"}], ("reference", "name")), "tool")
    assert (len(office.live()), list(office.live("tool"))) == (3, ["tool/T2"])


def test_a_withdrawn_record_comes_back(office: Office) -> None:
    """A reference that returns to the file is published again at its id."""
    office.bring(contracts(5))
    office.bring(contracts(4))
    assert counts(office.bring(contracts(5))) == (1, 0, 0, 4)
    assert "contract/C004" in office.live()


def test_a_reference_in_a_link_becomes_an_id(office: Office) -> None:
    """Where a register names another record by its reference, the id of this publisher's record is published."""
    rows = as_csv(
        [{"reference": "C2", "title": "New", "replaces": "C 1", "tools": "T1"}],
        ("reference", "title", "replaces", "tools"),
    )
    office.bring(rows)
    data = office.live()["contract/C2"]
    assert (data["replaces"], data["tools"]) == ([f"{PREFIX}contract/C%201"], [f"{PREFIX}tool/T1"])


def test_the_organisation_changes_but_stays(office: Office) -> None:
    """A register of organisations updates the publisher's own record; other bodies are refused, nothing is removed."""
    header = ("name", "identifiers.0.scheme", "identifiers.0.id")
    own, other = ("Exampleshire Council", "GB-LAE", "EXA"), ("Otherton", "GB-LAE", "OTH")
    made: list[dict[str, object]] = [dict(zip(header, row, strict=True)) for row in (own, other)]
    assert office.bring(as_csv(made, header), "organisation").state == "refused"
    done = office.bring(as_csv(made, header), "organisation", accept_good_rows=True)
    assert (done.state, done.report.accepted, done.report.refused, done.report.updated) == ("done", 1, 1, 1)
    assert office.bring(as_csv([], header), "organisation", confirm_removals=True).report.deleted == 0
    assert office.live("organisation")["organisation/GB-LAE-EXA"]["name"] == "Exampleshire Council"


def test_an_unknown_publisher_is_told(office: Office) -> None:
    """A register of somebody whom this node does not publish for is not imported."""
    file = File(as_csv(contracts(1)), "register.csv", "contract", "GB-LAE-NOBODY")
    with pytest.raises(NotFound):
        register.run(office.database, file, Wish(), node=NODE, now=NOW)


def test_an_import_is_one_transaction(office: Office) -> None:
    """What fails at the end of an import takes all of it back."""

    def fail(_session: WriteSession, _outcome: Outcome) -> None:
        raise RuntimeError("power cut")

    before = office.latest()
    with pytest.raises(RuntimeError, match="power cut"):
        register.run(
            office.database,
            File(as_csv(contracts(30)), "register.csv", "contract", PUBLISHER),
            Wish(),
            node=NODE,
            now=NOW,
            also=fail,
        )
    assert (office.latest(), office.live()) == (before, {})


def _interrupted(
    office: Office, rows: bytes | Sequence[Mapping[str, object]], *others: Callable[[], object]
) -> Outcome:
    """Import a file; each time that it has been read, and nothing is decided yet, the next of the others publishes.

    It is read as often as there are others: what is published while it lies read is not known to it.
    """
    left = list(others)

    def interrupted(body: bytes, **named: Any) -> Parsed:
        parsed = parse(body, **named)
        left.pop(0)()
        return parsed

    body = rows if isinstance(rows, bytes) else as_csv(rows)
    file = File(body, "register.csv", "contract", PUBLISHER)
    done = register.run(office.database, file, Wish(), node=NODE, now=NOW, parse=interrupted)
    assert not left
    return done


def test_what_is_published_meanwhile_is_seen(office: Office) -> None:
    """A change that another writer commits while the file is read is compared with, and the file is not read again."""
    office.bring(contracts(3))
    late: list[Mapping[str, object]] = [*contracts(3), {"reference": "LATE", "title": "Late"}]
    assert counts(_interrupted(office, contracts(3), lambda: office.bring(late))) == (0, 0, 1, 3)
    assert "contract/LATE" not in office.live()


TWO: list[Mapping[str, object]] = [{"reference": "R", "title": "Bins"}, {"reference": "R", "title": "Roads"}]


@pytest.mark.parametrize("first", ["", "Bins"])
def test_ids_follow_what_is_published_when_the_import_lands(office: Office, first: str) -> None:
    """The row that matches the bare record keeps its id, by what is live then and not when the file was read."""
    if first:
        office.bring([{"reference": "R", "title": first}])
    done = _interrupted(office, TWO, lambda: office.bring([{"reference": "R", "title": "Roads"}]))
    live = office.live()
    (other,) = live.keys() - {"contract/R"}
    assert live["contract/R"]["title"] == "Roads"
    assert (live[other]["title"], other[:11]) == ("Bins", "contract/R~")
    assert counts(done) == (1, 0, 0, 1)
    assert counts(office.bring(TWO)) == (0, 0, 0, 2)


def test_ids_with_suffixes_that_another_has_published_stay(office: Office) -> None:
    """Two records of a reference that came to be meanwhile are known again: nothing is published twice or lost."""
    done = _interrupted(office, list(reversed(TWO)), lambda: office.bring(TWO))
    assert counts(done) == (0, 0, 0, 2)
    assert len(office.live()) == 2


def test_a_removal_meanwhile_is_not_undone_by_halves(office: Office) -> None:
    """What another has withdrawn while the file was read is published again where the file says it, each once."""
    office.bring(contracts(5))
    done = _interrupted(office, contracts(5), lambda: office.bring(contracts(2)))
    assert counts(done) == (3, 0, 0, 2)
    assert len(office.live()) == 5


def test_a_file_is_read_anew_for_a_publisher_that_has_moved(office: Office) -> None:
    """What a row means hangs on its publisher's prefix: the ids are those of the address that it has when it lands."""
    url = "https://moved.example"

    def move() -> None:
        with office.database.write() as session:
            moving.here(session, url, now=NOW)

    office.bring(contracts(2))
    rows = as_csv(
        [*contracts(2), {"reference": "C9", "title": "x", "replaces": "C000"}], ("reference", "title", "replaces")
    )
    done = _interrupted(office, rows, move, lambda: None)
    assert counts(done) == (1, 0, 0, 2)
    with office.database.read() as session:
        entry = log.entries(session, [f"{url}/id/{PUBLISHER}/contract/C9"])[f"{url}/id/{PUBLISHER}/contract/C9"]
    assert orjson.loads(entry.data or b"")["replaces"] == [f"{url}/id/{PUBLISHER}/contract/C000"]


def test_a_publisher_that_never_rests_is_told_to_come_again(office: Office) -> None:
    """The file is read so many times, not for ever, and nothing of it lands."""
    office.bring(contracts(2))

    def renamed(turn: int) -> Callable[[], object]:
        def rename() -> None:
            with office.database.write() as session:
                publishers.change(session, PUBLISHER, public_url=NODE, members={"name": f"Council {turn}"}, now=NOW)

        return rename

    with pytest.raises(Busy, match=PUBLISHER):
        _interrupted(office, contracts(3), *map(renamed, range(register.READINGS)))
    assert len(office.live()) == 2


def test_what_another_body_publishes_meanwhile_changes_nothing(office: Office) -> None:
    """Where the log has moved on, yet nothing of this register has changed, the import is what it would have been."""
    office.bring(contracts(3))
    before = office.latest()

    def add() -> None:
        with office.database.write() as session:
            other = {"name": "Otherton", "identifiers": [{"scheme": "GB-LAE", "id": "OTH"}]}
            publishers.add(session, public_url=NODE, organisation=other, now=NOW)

    assert counts(_interrupted(office, contracts(4), add)) == (1, 0, 0, 3)
    assert (office.latest(), len(office.live())) == (before + 2, 4)


def test_what_was_withdrawn_as_personal_data_is_left_out(office: Office) -> None:
    """Such a row is told, the others land. A day later it lands too, but never as it was; what it became may."""
    rows = contracts(3)
    office.bring(rows)
    _withdraw(office, "C001")
    outcome = office.bring(rows)
    assert (outcome.state, counts(outcome), sorted(office.live())) == ("done", (0, 0, 0, 2), _ids(0, 2))
    (told,) = outcome.report.problems
    assert (told.row, told.field, told.severity, told.code) == (3, "/reference", "warning", "withdrawn-lately")
    assert (told.expected, outcome.report.warned) == ("2026-11-03T09:00:00Z or later", 1)
    later = _bring(office, rows, after=erasure.REST)
    assert (counts(later), [told.code for told in later.report.problems]) == ((0, 0, 0, 2), ["withdrawn"])
    rows[1]["title"] = "Without a name"
    assert counts(_bring(office, rows, after=erasure.REST)) == (1, 0, 0, 2)
    assert sorted(office.live()) == _ids(0, 1, 2)
    old = _bring(office, contracts(3), after=erasure.REST)
    assert (counts(old), [told.code for told in old.report.problems]) == ((0, 0, 0, 2), ["withdrawn"])
    assert office.live()["contract/C001"]["title"] == "Without a name"
    assert counts(_bring(office, [rows[0], rows[2]], after=erasure.REST)) == (0, 0, 1, 2)
    assert counts(_bring(office, rows, after=erasure.REST)) == (1, 0, 0, 2)


@pytest.mark.parametrize("first", [1, 2], ids=["alone, then of two", "of two, then alone"])
def test_what_was_withdrawn_comes_back_under_no_other_name(office: Office, first: int) -> None:
    """A row that gets a suffix, or loses it, for what else has its reference, rests as the record that it was."""
    rows = [{"reference": "C1", "title": "Care of Ann Invented"}, {"reference": "C1", "title": "Roads"}]
    office.bring(rows[:first])
    (record,) = [name for name, data in office.live().items() if "Invented" in data["title"]]
    _withdraw(office, record.removeprefix("contract/"))
    for after in (timedelta(), erasure.REST):
        outcome = _bring(office, rows[: 3 - first], after=after)
        assert {told.code for told in outcome.report.problems} >= {"withdrawn" if after else "withdrawn-lately"}
        assert not any("Invented" in data["title"] for data in office.live().values())


def _bring(office: Office, rows: Sequence[Mapping[str, object]], *, after: timedelta) -> Outcome:
    file = File(as_csv(rows), "register.csv", "contract", PUBLISHER)
    return register.run(office.database, file, Wish(confirm_removals=True), node=NODE_ID, now=NOW + after)


def test_what_is_withdrawn_as_personal_data_while_a_file_is_read_is_left_out(office: Office) -> None:
    """The file that still holds it does not publish it again."""
    rows = contracts(3)
    office.bring(rows)

    def slowly(*given: Any, **named: Any) -> Parsed:
        parsed = parse(*given, **named)
        _withdraw(office, "C001")
        return parsed

    file = File(as_csv(rows), "register.csv", "contract", PUBLISHER)
    register.run(office.database, file, Wish(), node=NODE_ID, now=NOW, parse=slowly)
    assert sorted(office.live()) == _ids(0, 2)


def _withdraw(office: Office, reference: str) -> None:
    with office.database.write() as session:
        place = writes.Place(PUBLISHER, "contract", reference)
        writes.remove(writes.Desk(session, NODE_ID, NOW), place, "personal-data", None, lambda _number: True)


def _ids(*numbers: int) -> list[str]:
    return [f"contract/C{number:03}" for number in numbers]
