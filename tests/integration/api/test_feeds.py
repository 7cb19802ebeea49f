"""The change feed over HTTP, to the letter of protocol sections 2 and 6."""

from __future__ import annotations

import gzip

import orjson
import pytest
from backports import zstd

from schema.change import check_page, read_item
from tests.integration.api.conftest import Site
from tests.services import LICENSE, NODE, PREFIX

CHANGES = "/v1/changes"
PLAIN = {"Accept-Encoding": "identity"}


def contract(number: int, title: str = "Planning system") -> dict[str, str]:
    return {"reference": f"C-{number:05d}", "title": title}


def test_a_feed_is_never_empty_and_begins_with_its_organisation(site: Site) -> None:
    """Change 1 is the organisation record of the first publisher."""
    page = site.client.get(CHANGES).json()
    (item,) = page["items"]
    assert (item["modified"], item["kind"], item["id"]) == (1, "organisation", f"{PREFIX}organisation/GB-LAE-EXA")
    assert item["origin"]["seq"] == 1
    assert item["origin"]["node"] == f"{NODE}/.well-known/folkmoot"
    assert page["next"] == f"{NODE}{CHANGES}?afterChangeNumber=1"
    assert page["license"] == LICENSE


def test_a_page_has_500_items_and_next_leads_to_the_end(site: Site) -> None:
    """Pages hold 500 items; the last is empty, its next is itself and it alone tells the latest number."""
    site.publish("contract", *(contract(number) for number in range(1_200)))
    url, sizes, seen = f"{NODE}{CHANGES}", [], []
    while True:
        answer = site.client.get(url)
        page = check_page(answer.content, url) if "?" in url else None
        told = answer.json()
        sizes.append(len(told["items"]))
        seen += [item["modified"] for item in told["items"]]
        if not told["items"]:
            break
        assert "latest" not in told
        assert page is None or not page.ended
        url = told["next"]
    assert sizes == [500, 500, 201, 0]
    assert seen == list(range(1, 1_202))
    assert told["next"] == url
    assert told["latest"] == 1_201


def test_the_pages_own_url_is_canonical_whatever_was_asked(site: Site) -> None:
    """The last page names itself by number and kind in one order, from the public URL and never from Host."""
    asked = site.client.get(f"{CHANGES}?kind=contract&afterChangeNumber=7", headers={"Host": "evil.example"}).json()
    assert asked["next"] == f"{NODE}{CHANGES}?afterChangeNumber=7&kind=contract"


@pytest.mark.parametrize(
    "text",
    ["01", "-1", "+1", "1.0", "1e3", " 1", "1 ", "", "x", "9007199254740992", "10000000000000000", "\u0661", "0x1"],
)
def test_anything_but_a_plain_number_is_refused(site: Site, text: str) -> None:
    """Numbers are 0 or digits without a leading zero, up to 2^53-1."""
    answer = site.client.get(CHANGES, params={"afterChangeNumber": text})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "afterChangeNumber"


@pytest.mark.parametrize("number", ["0", "9007199254740991"])
def test_every_number_up_to_the_largest_is_answered(site: Site, number: str) -> None:
    """A reader with any cursor up to 2^53-1 gets a page."""
    assert site.client.get(CHANGES, params={"afterChangeNumber": number}).status_code == 200


@pytest.mark.parametrize(
    "query", ["afterChangeNumber=0&afterChangeNumber=0", "kind=tool&kind=asset", "kind=", "kind=Contract", "kind=a%00"]
)
def test_repeats_and_ill_formed_kinds_are_refused(site: Site, query: str) -> None:
    """A parameter stands once, and a kind is a well-formed name."""
    assert site.client.get(f"{CHANGES}?{query}").status_code == 422


def test_a_kind_that_nobody_publishes_gives_an_empty_feed(site: Site) -> None:
    """`kind` takes any well-formed value."""
    page = site.client.get(f"{CHANGES}?kind=bus-stop").json()
    assert page["items"] == []
    assert page["latest"] == 1


def test_a_kind_filters_and_stays_in_next(site: Site) -> None:
    """The filter holds along the whole walk."""
    site.publish("contract", contract(1))
    site.publish("tool", {"reference": "T", "name": "PlanWise"})
    page = site.client.get(f"{CHANGES}?kind=contract").json()
    assert [item["kind"] for item in page["items"]] == ["contract"]
    assert page["next"].endswith("?afterChangeNumber=2&kind=contract")


