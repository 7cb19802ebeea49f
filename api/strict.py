"""No parameter is ever ignored: unknown ones and repeats of single ones are refused (protocol section 6)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query

from schema.errors import Repeated, UnknownParameter

PAGING = frozenset({"page", "offset", "per_page", "perpage", "page_size", "pagesize", "skip", "start_index"})
"""How other APIs ask for the next page; none of these resembles one of our filters in sense."""
_READ: WeakKeyDictionary[Callable[..., Any], Mapping[str, bool]] = WeakKeyDictionary()


async def strict_parameters(request: Request) -> None:
    """Refuse what the route does not read. A dependency of the whole application.

    Holds for everything under /v1/ and for every method that writes; a page or an id may carry what a mail program
    or a link shortener has added. Raises `UnknownParameter` with the near match, `Repeated` for a repeat.
    """
    if not request.scope["path"].startswith("/v1/") and request.method in ("GET", "HEAD"):
        return
    if request.query_params:
        refuse_strange(request, _of_route(request))


def refuse_strange(request: Request, known: Mapping[str, bool]) -> None:
    """Refuse what is not known, and repeats of what may not be repeated. Raises as `strict_parameters` does."""
    given = request.query_params.multi_items()
    for name in dict.fromkeys([name for name, _ in given]):
        if name not in known:
            raise unknown(name, known)
        if not known[name] and len(given) > 1:
            count = sum(one == name for one, _ in given)
            if count > 1:
                raise Repeated(name, count, "it once")


def strict_router(**given: Any) -> APIRouter:
    """A router each of whose routes refuses what it does not read; it is told all else that a router may be told."""
    return APIRouter(dependencies=[Depends(strict_parameters)], **given)


def unknown(name: str, known: Mapping[str, Any]) -> UnknownParameter:
    """The error that says what to write instead of a parameter that nobody reads."""
    hint = "Pages have no numbers: follow 'next' instead." if name.lower() in PAGING and "cursor" in known else ""
    return UnknownParameter(name, near(name, known), sorted(known), hint=hint)


def near(name: str, known: Mapping[str, Any]) -> str | None:
    """The known name that this one resembles, whatever its case."""
    lowered = {candidate.lower(): candidate for candidate in known}
    asked = name.lower()
    found = [] if asked in PAGING else difflib.get_close_matches(asked, lowered, n=1, cutoff=0.75)
    found = found or [one for one in lowered if len(asked) > 2 and (one.startswith(asked) or asked.startswith(one))]
    return lowered[found[0]] if found else None


def _of_route(request: Request) -> Mapping[str, bool]:
    """What a route reads, looked up once: what stands in its signature does not change."""
    endpoint = request.scope["endpoint"]
    known = _READ.get(endpoint)
    if known is None:
        known = _READ[endpoint] = _known(request.scope["route"].dependant)
    return known


def _known(dependant: Dependant) -> Mapping[str, bool]:
    """The query parameters of a route; true where one may be repeated."""
    fields = (field for field in get_flat_params(dependant) if isinstance(field.field_info, Query))
    return {field.alias: _is_list(field.field_info.annotation) for field in fields}


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
