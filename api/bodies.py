"""Bodies as bytes, of the media types that a route reads; anything else is 415 (RFC 9110 section 15.5.16)."""

from collections.abc import Mapping
from email.message import Message
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


def media_type(request: Request) -> str:
    """The media type that the client says it sends, without parameters; "" where it says none."""
    return _header(request).get_content_type() if "content-type" in request.headers else ""


def _header(request: Request) -> Message:
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    return header


def need(request: Request, wanted: str, told: Mapping[str, str]) -> None:
    """Answer 415 unless the body is `wanted`, in UTF-8. `told` are headers that say what is read here."""
    found, charset = media_type(request), _header(request).get_param("charset", "utf-8")
    if found != wanted:
        raise HTTPException(415, f"The body is '{found[:80] or 'of no type'}'; send {wanted}.", dict(told))
    if str(charset).lower() not in ("utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, f"JSON is UTF-8, and the body says it is {str(charset)[:40]}.", dict(told))


async def json_body(request: Request) -> bytes:
    """A body of JSON, unread."""
    need(request, JSON, {})
    return await request.body()


async def patch_body(request: Request) -> bytes:
    """A body that is a JSON merge patch, unread."""
    need(request, MERGE_PATCH, {"Accept-Patch": MERGE_PATCH})
    return await request.body()


# Read whole before a writing session is opened: a slow sender must not keep other writers waiting.
JsonBody = Annotated[bytes, Depends(json_body)]
PatchBody = Annotated[bytes, Depends(patch_body)]
