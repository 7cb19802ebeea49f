"""The API's description as OpenAPI, and as a page to read: no script, nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from api.deps import Here, Read
from api.etags import tag, unchanged
from api.negotiation import JSON
from api.pages import view
from api.strict import strict_router

router = strict_router(tags=["This server"], include_in_schema=False)


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """Give the description of this API (OpenAPI 3.1)."""
    body = orjson.dumps(request.app.openapi())
    headers = {"ETag": tag(body), "Cache-Control": "public, max-age=300"}
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


@router.get("/docs")
def reference(request: Request, here: Here, session: Read) -> Response:
    """Show the description of this API as a page."""
    described = request.app.openapi()
    return view.render(
        request,
        here,
        session,
        "reference.html",
        title="The data for developers",
        about=described["info"]["description"],
        groups=list(groups(described)),
        schemas=[schema_rows(name, schema) for name, schema in sorted(described["components"]["schemas"].items())],
        problems=problem_rows(described),
    )


@dataclass(frozen=True, slots=True)
class Group:
    """The operations under one heading."""

    name: str
    about: str
    operations: list[dict[str, Any]]


def groups(described: Mapping[str, Any]) -> Iterator[Group]:
    """Operations by their first tag, in the order of the tags."""
    for found in described["tags"]:
        listed = [
            _operation(path, method, told)
            for path, methods in described["paths"].items()
            for method, told in methods.items()
            if told.get("tags", [""])[0] == found["name"]
        ]
        if listed:
            yield Group(found["name"], found["description"], listed)


def _operation(path: str, method: str, told: Mapping[str, Any]) -> dict[str, Any]:
    body = told.get("requestBody", {}).get("content", {})
    return {
        "id": told["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": told["summary"],
        "about": told.get("description", ""),
        "token": "security" in told,
        "parameters": [_parameter(one) for one in told.get("parameters", ())],
        "body": [{"media": media, **_typed(content.get("schema", {}))} for media, content in body.items()],
        "answers": [_answer(status, answer) for status, answer in told["responses"].items() if status < "400"],
        "problems": [status for status in told["responses"] if status >= "400"],
    }


def _parameter(one: Mapping[str, Any]) -> dict[str, Any]:
    needed = bool(one.get("required"))
    return {
        "name": one["name"],
        "place": one["in"],
        "needed": needed,
        "about": one.get("description", ""),
        **_typed(one["schema"]),
    }


def _answer(status: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    content = [{"media": media, **_typed(told.get("schema", {}))} for media, told in answer.get("content", {}).items()]
    return {"status": status, "about": answer["description"], "content": content}


def _typed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a value is, in words, and the name of its schema where it has one."""
    for part in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return {"type": ("list of " if part is schema.get("items") else "") + name, "ref": name}
    choices = schema.get("enum") or next((p["enum"] for p in schema.get("anyOf", ()) if "enum" in p), None)
    if choices:
        return {"type": ", ".join(str(choice) for choice in choices), "ref": None}
    said = schema.get("type") or " or ".join(dict.fromkeys(str(p.get("type", "any")) for p in schema.get("anyOf", ())))
    inner = f" of {schema['items'].get('type', 'any')}" if said == "array" and "items" in schema else ""
    said = " or ".join(said) if isinstance(said, list) else said
    return {"type": f"{said or 'any'}{inner}" + (f" ({schema['format']})" if "format" in schema else ""), "ref": None}


def schema_rows(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """One schema with its members."""
    needed = set(schema.get("required", ()))
    members = [
        {"name": member, "needed": member in needed, "about": told.get("description", ""), **_typed(told)}
        for member, told in schema.get("properties", {}).items()
    ]
    return {"name": name, "about": schema.get("description", ""), "members": members}


def problem_rows(described: Mapping[str, Any]) -> list[dict[str, str]]:
    """The kinds of problem, with what to do."""
    return [
        {"slug": slug, "about": told["description"]}
        for slug, told in sorted(described["components"]["responses"].items())
    ]
