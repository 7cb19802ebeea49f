"""A certificate authority of the tests, and servers' contexts with certificates that it, or another, vouches for."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import trustme

from tests.hostile.node import Node

THEN, NOW = datetime(2025, 1, 3, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
LATER, LAST = datetime(2096, 5, 6, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


@cache
def authority() -> trustme.CA:
    """Make the authority that is trusted, once a process."""
    return trustme.CA()


@cache
def trusted() -> Path:
    """Its certificate as a file, which is what an operator names in FOLKMOOT_CRAWL_CA."""
    file = Path(tempfile.mkdtemp(prefix="folkmoot-ca-")) / "ca.pem"
    authority().cert_pem.write_to_path(str(file))
    return file


def serving(*names: str, of: trustme.CA | None = None, intermediate: bool = True, **options: Any) -> ssl.SSLContext:
    """Make a server's context with a certificate for these names, made by `of` or by the authority."""
    made = (of or authority()).issue_cert(*names, **options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    sent = made.cert_chain_pems if intermediate else made.cert_chain_pems[:1]
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(b"".join([made.private_key_pem.bytes(), *(one.bytes() for one in sent)]))
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def shake(writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    """Go over to TLS."""
    await writer.start_tls(context, ssl_handshake_timeout=20)


async def well(node: Node, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet as a good node does."""
    await shake(writer, _for(node.address))


@cache
def _for(address: str) -> ssl.SSLContext:
    return serving(address)
