"""What this server says about itself: the manifest, made from the organisation records, and the API catalogue."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from api import bulk
from api.deps import Here, Read
from api.etags import tag, unchanged
from api.negotiation import JSON
from api.services import Services
from api.strict import strict_router
from federation import hooks, publishers, signing
from federation.database import ReadSession
from schema.identifiers import identifier_key, split_publisher_id
from schema.kinds import KINDS
from schema.tables import Publisher

router = strict_router(tags=["This server"])
LINKSET = "application/linkset+json"
# What a publisher's organisation record and its entry in the manifest have in common (protocol section 1).
_SHARED = (
    "name",
    "identifiers",
    "type",
    "region",
    "nation",
    "gss",
    "url",
    "location",
    "office",
    "predecessors",
    "successors",
)


@router.get(
    "/.well-known/folkmoot",
    operation_id="getManifest",
    summary="Read the manifest",
    response_class=Response,
    responses={
        200: {
            "description": "What this server is and publishes.",
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Manifest"}}},
        }
    },
)
def manifest(request: Request, session: Read, here: Here) -> Response:
    """Say who publishes here, under which prefixes and licence, and where the feeds and files are."""
    files = bulk.listed(request.app.state.bulk, here.public_url)
    return _cached(request, orjson.dumps(document(session, here, files)), JSON)


def document(session: ReadSession, here: Services, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest's members. Raises `Misconfigured` before the first publication."""
    found = publishers.every(session)
    told = publishers.organisations(session, found)
    members = _aggregators(session, here) if here.role == "aggregator" else {}
    hook = {"webhook": {"url": here.webhook}} if here.webhook else {}
    return {
        "folkmoot": "1.0",
        "role": here.role,
        "id": here.node,
        "epoch": publishers.epoch(session),
        "publishers": [_publisher(publisher, told[publisher.id]) for publisher in found],
        **_contact(here),
        "license": here.license,
        "languages": list(here.languages),
        "feeds": [_feed(here)],
        "bulk": list(files),
        "openapi": f"{here.public_url}/openapi.json",
        "keys": signing.published(session),
        "updateFrequency": here.update_frequency,
        "software": {"name": "folkmoot", "version": here.version},
        **hook,
        **members,
    }


def _aggregators(session: ReadSession, here: Services) -> dict[str, Any]:
    key = hooks.public_key(session)
    return {"members": f"{here.public_url}/v1/nodes"} | ({"webhooks": {"publicKeys": [key]}} if key else {})


def _publisher(publisher: Publisher, told: dict[str, Any]) -> dict[str, Any]:
    shared = {name: told[name] for name in _SHARED if name in told}
    identifiers = _own_first(publisher.id, told["identifiers"])
    return shared | {"identifiers": identifiers, "relation": publisher.relation, "idPrefix": publisher.id_prefix}


def _own_first(publisher: str, told: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Its identifiers, the one that names it first: readers take that, in whatever order the record has them."""
    others = [one for one in told if identifier_key(str(one["scheme"]), str(one["id"])) != publisher]
    named = [one for one in told if one not in others]
    scheme, own = split_publisher_id(publisher)
    return [*(named or [{"scheme": scheme, "id": own}]), *others]


def _contact(here: Services) -> dict[str, Any]:
    contact = {"name": here.contact_name, "email": here.contact_email}
    given = {name: value for name, value in contact.items() if value}
    return {"contact": given} if given else {}


def _feed(here: Services) -> dict[str, Any]:
    return {
        "url": f"{here.public_url}/v1/changes",
        "protocol": "rpde",
        "version": "1.0",
        "ordering": "changeNumber",
        "kinds": list(KINDS),
        "tombstones": {"policy": "persistent"},
        "minPollSeconds": here.min_poll_seconds,
    }


@router.get(
    "/.well-known/api-catalog",
    operation_id="getApiCatalog",
    summary="Read the API catalogue",
    response_class=Response,
    responses={
        200: {
            "description": "Links to the manifest and to the description of the API (RFC 9727, RFC 9264).",
            "content": {LINKSET: {"schema": {"$ref": "#/components/schemas/Linkset"}}},
        }
    },
)
def api_catalog(request: Request, here: Here) -> Response:
    """Link to what describes this API (RFC 9727)."""
    own = f"{here.public_url}/.well-known/api-catalog"
    linkset = {
        "linkset": [
            {"anchor": own, "item": [{"href": f"{here.public_url}/v1/changes"}]},
            {
                "anchor": f"{here.public_url}/v1/changes",
                "service-desc": [
                    {"href": f"{here.public_url}/openapi.json", "type": "application/vnd.oai.openapi+json"}
                ],
                "service-doc": [{"href": f"{here.public_url}/docs", "type": "text/html"}],
                "service-meta": [{"href": here.node, "type": JSON}],
                "license": [{"href": here.license}],
            },
        ]
    }
    link = {"Link": f'<{own}>; rel="api-catalog"'}
    return _cached(request, orjson.dumps(linkset), LINKSET, link)


def _cached(request: Request, body: bytes, media_type: str, more: dict[str, str] | None = None) -> Response:
    headers = {"ETag": tag(body), "Cache-Control": "public, max-age=60", **(more or {})}
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
