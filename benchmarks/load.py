"""Requests a second at 16 connections: by wrk where it is installed, else by our own client in its own process.

Within one run both sides are asked by the same client. `python -m benchmarks.load URL CONNECTIONS SECONDS [HEADER]` is
our own.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from urllib.parse import urlsplit

from benchmarks.processes import Failed, python, run

CONNECTIONS = 16
_RATE = re.compile(r"Requests/sec:\s*([0-9.]+)")
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def client() -> str:
    """Say which client asks."""
    return "wrk" if shutil.which("wrk") else "our own asyncio client"


def rate(url: str, *, seconds: float, header: str = "") -> float:
    """Give requests a second. Raises `Failed` where an answer was not 200."""
    if shutil.which("wrk"):
        headers = ["-H", header] if header else []
        told = run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", *headers, url).output
        found = _RATE.search(told)
        if "Non-2xx" in told or "Socket errors" in told or found is None:
            raise Failed(f"wrk {url}: {told}")
        return float(found[1])
    command = python("-m", "benchmarks.load", url, str(CONNECTIONS), str(seconds), header)
    return float(run(*command).output)


async def _keep_asking(url: str, header: str, until: float) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4_000_000)
    extra = f"{header}\r\n" if header else ""
    request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{extra}\r\n".encode()
    done = 0
    try:
        while time.monotonic() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise Failed(f"{url} answered {head[:200]!r}")
            await reader.readexactly(int(length[1]))
            done += 1
    finally:
        writer.close()
        await writer.wait_closed()
    return done


async def requests(url: str, connections: int, seconds: float, header: str) -> float:
    """Ask over so many connections for so long; give requests a second. Raises `Failed` for anything but 200."""
    began = time.monotonic()
    asking = (_keep_asking(url, header, began + seconds) for _ in range(connections))
    asked = await asyncio.gather(*asking, return_exceptions=True)
    for one in asked:
        if isinstance(one, BaseException):
            raise one
    return sum(one for one in asked if isinstance(one, int)) / (time.monotonic() - began)


def main() -> None:
    """Ask, and print requests a second."""
    url, connections, seconds, header = sys.argv[1:]
    print(asyncio.run(requests(url, int(connections), float(seconds), header)))


if __name__ == "__main__":
    main()
