"""The pages for people, rendered on the server over the same functions as the API."""

from __future__ import annotations

from fastapi import APIRouter

from api.pages import checks, home, nodes, plain, publishers, records, search, suppliers

router = APIRouter()
for _part in (home, search, records, publishers, suppliers, nodes, checks, plain):
    router.routes.extend(_part.router.routes)
