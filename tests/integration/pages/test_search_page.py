"""The search page: what it finds, how it is narrowed, and the same answer elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.contract.world import publish
from tests.integration.pages.site import Page, Site, contract


@pytest.fixture
def engine_name() -> str:
    """Return SQLite alone: the lists that these pages show are tested on both databases."""
    return "sqlite"


def boxes(page: Page) -> dict[tuple[str, str], bool]:
    """Return the boxes of the facets, and whether each is ticked."""
    found = (one for one in page.all("input") if one.get("type") == "checkbox")
    return {(one["name"], one["value"]): "checked" in one for one in found}


def titles(page: Page) -> list[str]:
    """Return the titles of what was found, in order."""
    return re.findall(r"<h3><a [^>]*>([^<]*)</a></h3>", page.html)


def test_words_are_found_and_marked(region: Site) -> None:
    """The words that were asked for are told apart in what was found."""
    page = region.get("/search?q=applications")
    assert "8 records" in page.text
    assert "<mark>applications</mark>" in page.html
    assert next(one for one in page.all("input") if one.get("id") == "q")["value"] == "applications"


def test_boxes_narrow_and_can_be_taken_away(region: Site) -> None:
    """A ticked facet narrows the list, stays ticked, and is one link away from being taken away."""
    page = region.get("/search?kind=contract&publisher=GB-LAE-FER")
    assert titles(page) == ["Parking permits"]
    assert boxes(page)["publisher", "GB-LAE-FER"]
    assert not boxes(page)["publisher", "GB-LAE-EXA"]
    assert page.links["Publisher: Council of FER (remove)"] == "/search?kind=contract"
    assert page.links["What it is: Contract (remove)"] == "/search?publisher=GB-LAE-FER"
    both = region.get("/search?kind=contract&publisher=GB-LAE-FER&publisher=GB-LAE-EXA")
    assert "8 contracts" in both.text


def test_a_form_with_empty_fields_asks_for_nothing(region: Site) -> None:
    """A browser sends the empty fields of a form too: they are no filter."""
    page = region.get("/search?q=&sort=-updated&endsAfter=&endsBefore=&startsAfter=&startsBefore=")
    assert page.title.startswith("Everything")
    assert region.get("/search?utm_source=letter&q=parking").title.startswith("Everything about parking")


def test_dates_narrow_and_stay_in_their_fields(region: Site) -> None:
    """A date that was asked for stands in its field, in the title and among what is chosen."""
    page = region.get("/search?kind=contract&endsBefore=2026-12-31&endsAfter=2026-11-01&sort=end")
    assert titles(page) == ["Planning system 0", "Planning system 1"]
    fields = {one["id"]: one["value"] for one in page.all("input") if one.get("type") == "date"}
    assert fields["endsBefore"] == "2026-12-31"
    assert page.title.startswith("Contracts that end from 1 November 2026 to 31 December 2026")
    assert page.links["Ends on or before: 31 December 2026 (remove)"].endswith("endsAfter=2026-11-01&sort=end")


def test_money_narrows_and_stays_in_its_fields(region: Site) -> None:
    """A sum that was asked for stands in its field, once, and can be taken away."""
    page = region.get("/search?kind=contract&valueMin=2000")
    (field,) = [one for one in page.all("input") if one.get("name") == "valueMin" and one.get("type") == "number"]
    assert field["value"] == "2000"
    assert page.links["Worth this much or more: 2000 (remove)"] == "/search?kind=contract"


def test_what_is_over_is_told_in_words_and_can_be_left_out(region: Site) -> None:
    """A contract that ended has a tag that says so; one link leaves only what still runs."""
    page = region.get("/search?kind=contract&sort=end")
    everything = len(titles(page))
    running = page.links["Still running: only what ends today or later"]
    assert running == "/search?kind=contract&sort=end&endsAfter=2026-11-02"
    left = region.get(running)
    assert "Ended" not in left.text
    assert page.text.count("Contract Ended") == everything - len(titles(left))
    assert "Still running" not in left.text
    assert "Still running" not in region.get("/search?endsBefore=2026-01-01").text


def test_order_is_kept_and_can_be_changed(region: Site) -> None:
    """The order that was asked for is chosen in the list of orders."""
    page = region.get("/contracts?sort=-value")
    assert titles(page)[0] == "Planning system 7"
    assert re.search(r'<option value="-value" selected>', page.html)


def test_what_no_box_shows_is_kept_by_the_form(region: Site) -> None:
    """Filters without a field of their own survive narrowing."""
    page = region.get("/search?kind=contract&signed=false&q=planning")
    kept = {(one["name"], one["value"]) for one in page.all("input") if one.get("type") == "hidden"}
    assert ("signed", "false") in kept
    assert ("q", "planning") in kept


def test_pages_show_every_record_once(council: Site) -> None:
    """Following "next page" to the end shows every record once, and the first page is one link away."""
    many = [contract(number, f"2027-{1 + number % 12:02}-15", title=f"Thing {number}") for number in range(3, 58)]
    publish(council.services.database, {"contract": many})
    council.services.follower.catch_up()
    page = council.get("/search?kind=contract&sort=end")
    seen = titles(page)
    while "Next page" in page.links:
        page = council.get(page.links["Next page"])
        seen += titles(page)
        assert page.links["Back to the first page"] == "/search?kind=contract&sort=end"
    assert len(seen) == len(set(seen)) == 57


def test_nothing_found_is_met_with_help(region: Site) -> None:
    """An empty answer says so and what to try."""
    page = region.get("/search?q=zeppelin&kind=contract")
    assert "0 contracts" in page.text
    assert "take away all of them" in page.links
    assert "look through everything" in page.links


def test_the_same_answer_in_every_format(region: Site) -> None:
    """The links to other formats ask the very same question, and their count is the page's."""
    page = region.get("/search?q=planning&publisher=GB-LAE-EXA&kind=contract&sort=end")
    for label in ("JSON", "Spreadsheet (CSV)", "Feed (JSON Feed)", "Feed (Atom)", "Calendar"):
        reply = region.client.get(page.links[label])
        assert reply.status_code == 200, label
    told = region.client.get(page.links["JSON"]).json()
    assert told["count"]["value"] == 7
    assert [one["data"]["title"] for one in told["items"]] == titles(page)
    assert "Calendar" not in region.get("/skills").links


def test_the_lists_of_one_kind_are_the_search_of_that_kind(council: Site) -> None:
    """A kind's own address shows that kind alone, whatever else its address says."""
    assert titles(council.get("/contracts?kind=tool&sort=end")) == ["Planning system 2", "Planning system 1"]
    assert "0 skills" in council.get("/skills").text