def test_a_tombstone_says_why_and_carries_no_data(site: Site) -> None:
    """A withdrawn record stands once, as deleted, with its reason."""
    site.publish("contract", contract(1))
    site.withdraw("C-00001", "ended")
    (item,) = site.client.get(f"{CHANGES}?kind=contract").json()["items"]
    assert (item["state"], item["reason"], item["modified"]) == ("deleted", "ended", 3)
    assert "data" not in item


def test_pages_with_items_are_cached_for_an_hour_and_the_last_for_8_seconds(site: Site) -> None:
    """Cache-Control is 3600 with items and 8 at the end of the feed."""
    assert site.client.get(CHANGES).headers["cache-control"] == "public, max-age=3600"
    assert site.client.get(f"{CHANGES}?afterChangeNumber=1").headers["cache-control"] == "public, max-age=8"


def test_the_same_url_gives_the_same_bytes_while_the_log_stands_still(site: Site) -> None:
    """Nothing in a page is volatile, packed or not."""
    for headers in (PLAIN, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "zstd"}):
        one, other = (site.client.get(CHANGES, headers=headers) for _ in range(2))
        assert one.content == other.content
        assert one.headers["etag"] == other.headers["etag"]


def test_each_encoding_has_a_strong_tag_of_its_own_and_both_say_the_same(site: Site) -> None:
    """Gzip and plain bodies differ in ETag and agree in content."""
    plain = site.client.get(CHANGES, headers=PLAIN)
    packed = site.client.get(CHANGES, headers={"Accept-Encoding": "gzip;q=0.5"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]
    assert not plain.headers["etag"].startswith("W/")
    assert plain.json() == packed.json()
    assert site.client.get(CHANGES, headers={"Accept-Encoding": "gzip;q=0"}).headers["etag"] == plain.headers["etag"]


def test_what_the_reader_has_is_not_sent_again(site: Site) -> None:
    """If-None-Match with the page's tag gives 304 without a body, until the log moves."""
    first = site.client.get(CHANGES, headers=PLAIN)
    again = {**PLAIN, "If-None-Match": f'"other", W/{first.headers["etag"]}'}
    known = site.client.get(CHANGES, headers=again)
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == first.headers["etag"]
    site.publish("contract", contract(1))
    assert site.client.get(CHANGES, headers=again).status_code == 200


def test_a_change_is_seen_at_once(site: Site) -> None:
    """The cache never outlives a change of the log, wherever in the feed it was."""
    site.publish("contract", contract(1), contract(2))
    before = site.client.get(CHANGES).json()
    site.publish("contract", contract(1, "New title"))
    after = site.client.get(CHANGES).json()
    assert [item["modified"] for item in before["items"]] == [1, 2, 3]
    assert [item["modified"] for item in after["items"]] == [1, 3, 4]


def test_who_takes_no_json_gets_no_feed(site: Site) -> None:
    """A client that refuses JSON is told 406 instead of being sent what it does not want."""
    assert site.client.get(CHANGES, headers={"Accept": "text/html"}).status_code == 406
    assert site.client.get(CHANGES, headers={"Accept": "text/html, */*;q=0.1"}).status_code == 200


def test_head_is_get_without_the_body(site: Site) -> None:
    """HEAD gives the same status and headers."""
    get, head = site.client.get(CHANGES, headers=PLAIN), site.client.head(CHANGES, headers=PLAIN)
    assert head.content == b""
    for name in ("etag", "content-length", "cache-control", "content-type", "access-control-allow-origin"):
        assert head.headers[name] == get.headers[name]


def test_every_item_can_be_read_by_a_crawler(site: Site) -> None:
    """What the node serves passes the rules that aggregators hold pages and items to."""
    site.publish("contract", contract(1))
    site.withdraw("C-00001")
    url = f"{NODE}{CHANGES}?afterChangeNumber=0"
    page = check_page(site.client.get(url).content, url)
    read = [read_item(item) for item in page.items]
    assert [item.deleted for item in read] == [False, True]


def test_the_packed_page_is_the_page(site: Site) -> None:
    """The compressed bytes unpack to the plain ones, whichever was asked first."""
    plain = site.client.get(CHANGES, headers=PLAIN).content
    assert orjson.loads(plain)["items"]
    for coding, unpack in (("gzip", gzip.decompress), ("zstd", zstd.decompress)):
        with site.client.stream("GET", CHANGES, headers={"Accept-Encoding": coding}) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == coding
        assert unpack(packed) == plain
