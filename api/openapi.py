"""The description of the API: what FastAPI gathers from the routes, and what holds for all of them.

Every operation documents its problems; schemas of what is sent as bytes (a page, a manifest, a record) are added here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import links, problems
from api.services import Services
from schema.feedpage import FeedPage
from schema.kinds import KINDS
from schema.manifest import Manifest

TITLE = "Folkmoot"
_ROLE = {
    "node": "What a council publishes: its roadmap, contracts, tools, assets and skills.",
    "aggregator": "What many councils publish, gathered, searchable and passed on.",
}
_ABOUT = (
    "Open data, no key needed. Read everything once through the bulk files or the change feed, then follow the feed; "
    "or ask lists and search. Errors are RFC 9457 problems. Unknown query parameters are refused, never ignored. "
    "HEAD is answered wherever GET is."
)
TAGS: Mapping[str, str] = {
    "Feeds": "Follow what changes, tombstones included.",
    "Records": "One record by its id.",
    "Search": "Find records: words, filters, facets, sorting.",
    "Bulk files": "Everything at once.",
    "Publishers": "Who publishes.",
    "Nodes": "The nodes that this aggregator crawls, and how that goes.",
    "Writing": "Publish through the API, with a token.",
    "Importing": "Publish or check a whole file.",
    "Audit": "Who wrote what, with a token.",
    "This server": "What it is and how it is.",
}
_EVERY = (406, 422, 429, 500, 503)
_WRITING = (400, 404, 409, 413, 415)
_CHANGING = (410, 412, 428)
_REF = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Make `app.openapi()` give this description."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """Build the description of the application as it stands: OpenAPI 3.1."""
    services: Services = app.state.services
    made = get_openapi(
        title=f"{TITLE} {services.role}",
        version=services.version,
        openapi_version="3.1.0",
        summary=_ROLE[services.role],
        description=_ABOUT,
        routes=[getattr(route, "declared", route) for route in app.routes],
        servers=[{"url": services.public_url}],
        license_info={"name": "The data's licence", "url": services.license},
    )
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for name, schema in _schemas().items():
        schemas.setdefault(name, schema)
    components["responses"] = {kind.slug: _response(kind, services) for kind in problems.PLAIN.values()} | {
        kind.slug: _response(kind, services) for kind in problems.TABLE.values()
    }
    used = {tag for _, _, operation in _operations(made) for tag in operation.get("tags", ())}
    made["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    for path, method, operation in _operations(made):
        _document_problems(path, method, operation)
    links.install({operation["operationId"]: operation for _, _, operation in _operations(made)})
    return made


def _operations(made: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _document_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    for status in _statuses(path, method, secured="security" in operation):
        told = responses.get(str(status))
        if told is None or status == 422:
            responses[str(status)] = {"$ref": f"#/components/responses/{_slug(status)}"}
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(path: str, method: str, *, secured: bool) -> Iterable[int]:
    yield from _EVERY
    if secured:
        yield from (401, 403)
    if "{" in path or path == "/v1/records":
        yield 404
    if path == "/v1/records" or path.startswith("/id/"):
        yield 410
    if path.startswith("/v1/bulk/"):
        yield 416
    if method != "get":
        yield from _WRITING
    if method in ("put", "patch", "delete"):
        yield from _CHANGING


def _slug(status: int) -> str:
    if status == 410:
        return "withdrawn"
    if status in problems.PLAIN:
        return problems.PLAIN[status].slug
    return next(kind.slug for kind in problems.TABLE.values() if kind.status == status)


def _response(kind: problems.Kind, services: Services) -> dict[str, Any]:
    example = {
        "type": f"{services.public_url}/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
        "instance": "/v1/contracts",
        "requestId": "0b3f1c9a7e2d4c58a6b1d2e3f4a5b6c7",
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": f"{kind.title}. {kind.advice}", "content": {problems.MEDIA_TYPE: content}}


def _schemas() -> dict[str, Any]:
    models: list[type[BaseModel]] = [FeedPage, Manifest, *KINDS.values()]
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    return {**found["$defs"], **_HAND}


_TEXT = {"type": "string"}
_HAND: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "title": "Problem",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "A page that says what to do."},
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {**_TEXT, "description": "One sentence about this case."},
            "instance": {**_TEXT, "description": "The path that was asked."},
            "requestId": {**_TEXT, "description": "The name of the request in the operator's log."},
            "reason": {**_TEXT, "description": "Of a withdrawn record: why."},
            "movedTo": {**_TEXT, "description": "Of a withdrawn record: its new id."},
            "origin": {"$ref": "#/components/schemas/ItemOrigin"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/ProblemError"}},
        },
    },
    "ProblemError": {
        "type": "object",
        "title": "ProblemError",
        "description": "One thing wrong at one place.",
        "required": ["detail"],
        "properties": {
            "detail": _TEXT,
            "pointer": {**_TEXT, "description": "JSON pointer into the body."},
            "parameter": {**_TEXT, "description": "The query parameter or part of the path."},
            "header": {**_TEXT, "description": "The header."},
            "found": {"description": "The value as it stood there."},
            "expected": {**_TEXT, "description": "What would have been right."},
            "suggestion": {**_TEXT, "description": "The known name that this one resembles."},
            "known": {"type": "array", "items": _TEXT, "description": "All names that are known."},
            "severity": {"type": "string", "enum": ["error", "warning"]},
            "rule": _TEXT,
        },
    },
    "RecordItem": {
        "type": "object",
        "title": "RecordItem",
        "description": "A record, with where it comes from.",
        "required": ["id", "kind", "data", "origin"],
        "properties": {
            "id": {"type": "string", "format": "uri"},
            "kind": {"type": "string", "pattern": "^[a-z][a-z-]{0,39}$"},
            "data": {"type": "object", "description": "The record, as its kind's schema says."},
            "origin": {"$ref": "#/components/schemas/ItemOrigin"},
            "via": {"type": "array", "maxItems": 8, "items": {"$ref": "#/components/schemas/ItemVia"}},
            "signature": {
                "type": "string",
                "description": "What its signature says: valid, absent, invalid, unknown-key.",
            },
            "marks": {
                "type": "array",
                "items": _TEXT,
                "description": "stale, removal-held, unofficial, vouched, retired",
            },
        },
    },
    "Linkset": {
        "type": "object",
        "title": "Linkset",
        "description": "Links with their context (RFC 9264).",
        "required": ["linkset"],
        "properties": {"linkset": {"type": "array", "items": {"type": "object"}}},
    },
    "Readiness": {
        "type": "object",
        "title": "Readiness",
        "description": "Each thing that was looked at.",
        "required": ["status", "checks"],
        "properties": {
            "status": {"type": "string", "enum": ["ok", "failing"]},
            "checks": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["status"],
                    "properties": {
                        "status": {"type": "string", "enum": ["ok", "failing"]},
                        "detail": {"type": "string", "description": "What is wrong, and what to do."},
                        "lag": {"type": ["integer", "null"], "description": "Changes behind the log."},
                        "seconds": {
                            "type": ["number", "null"],
                            "description": "For how long the first change that is not yet taken has waited.",
                        },
                    },
                },
            },
        },
    },
}
