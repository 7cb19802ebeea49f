"""The server of the made-up nodes: one process, prebuilt bytes, nothing computed but a tag and a look-up.

`python -m benchmarks.site FOLDER SIZE PORT signed|plain HOST...` serves a site of `corpus.py`; it prints `ready` once
it listens. `/stats` counts requests by path and says when the first page was asked for (the machine's monotonic clock);
`/stats/reset` begins anew.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from benchmarks.corpus import Corpus

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]
Header = tuple[bytes, bytes]
_AFTER = re.compile(rb"(?:^|&)afterChangeNumber=([0-9]+)(?:&|$)")


class Site:
    """The nodes as one ASGI application; the Host header tells which is asked."""

    def __init__(self, site: Corpus) -> None:
        named = [f"{host}:{site.port}".encode() for host in site.hosts]
        self.nodes = {name: site.node(number) for number, name in enumerate(named)}
        self.manifests = {name: feed.manifest() for name, feed in zip(named, site.feeds, strict=True)}
        self.counted: Counter[str] = Counter()
        self.first: float | None = None

    async def __call__(self, scope: Scope, _receive: object, send: Send) -> None:
        """Answer a request; there is no lifespan."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        status, sent, body = self._answer(scope, headers)
        if sent and headers.get(b"if-none-match") == sent[0][1]:
            status, body = 304, b""
        length = [] if status == 304 else [(b"content-length", str(len(body)).encode())]
        start = {"type": "http.response.start", "status": status, "headers": [*sent, *length]}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, list[Header], bytes]:
        path, host = scope["path"], headers.get(b"host", b"")
        if path.startswith("/stats"):
            return 200, [], self._stats(path)
        self.counted[path] += 1
        if path == "/v1/changes":
            if self.first is None:
                self.first = time.monotonic()
            return self._page(host, scope["query_string"], packed=b"gzip" in headers.get(b"accept-encoding", b""))
        if path == "/.well-known/folkmoot":
            return 200, _headers(f'"m{len(self.manifests[host])}"'), self.manifests[host]
        if path == "/.well-known/api-catalog":
            linked = {"linkset": [{"anchor": f"http://{host.decode()}/", "service-meta": []}]}
            return 200, _headers('"c"'), orjson.dumps(linked)
        return 404, [], b"{}"

    def _page(self, host: bytes, query: bytes, *, packed: bool) -> tuple[int, list[Header], bytes]:
        found = _AFTER.search(query)
        after = int(found[1]) if found else 0
        node = self.nodes[host]
        if after not in node.places:
            return 404, [], b"{}"
        if packed:
            return 200, [*_headers(f'"{after}-gz"'), (b"content-encoding", b"gzip")], node.packed(after)
        return 200, _headers(f'"{after}"'), node.plain(after)

    def _stats(self, path: str) -> bytes:
        if path == "/stats/reset":
            self.counted.clear()
            self.first = None
        return orjson.dumps({"requests": self.counted, "first": self.first})


def _headers(etag: str) -> list[Header]:
    return [
        (b"etag", etag.encode()),
        (b"content-type", b"application/json"),
        (b"cache-control", b"public, max-age=8"),
        (b"vary", b"Accept-Encoding"),
    ]


def main() -> None:
    """Serve until told to end."""
    folder, size, port, form, *hosts = sys.argv[1:]
    site = Corpus(int(size), tuple(hosts), int(port), Path(folder), form == "signed")
    sockets = []
    for host in hosts:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, int(port)))
        sockets.append(made)
    config = uvicorn.Config(Site(site), log_config=None, access_log=False, lifespan="off", server_header=False)
    print("ready", flush=True)
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main()
