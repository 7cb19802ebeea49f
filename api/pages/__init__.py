"""The pages for people, rendered on the server over the same functions as the API."""

from __future__ import annotations

from fastapi import APIRouter

from api.pages import home, nodes, plain, publishers, records, search, suppliers

router = APIRouter(include_in_schema=False)
for _part in (home, search, records, publishers, suppliers, nodes, plain):
    router.include_router(_part.router)
