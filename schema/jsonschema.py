"""JSON Schema 2020-12 of each kind, of the feed page and of the manifest, made from the models.

The committed files under `openapi/schemas/` are what `documents()` gives; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schema.feedpage import FeedPage
from schema.kinds import KINDS
from schema.manifest import Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0"


class _Plain(GenerateJsonSchema):
    """Pydantic's own, less what says nothing: titles made from member names, `null` as the default of absence."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic asks for each
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def json_schema(name: str, model: type[BaseModel]) -> dict[str, Any]:
    """Give the JSON Schema of a model. `name` ends its `$id`: urn:folkmoot:schema:1.0:contract."""
    made = model.model_json_schema(schema_generator=_Plain, mode="validation")
    head = {"$schema": DIALECT, "$id": f"urn:folkmoot:schema:{VERSION}:{name}", "title": model.__name__}
    return head | {member: value for member, value in made.items() if member not in head}


def documents() -> dict[str, bytes]:
    """Every schema file: its name and its bytes."""
    models: Mapping[str, type[BaseModel]] = {**KINDS, "feed-page": FeedPage, "manifest": Manifest}
    return {
        f"{name}.json": orjson.dumps(json_schema(name, model), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        for name, model in models.items()
    }
