"""What a server says about itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.app import create_app
from federation import publishers
from federation.database import Database
from schema.errors import Misconfigured
from schema.manifest import Manifest
from tests.integration.api.conftest import Site
from tests.services import EXAMPLESHIRE, LICENSE, NODE, NOW, PREFIX, client, make_services

WELL_KNOWN = "/.well-known/folkmoot"


def test_the_manifest_is_one_that_an_aggregator_takes(site: Site) -> None:
    """It passes our own check of other people's manifests, and its id is its own URL."""
    answer = site.client.get(WELL_KNOWN)
    read = Manifest.parse(answer.content)
    assert read.id == NODE + WELL_KNOWN
    assert read.foreign_prefixes() == []
    assert read.publishers[0].publisher_id == "GB-LAE-EXA"
    assert answer.headers["content-type"] == "application/json"


def test_publishers_are_generated_from_their_organisation_records(site: Site) -> None:
    """A new organisation record is at once what the manifest says."""
    (told,) = site.client.get(WELL_KNOWN).json()["publishers"]
    assert told == {**EXAMPLESHIRE, "relation": "own", "idPrefix": PREFIX}
    district = {"name": "Little Mere District Council", "identifiers": [{"scheme": "GB-LAE", "id": "LMR"}]}
    with site.services.database.write() as session:
        publishers.add(session, public_url=NODE, organisation=district, now=NOW, relation="hosted")
    names = [(one["name"], one["relation"]) for one in site.client.get(WELL_KNOWN).json()["publishers"]]
    assert names == [("Exampleshire County Council", "own"), ("Little Mere District Council", "hosted")]


def test_the_feed_is_described_as_it_is(site: Site) -> None:
    """The manifest's feed is the one that is served: its URL answers, and kinds and tombstones are told."""
    (feed,) = site.client.get(WELL_KNOWN).json()["feeds"]
    assert feed["url"] == f"{NODE}/v1/changes"
    assert (feed["protocol"], feed["version"], feed["ordering"]) == ("rpde", "1.0", "changeNumber")
    assert feed["kinds"] == ["organisation", "roadmap-item", "contract", "tool", "asset", "skill"]
    assert feed["tombstones"] == {"policy": "persistent"}
    assert feed["minPollSeconds"] == 300
    assert site.client.get(feed["url"]).json()["epoch"] == site.client.get(WELL_KNOWN).json()["epoch"]


def test_a_node_has_no_members_and_an_aggregator_names_its_list(database: Database, tmp_path: Path) -> None:
    """Only an aggregator tells where its list of nodes is."""
    services = make_services(database, tmp_path)
    assert "members" not in client(create_app(services)).get(WELL_KNOWN).json()
    told = client(create_app(replace(services, role="aggregator"))).get(WELL_KNOWN).json()
    assert (told["role"], told["members"]) == ("aggregator", f"{NODE}/v1/nodes")


def test_what_the_operator_did_not_set_is_left_out(database: Database, tmp_path: Path) -> None:
    """A contact without name and mailbox is no contact."""
    services = replace(make_services(database, tmp_path), contact_name="", contact_email="")
    told = client(create_app(services)).get(WELL_KNOWN).json()
    assert "contact" not in told
    assert told["license"] == LICENSE


def test_without_a_publisher_there_is_no_manifest(database: Database, tmp_path: Path) -> None:
    """A server with nothing published is at fault, and says so without its insides."""
    services = make_services(database, tmp_path, organisation=None)
    answer = client(create_app(services)).get(WELL_KNOWN)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    with database.read() as session, pytest.raises(Misconfigured):
        publishers.epoch(session)


@pytest.mark.parametrize("path", [WELL_KNOWN, "/.well-known/api-catalog", "/openapi.json"])
def test_it_is_not_sent_twice(site: Site, path: str) -> None:
    """Conditional requests are answered 304 while nothing has changed."""
    first = site.client.get(path)
    again = site.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_api_catalogue_leads_to_manifest_and_description(site: Site) -> None:
    """RFC 9727: a linkset, its own link in the header (HEAD too), and every link of ours answers."""
    answer = site.client.get("/.well-known/api-catalog")
    assert answer.headers["content-type"] == "application/linkset+json"
    own = f'<{NODE}/.well-known/api-catalog>; rel="api-catalog"'
    assert site.client.head("/.well-known/api-catalog").headers["link"] == own
    (api,) = [entry for entry in answer.json()["linkset"] if "service-desc" in entry]
    assert api["service-meta"][0]["href"] == NODE + WELL_KNOWN
    for relation in ("service-desc", "service-doc", "service-meta"):
        for link in api[relation]:
            assert site.client.get(link["href"]).status_code == 200, link
