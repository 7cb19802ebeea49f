"""Whole kinds as files to download (protocol section 6)."""

from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import WithJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from api.deps import Here
from api.etags import unchanged
from api.flights import Flights
from api.ranges import ranges
from api.services import Services
from api.strict import strict_router
from federation.bulk import SHAPES, BulkFiles, Shape, Written

router = strict_router(tags=["Bulk files"])

Name = Annotated[
    str,
    WithJsonSchema({"type": "string", "enum": sorted(SHAPES)}),
    Path(
        description="The file: a kind's plural and a format.",
        openapi_examples={"contracts": {"value": "contracts.csv"}},
    ),
]


_FILE = {media: {"schema": {"type": "string"}} for media in {shape.media_type for shape in SHAPES.values()}}


def files(here: Services) -> BulkFiles:
    """The bulk files of a server, in the folder of its data."""
    return BulkFiles(here.database, here.data_dir / "bulk", here.now, here.tenant)


@router.get(
    "/v1/bulk/{name}",
    operation_id="getBulkFile",
    summary="Download all records of a kind",
    response_class=Response,
    responses={
        200: {
            "description": "The file. Folkmoot-Change-Number says up to which change it is complete.",
            "content": _FILE,
        },
        206: {"description": "The part of it that Range asks for.", "content": _FILE},
    },
)
async def bulk_file(request: Request, here: Here, name: Name) -> Response:
    """Give every live record of one kind, as it stood at one change number.

    Small registers are always up to date; a large one may be some minutes behind, as its change number tells.
    """
    found: BulkFiles = request.app.state.bulk
    # One thread writes a file, however many wait for it: the others stay free for what needs no file.
    flights: Flights = request.app.state.flights
    written = await flights.anew(("bulk", name), lambda: run_in_threadpool(found.current, name))
    headers = {
        "ETag": f'"{written.sha256}"',
        "Cache-Control": "public, max-age=60",
        "Folkmoot-Change-Number": str(written.change_number),
        "Link": f'<{here.license}>; rel="license"',
    }
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    _keep_to_ranges(request, written.bytes, headers["ETag"])
    shape = SHAPES[name]
    return FileResponse(found.path(written), media_type=_media(shape), filename=name, headers=headers)


def _keep_to_ranges(request: Request, size: int, etag: str) -> None:
    """Leave in the request only ranges that the file can give: what else is asked for, `FileResponse` refuses.

    Raises 416 where it can give none of them, unless they are asked of another version (`If-Range`).
    """
    asked = ", ".join(request.headers.getlist("range"))
    if not asked:
        return
    found = ranges(asked, size) if request.scope["folkmoot.method"] == "GET" else None
    if found is not None and not found and request.headers.get("if-range") in (None, etag):
        raise HTTPException(416, f"This file has {size} bytes.", {"Content-Range": f"bytes */{size}"})
    fields = [field for field in request.scope["headers"] if field[0] != b"range"]
    if found:
        fields.append((b"range", f"bytes={','.join(f'{first}-{last}' for first, last in found)}".encode()))
    request.scope["headers"] = fields


def _media(shape: Shape) -> str:
    return f"{shape.media_type}; charset=utf-8" if shape.media_type == "text/csv" else shape.media_type


def listed(found: BulkFiles, public_url: str) -> list[dict[str, Any]]:
    """The files that stand, as the manifest names them."""
    return [_entry(shape, written, public_url) for shape, written in found.listed()]


def _entry(shape: Shape, written: Written, public_url: str) -> dict[str, Any]:
    return {
        "kind": shape.kind,
        "format": shape.format,
        "mediaType": shape.media_type,
        "url": f"{public_url}/v1/bulk/{shape.name}",
        "changeNumber": written.change_number,
        "count": written.count,
        "bytes": written.bytes,
        "sha256": written.sha256,
    }
