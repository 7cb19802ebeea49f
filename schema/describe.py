"""`docs/schema.md`: every kind and every member in words, made from the models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from schema import codelists
from schema.base import MAX_LINK
from schema.jsonschema import documents, json_schema
from schema.kinds import KINDS, PLURALS

_INTRO = """# The schema

*Made from the models in `schema/` by `python -m scripts.schemas`; a test holds this page to them.*

A record is a JSON object. There are six kinds. Members stand in camelCase; dates are calendar dates
(`2026-11-01`), times are in UTC with `Z`. What is not known is left out: `null` is refused. A number is written
without quotation marks, and `true` is never a 1. Members that are not listed here are kept and passed on.

Bounds that hold everywhere: a record is at most 256 KB and 32 levels deep, a list has at most 1,000 entries, a
title 500 characters and a long text 20,000; integers lie within ±(2^53-1); control characters are refused, but
tabs and line breaks in long texts; a member stands once. JSON Schema 2020-12 of each kind is in
`openapi/schemas/`.
"""

_LISTS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("Phases", "How far a roadmap item has got: `phase`.", codelists.PHASES),
    ("Statuses", "Whether a roadmap item is being worked on: `status`.", codelists.STATUSES),
    ("Collaboration", "Whether others may join a roadmap item: `collaboration`.", codelists.COLLABORATIONS),
    ("Stages", "How far a contract has got: `stage`.", codelists.STAGES),
    ("Bases", "What a contract's sum covers: `value.basis`.", codelists.BASES),
    ("Classifications", "Whose words say what is bought: `classifications.scheme`.", codelists.CLASSIFICATION_SCHEMES),
    ("Notices", "The notices of the Procurement Act 2023: `notices.noticeType`.", codelists.NOTICE_TYPES),
    ("Types of asset", "What sort of thing an asset is: `type`.", codelists.ASSET_TYPES),
    ("Offers", "What a skill offers or seeks: `offers`, `seeks`.", codelists.OFFERS),
    ("Reasons of a tombstone", "Why a record is gone: `reason` in the feed.", codelists.TOMBSTONE_REASONS),
    ("Relations", "How a publisher stands to the node: `relation` in the manifest.", codelists.RELATIONS),
)


def page() -> str:
    """Give the whole page as Markdown."""
    parts: dict[str, dict[str, Any]] = {}
    lines = [_INTRO]
    for kind, model in KINDS.items():
        schema = json_schema(kind, model)
        parts |= schema.get("$defs", {})
        lines += [
            f"## {kind}",
            "",
            f"{schema['description']} Lists: `/v1/{PLURALS[kind]}`.",
            "",
            *_table(schema, parts),
            "",
        ]
    lines += ["## Parts", "", "Objects that stand inside records.", ""]
    for name, schema in sorted(parts.items()):
        lines += [f"### {name}", "", schema["description"], "", *_table(schema, parts), ""]
    lines += ["## Codes", "", "A value outside its list is refused, and the near match named.", ""]
    for title, what, codes in _LISTS:
        lines += [f"### {title}", "", what, "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in codes.items()]
        lines += [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def files() -> dict[str, bytes]:
    """Every committed file that is made from the models: its path in the checkout and its bytes."""
    made = {f"openapi/schemas/{name}": content for name, content in documents().items()}
    return made | {"docs/schema.md": page().encode()}


def _table(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    yield "| member | what it holds | meaning | example |"
    yield "|---|---|---|---|"
    required = schema.get("required", ())
    for name, member in schema["properties"].items():
        must = " **required**" if name in required else ""
        meaning = member.get("description") or parts[_name(member)]["description"]
        yield f"| `{name}`{must} | {_holds(member)} | {meaning} | {_example(member)} |"


def _name(member: Mapping[str, Any]) -> str:
    return str(member["$ref"]).rpartition("/")[2]


def _holds(member: Mapping[str, Any]) -> str:
    if "$ref" in member:
        return f"[{_name(member)}](#{_name(member).lower()})"
    if member["type"] == "array":
        return f"list of {_holds(member['items'])}"
    if "enum" in member:
        codes = [f"`{code}`" for code in member["enum"]]
        return "one of " + ", ".join(codes) if len(codes) < 10 else f"{codes[0]} to {codes[-1]}"
    if member.get("maxLength") == MAX_LINK:
        return "id of a record" if "format" in member else "publisher id, or id of its record"
    if "format" in member:
        return {"date": "date", "uri": "web address", "date-time": "time"}[member["format"]]
    bounds = f", {member['minimum']} to {member['maximum']}" if member.get("maximum", 2**53) < 1000 else ""
    words = {"string": _text(member), "integer": "whole number", "number": "number", "boolean": "true or false"}
    return words[member["type"]] + bounds


def _text(member: Mapping[str, Any]) -> str:
    longest = member.get("maxLength")
    return f"text, at most {longest:,}" if longest else "text of a fixed form"


def _example(member: Mapping[str, Any]) -> str:
    shown = [json.dumps(example, ensure_ascii=False) for example in member.get("examples", ())]
    return ", ".join(f"`{text}`" for text in shown)
