from __future__ import annotations

from typing import Any

import orjson
import pytest

from schema.errors import Invalid
from schema.manifest import MAX_MANIFEST, Manifest

ROOT = "https://moot.exampleshire.example"
MANIFEST: dict[str, Any] = {
    "folkmoot": "1.0",
    "role": "node",
    "id": f"{ROOT}/.well-known/folkmoot",
    "epoch": "k3v9x2",
    "publishers": [
        {
            "name": "Exampleshire County Council",
            "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}],
            "type": "county",
            "region": "Wessex",
            "relation": "own",
            "idPrefix": f"{ROOT}/id/GB-LAE-EXA/",
        }
    ],
    "contact": {"name": "Digital team", "email": "digital@exampleshire.example"},
    "license": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    "languages": ["en"],
    "updateFrequency": "P1D",
    "feeds": [
        {
            "url": f"{ROOT}/v1/changes",
            "protocol": "rpde",
            "version": "1.0",
            "ordering": "changeNumber",
            "kinds": ["organisation", "contract", "event"],
            "tombstones": {"policy": "persistent"},
            "minPollSeconds": 300,
        }
    ],
    "keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "2026-1", "x": "A" * 43}],
    "software": {"name": "folkmoot", "version": "0.1.0"},
    "later": {"anything": None},
}


def refused(change: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as error:
        Manifest.parse(orjson.dumps(MANIFEST | change))
    return [fault.pointer for fault in error.value.faults]


def test_the_manifest_of_the_protocol_is_read() -> None:
    """A manifest as the protocol shows it parses and is kept whole, unknown members included."""
    manifest = Manifest.parse(orjson.dumps(MANIFEST))
    assert manifest.wire() == MANIFEST
    assert manifest.publishers[0].publisher_id == "GB-LAE-EXA"
    assert manifest.feeds[0].min_poll_seconds == 300


def test_little_of_a_manifest_is_required() -> None:
    """Version, role, id, publishers and feeds make a manifest."""
    needed = ("folkmoot", "role", "id", "publishers", "feeds")
    Manifest.parse(orjson.dumps({name: MANIFEST[name] for name in needed}))
    with pytest.raises(Invalid) as error:
        Manifest.parse(b"{}")
    assert {fault.pointer for fault in error.value.faults} == {f"/{name}" for name in needed}


def _publisher(**change: Any) -> dict[str, Any]:
    return {"publishers": [MANIFEST["publishers"][0] | change]}


def _feed(**change: Any) -> dict[str, Any]:
    return {"feeds": [MANIFEST["feeds"][0] | change]}


def _key(**change: Any) -> dict[str, Any]:
    return {"keys": [MANIFEST["keys"][0] | change]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"folkmoot": "2.0"}, "/folkmoot"),
        ({"folkmoot": 1.0}, "/folkmoot"),
        ({"role": "relay"}, "/role"),
        ({"id": "moot.exampleshire.example"}, "/id"),
        ({"publishers": []}, "/publishers"),
        ({"feeds": []}, "/feeds"),
        ({"contact": None}, "/contact"),
        (_publisher(idPrefix=f"{ROOT}/id/GB-LAE-EXA"), "/publishers/0/idPrefix"),
        (_publisher(idPrefix=f"{ROOT}/id/../"), "/publishers/0/idPrefix"),
        (_publisher(relation="friend"), "/publishers/0/relation"),
        (_publisher(identifiers=[]), "/publishers/0/identifiers"),
        (_feed(protocol="oai-pmh"), "/feeds/0/protocol"),
        (_feed(ordering="modified"), "/feeds/0/ordering"),
        (_feed(kinds=["Contract"]), "/feeds/0/kinds/0"),
        (_feed(minPollSeconds=-1), "/feeds/0/minPollSeconds"),
        (_key(kty="RSA"), "/keys/0/kty"),
        (_key(x="short"), "/keys/0/x"),
        (_key(exp="2026-02-30T00:00:00Z"), "/keys/0/exp"),
        (_key(exp="2026-02-20"), "/keys/0/exp"),
    ],
)
def test_a_fault_of_a_manifest_is_told_at_its_place(change: dict[str, Any], pointer: str) -> None:
    """What is read of a manifest is strict."""
    assert refused(change) == [pointer]


def test_a_key_may_be_retired_and_endorsed() -> None:
    """A key's end, its revocation and an older key's word for it are read."""
    told: dict[str, Any] = {"exp": "2026-11-02T09:00:00Z", "revoked": "2026-11-02T09:00:00.5Z", "reason": "lost laptop"}
    told |= {"endorsement": {"kid": "2025-1", "sig": "abc_-"}}
    key = Manifest.parse(orjson.dumps(MANIFEST | _key(**told))).keys
    assert key is not None
    assert key[0].endorsement is not None
    assert key[0].endorsement.kid == "2025-1"


def test_prefixes_of_another_origin_are_named() -> None:
    """A prefix off the manifest's own origin is read, and told apart, for an operator may grant it."""
    assert Manifest.parse(orjson.dumps(MANIFEST)).foreign_prefixes() == []
    other = "https://moot.exampleshire.example:8443/id/GB-LAE-EXA/"
    assert Manifest.parse(orjson.dumps(MANIFEST | _publisher(idPrefix=other))).foreign_prefixes() == [other]


def test_a_manifest_may_be_larger_than_a_record_but_not_endless() -> None:
    """A node of many publishers fits; four megabytes are the end."""
    padded = orjson.dumps(MANIFEST | {"padding": "x" * 300_000})
    assert Manifest.parse(padded).epoch == "k3v9x2"
    with pytest.raises(Invalid):
        Manifest.parse(orjson.dumps(MANIFEST | {"padding": "x" * MAX_MANIFEST}))


def test_a_publisher_whose_identifier_cannot_stand_in_a_url_has_no_publisher_id() -> None:
    """The first identifier names the publisher, or nothing does."""
    manifest = Manifest.parse(orjson.dumps(MANIFEST | _publisher(identifiers=[{"scheme": "DUNS", "id": "1 2"}])))
    with pytest.raises(Invalid):
        _ = manifest.publishers[0].publisher_id
