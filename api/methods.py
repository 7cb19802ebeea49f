"""Which methods a path answers to, over all routes that match it: what 405 says in Allow."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import Scope


def allowed(app: FastAPI, scope: Scope) -> list[str]:
    """Name the methods of every route that matches the path; HEAD wherever GET is."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(scope["path"]) and route.methods:
            found |= route.methods
    return sorted(found | ({"HEAD"} if "GET" in found else set()))
