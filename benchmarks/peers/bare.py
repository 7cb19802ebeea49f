"""Ten lines of ASGI under uvicorn that send bytes from files: `bare.py PORT PLAIN PACKED`.

`/plain` and `/gzip` send the files with the headers that the application sent with them.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
PLAIN, PACKED = Path(sys.argv[2]).read_bytes(), Path(sys.argv[3]).read_bytes()
COMMON = [
    (b"etag", b'"0123456789abcdef"'),
    (b"cache-control", b"public, max-age=3600"),
    (b"vary", b"Accept-Encoding"),
    (b"content-type", b"application/json"),
]
ANSWERS = {
    "/plain": (PLAIN, [*COMMON, (b"content-length", str(len(PLAIN)).encode())]),
    "/gzip": (PACKED, [*COMMON, (b"content-encoding", b"gzip"), (b"content-length", str(len(PACKED)).encode())]),
}


async def app(scope: Message, _receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
    """Send the bytes."""
    body, headers = ANSWERS[scope["path"]]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off", server_header=False)
