"""The feed page as a FastAPI tutorial would serve it: `framework.py PORT PLAIN`; and an application of one route.

`/model` returns the items as dicts through a response model; `/middleware` returns the bytes through GZipMiddleware.
"""

import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware


class Item(BaseModel):
    """An item of the feed."""

    state: str
    kind: str
    id: str
    modified: int
    data: dict[str, Any]
    origin: dict[str, Any]
    via: list[dict[str, Any]]


class Page(BaseModel):
    """A page of the feed."""

    next: str
    epoch: str
    license: str
    items: list[Item]


def one_route() -> FastAPI:
    """Build an application with one route: what FastAPI itself needs to begin."""
    app = FastAPI()

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    return app


def served(body: bytes) -> FastAPI:
    """Build the application that serves a page."""
    app = one_route()
    page = orjson.loads(body)

    @app.get("/model", response_model=Page)
    async def model() -> Any:
        return page

    squeezed = FastAPI()
    squeezed.add_middleware(GZipMiddleware, compresslevel=6)

    @squeezed.get("/page")
    async def plain() -> Response:
        return Response(body, media_type="application/json")

    app.mount("/middleware", squeezed)
    return app


if __name__ == "__main__":
    made = served(Path(sys.argv[2]).read_bytes()) if len(sys.argv) > 2 else one_route()
    uvicorn.run(made, port=int(sys.argv[1]), log_config=None, access_log=False)
