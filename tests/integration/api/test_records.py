"""One record by its id: at the id itself, and at /v1/records."""

from __future__ import annotations

import pytest

from api.etags import names_version
from schema.identifiers import record_id
from tests.integration.api.conftest import Site
from tests.services import NODE, PREFIX

REFERENCE = "T/1 ü~?#%2F"
CONTRACT = {"reference": "C-1", "title": "Planning system"}
ID = f"{PREFIX}contract/C-1"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def _published(site: Site) -> None:
    site.publish("contract", CONTRACT)
    site.publish("tool", {"reference": REFERENCE, "name": "PlanWise"})


def test_an_id_is_its_records_address(site: Site) -> None:
    """The id itself answers with the record and where it comes from."""
    answer = site.client.get(ID)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == ID
    assert answer.json()["data"] == CONTRACT
    assert answer.json()["origin"]["publisher"] == "GB-LAE-EXA"
    assert "state" not in answer.json()


def test_any_reference_can_be_asked_for(site: Site) -> None:
    """A reference with slashes, blanks and letters of other scripts resolves at its percent-encoded id."""
    id_ = record_id(PREFIX, "tool", REFERENCE)
    assert "%2F" in id_
    assert site.client.get(id_).json()["data"]["reference"] == REFERENCE


def test_an_id_is_found_however_its_characters_are_escaped(site: Site) -> None:
    """Lower-case hex and needless escapes are the same id."""
    assert site.client.get(f"{NODE}/id/GB%2DLAE-EXA/contract/%43-1").json()["id"] == ID
    lower = record_id(PREFIX, "tool", REFERENCE).replace("%2F", "%2f")
    assert site.client.get(lower).json()["data"]["name"] == "PlanWise"


@pytest.mark.parametrize("address", [ID, f"/v1/records?id={ID}"])
def test_a_record_has_a_strong_tag_and_is_not_sent_twice(site: Site, address: str) -> None:
    """The tag names the version; who has it is told 304."""
    first = site.client.get(address)
    assert first.headers["etag"].startswith('"2-')
    assert names_version(first.headers["etag"], 2)
    again = site.client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    site.publish("contract", {**CONTRACT, "title": "New"})
    changed = site.client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert not names_version(first.headers["etag"], 4)


def test_a_browser_gets_a_page(site: Site) -> None:
    """Who prefers HTML gets HTML, under the policy of pages, and the answer says that it depends on Accept."""
    answer = site.client.get(ID, headers=BROWSER)
    assert answer.headers["content-type"].startswith("text/html")
    assert "Planning system" in answer.text
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "Accept" in answer.headers["vary"]
    assert "Accept" in site.client.get(ID).headers["vary"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/*", "text/html"),
        ("application/*;q=0.1, text/html", "text/html"),
    ],
)
def test_the_client_chooses(site: Site, accept: str, media: str) -> None:
    """JSON unless the client ranks HTML above it."""
    assert site.client.get(ID, headers={"Accept": accept}).headers["content-type"].startswith(media)


def test_what_cannot_be_had_is_not_acceptable(site: Site) -> None:
    """Neither JSON nor HTML wanted: 406, saying what there is."""
    for address in (ID, f"/v1/records?id={ID}"):
        answer = site.client.get(address, headers={"Accept": "image/png"})
        assert answer.status_code == 406
        assert "application/json" in answer.json()["detail"]


def test_a_withdrawn_record_says_why_and_where_it_came_from(site: Site) -> None:
    """A tombstone is 410 with reason and origin, at both addresses, and a page for a browser."""
    site.withdraw("C-1", "ended")
    for address in (ID, f"/v1/records?id={ID}"):
        answer = site.client.get(address)
        assert answer.status_code == 410
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["reason"] == "ended"
        assert answer.json()["origin"]["seq"] == 4
        assert "data" not in answer.json()
    page = site.client.get(ID, headers=BROWSER)
    assert page.status_code == 410
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "address",
    [f"{PREFIX}contract/none", f"{NODE}/id/GB-LAE-ZZZ/contract/C-1", f"{NODE}/id/a/b/%00", f"{NODE}/id/a/b/%FF/c"],
)
def test_what_is_not_there_is_not_found(site: Site, address: str) -> None:
    """An address that is no id of ours is 404, whatever bytes it holds."""
    assert site.client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("query", "status"), [("", 422), ("id=", 422), ("id=x", 404), ("id=a%00b", 404), ("id=a&id=b", 422)]
)
def test_an_id_is_asked_for_once_and_can_be_read(site: Site, query: str, status: int) -> None:
    """/v1/records needs one id; any text is looked up, and none is a fault of the server."""
    assert site.client.get(f"/v1/records?{query}").status_code == status
