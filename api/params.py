"""The query parameters of lists: what they are called, what they mean, and the query that they make.

Declared once, for reading and for the API's description. `api/strict.py` refuses unknown ones and repeats of single
ones; `api/queries.py` reads the values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_type_hints

from fastapi import Query as Parameter
from fastapi.params import Query as QueryInfo
from pydantic import WithJsonSchema
from starlette.datastructures import QueryParams

from federation.documents import FACETS
from federation.index import SORTS
from schema import codelists
from schema.identifiers import PUBLISHER_ID

LIMIT, MAX_LIMIT = 20, 100
MAX_WORDS, MAX_VALUE, MAX_VALUES = 300, 4_000, 100
MAX_MONEY = 1e15
SORTED = [name for sort in SORTS for name in (sort, f"-{sort}") if name != "-relevance"]
_FACET_LIST = "^(" + "|".join(FACETS) + ")(,(" + "|".join(FACETS) + "))*$"


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


def _several(**each: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": {"type": "string", **each}, "maxItems": MAX_VALUES})


def _example(value: Any) -> dict[str, Any]:
    return {"one": {"value": value}}


_TEXT = _several(minLength=1, maxLength=MAX_VALUE)
_DATE = _schema(type="string", format="date")
_MONEY = _schema(type="number", minimum=-MAX_MONEY, maximum=MAX_MONEY)
Several = list[str] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list was asked, as text. A repeated filter is OR, different filters are AND."""

    q: Annotated[
        str,
        _schema(type="string", maxLength=MAX_WORDS),
        Parameter(
            description='Words that all must stand in the record. "A phrase" in quotes; -word leaves records out.',
            openapi_examples=_example("parking enforcement"),
        ),
    ] = ""
    publisher: Annotated[
        Several,
        _several(pattern=f"^{PUBLISHER_ID.pattern}$"),
        Parameter(description="Publisher id.", openapi_examples=_example(["GB-LAE-EXA"])),
    ] = None
    region: Annotated[
        Several, _TEXT, Parameter(description="The publisher's region.", openapi_examples=_example(["Wessex"]))
    ] = None
    nation: Annotated[
        Several, _TEXT, Parameter(description="The publisher's nation.", openapi_examples=_example(["England"]))
    ] = None
    phase: Annotated[
        Several,
        _several(enum=list(codelists.PHASES)),
        Parameter(description="Phase of digital work.", openapi_examples=_example(["alpha"])),
    ] = None
    status: Annotated[
        Several,
        _several(enum=list(codelists.STATUSES)),
        Parameter(description="Status of digital work.", openapi_examples=_example(["active"])),
    ] = None
    collaboration: Annotated[
        Several,
        _several(enum=list(codelists.COLLABORATIONS)),
        Parameter(description="Whether others may join.", openapi_examples=_example(["seeking-partners"])),
    ] = None
    supplier: Annotated[
        Several,
        _TEXT,
        Parameter(
            description="Supplier, by identifier (GB-COH-01234567) or by name; of a tool, its vendor.",
            openapi_examples=_example(["GB-COH-01234567"]),
        ),
    ] = None
    tool: Annotated[
        Several, _TEXT, Parameter(description="Tool, by name or record id.", openapi_examples=_example(["PlanRight"]))
    ] = None
    service: Annotated[
        Several,
        _TEXT,
        Parameter(
            description="Service, by LGSL address or number; of a tool, a service area by name.",
            openapi_examples=_example(["485"]),
        ),
    ] = None
    cpv: Annotated[
        Several,
        _several(pattern=r"^[0-9]{2,8}(-[0-9])?$"),
        Parameter(
            description="The beginning of an 8-digit CPV code: 48 is the whole division, 48000000 that code alone.",
            openapi_examples=_example(["48"]),
        ),
    ] = None
    stage: Annotated[
        Several,
        _several(enum=list(codelists.STAGES)),
        Parameter(description="Stage of a contract.", openapi_examples=_example(["active"])),
    ] = None
    ends_after: Annotated[
        str | None,
        _DATE,
        Parameter(alias="endsAfter", description="Ends on this day or later.", openapi_examples=_example("2026-11-01")),
    ] = None
    ends_before: Annotated[
        str | None,
        _DATE,
        Parameter(
            alias="endsBefore", description="Ends on this day or earlier.", openapi_examples=_example("2027-06-01")
        ),
    ] = None
    starts_after: Annotated[
        str | None,
        _DATE,
        Parameter(
            alias="startsAfter", description="Starts on this day or later.", openapi_examples=_example("2026-11-01")
        ),
    ] = None
    starts_before: Annotated[
        str | None,
        _DATE,
        Parameter(
            alias="startsBefore", description="Starts on this day or earlier.", openapi_examples=_example("2027-06-01")
        ),
    ] = None
    value_min: Annotated[
        str | None,
        _MONEY,
        Parameter(
            alias="valueMin",
            description="Worth this much or more: the amount, or the upper end of the range.",
            openapi_examples=_example(10000),
        ),
    ] = None
    value_max: Annotated[
        str | None,
        _MONEY,
        Parameter(
            alias="valueMax",
            description="Worth this much or less: the amount, or the lower end of the range.",
            openapi_examples=_example(250000),
        ),
    ] = None
    updated_since: Annotated[
        str | None,
        _schema(anyOf=[{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]),
        Parameter(
            alias="updatedSince",
            description="Changed here at this time or later.",
            openapi_examples=_example("2026-11-02T09:00:00Z"),
        ),
    ] = None
    signed: Annotated[
        Several,
        _several(enum=[*codelists.SIGNATURES, "true", "false"]),
        Parameter(
            description="What the record's signature is worth; true is valid, false all else.",
            openapi_examples=_example(["valid"]),
        ),
    ] = None
    sort: Annotated[
        str | None,
        _schema(type="string", enum=SORTED),
        Parameter(
            description="Order, `-` reverses; records without the value come last either way. "
            "By default relevance where there are words, else the latest change first.",
            openapi_examples=_example("end"),
        ),
    ] = None
    facets: Annotated[
        Several,
        _several(pattern=_FACET_LIST),
        Parameter(
            description="What to count: " + ", ".join(FACETS) + ". Joined by commas, or repeated.",
            openapi_examples=_example(["publisher,cpv"]),
        ),
    ] = None
    cursor: Annotated[
        str | None, _schema(type="string"), Parameter(description="Where to go on, from `next` of the page before.")
    ] = None
    limit: Annotated[
        str | None,
        _schema(type="integer", minimum=1, maximum=MAX_LIMIT, default=LIMIT),
        Parameter(description="How many a page.", openapi_examples=_example(20)),
    ] = None


def read(given: QueryParams) -> Asked:
    """Read a list's parameters in one pass over those that were given; what a list does not know is left to others."""
    found: dict[str, Any] = {}
    for alias, value in given.multi_items():
        name, several = _NAMES.get(alias, ("", False))
        if several:
            found.setdefault(name, []).append(value)
        elif name:
            found[name] = value
    return Asked(**found)


def _names() -> Iterator[tuple[str, tuple[str, bool]]]:
    """How each parameter is written, its name here, and whether it may be repeated."""
    for name, declared in get_type_hints(Asked, include_extras=True).items():
        said, *told = get_args(declared)
        alias = next(one.alias for one in told if isinstance(one, QueryInfo))
        yield alias or name, (name, said == Several)


_NAMES = dict(_names())
KNOWN = {alias: several for alias, (_, several) in _NAMES.items()}
"""How each parameter is written, and whether it may be repeated."""
