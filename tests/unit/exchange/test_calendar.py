"""Dates as a calendar: which events there are, that their UIDs stay, and that nothing depends on the moment."""

from __future__ import annotations

from datetime import UTC, date, datetime

from icalendar import Calendar

from exchange.calendar import Dated, calendar

ID = "http://node.test/id/GB-LAE-EXA/contract/1"
DATA = {
    "title": "Parking; permits, signs",
    "startDate": "2024-01-01",
    "noticeBy": "2026-12-01",
    "reviewDate": "2026-06-01",
    "endDate": "2027-03-31",
    "maxExtensionDate": "2029-03-31",
}


def made(*records: Dated) -> Calendar:
    found = Calendar.from_ical(calendar("Contracts — Wessex Moot", "http://moot.test/v1/contracts", records).decode())
    assert isinstance(found, Calendar)
    return found


def contract(**more: object) -> Dated:
    return Dated(ID, "contract", {**DATA, **more}, "Exampleshire", "2026-11-02T09:00:00Z")


def test_each_date_of_a_contract_is_an_all_day_event() -> None:
    """Start, review, notice, end and extension are events whose UID is the record's id and the date's name."""
    events = {str(event["uid"]): event.decoded("dtstart") for event in made(contract()).walk("VEVENT")}
    assert events == {
        f"{ID}#start": date(2024, 1, 1),
        f"{ID}#notice-by": date(2026, 12, 1),
        f"{ID}#review": date(2026, 6, 1),
        f"{ID}#end": date(2027, 3, 31),
        f"{ID}#extension": date(2029, 3, 31),
    }


def test_any_title_is_a_name() -> None:
    """What a list is called, and may hold a comma or a line break of who asked, is one line with its escapes."""
    body = calendar("Contracts in A, B;\nC", "http://moot.test/v1/contracts", []).decode()
    assert "\r\nNAME:Contracts in A\\, B\\;\\nC\r\nX-WR-CALNAME:Contracts in A\\, B\\;\\nC\r\n" in body


def test_a_uid_stays_when_the_date_moves() -> None:
    """A contract that is extended moves its event; it does not make a second one."""
    moved = {str(event["uid"]) for event in made(contract(endDate="2028-03-31")).walk("VEVENT")}
    assert moved == {str(event["uid"]) for event in made(contract()).walk("VEVENT")}


def test_events_say_what_and_whose() -> None:
    """An event's summary names what happens, the contract and the council; its stamp is the origin's own time."""
    event = next(e for e in made(contract()).walk("VEVENT") if str(e["uid"]).endswith("#end"))
    assert str(event["summary"]) == "Contract ends: Parking; permits, signs (Exampleshire)"
    assert event.decoded("dtstamp") == datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    assert str(event["url"]) == ID


def test_work_has_a_beginning_and_an_end() -> None:
    """Roadmap items give two events; kinds without dates, and dates that are none, give nothing."""
    work = Dated(ID, "roadmap-item", {"title": "W", "start": "2026-01-01", "end": "2026-13-01"}, "E", "not a time")
    skill = Dated(ID, "skill", {"name": "S", "endDate": "2026-01-01"}, "E", "2026-11-02T09:00:00Z")
    assert [str(event["uid"]) for event in made(work, skill).walk("VEVENT")] == [f"{ID}#start"]


def test_the_same_records_give_the_same_bytes() -> None:
    """Nothing of the moment of writing stands in a calendar."""
    assert calendar("t", "u", [contract()]) == calendar("t", "u", [contract()])
    assert made(contract())["x-wr-calname"] == "Contracts — Wessex Moot"
