"""Certificates that nobody should take, handshakes that come to nothing, and TLS that is cut off (T11)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import Callable

import trustme

from tests.hostile.behaviours.http import CHUNKED, HEAD
from tests.hostile.node import Document, Node
from tests.hostile.register import answers, bends, greets
from tests.hostile.talk import Greet, Talk, reply, written
from tests.hostile.tls import LAST, LATER, NOW, THEN, authority, serving, shake

ALL = b'{"next":"x","license":"x","items":[]}'


def _shows(made: Callable[[Node], ssl.SSLContext]) -> Greet:
    """Show a certificate."""

    async def greet(node: Node, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(writer, made(node))

    return greet


def _turns_away(made: Callable[[Node], ssl.SSLContext]) -> Greet:
    """Shake hands by hand, so that the alert with which the client is turned away reaches it."""

    async def greet(node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hands = made(node).wrap_bio(incoming, outgoing, server_side=True)
        try:
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    hands.do_handshake()
                    return
                writer.write(outgoing.read())
                incoming.write(await reader.readexactly(1))
        except ssl.SSLError:
            pass
        finally:
            writer.write(outgoing.read())
            writer.write_eof()
            await reader.read()
            writer.close()

    return greet


def _says(*parts: bytes, then: Callable[[asyncio.StreamWriter], None] | None = None) -> Greet:
    """Wait for the client's first words and answer with bytes of one's own, over and over, or with silence."""

    async def greet(_node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_024)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then is not None:
            then(writer)
            return
        while True:
            await asyncio.sleep(0.05)
            writer.write(parts[-1][-1:] if parts else b"")
            await writer.drain()

    return greet


def _old(version: ssl.TLSVersion) -> Greet:
    """Speak an old TLS and no other."""

    def made(node: Node) -> ssl.SSLContext:
        context = serving(node.address)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = context.maximum_version = version
        return context

    return _turns_away(made)


def _asking(node: Node) -> ssl.SSLContext:
    context = serving(node.address)
    context.verify_mode = ssl.CERT_REQUIRED
    authority().configure_trust(context)
    return context


def _itself(node: Node) -> ssl.SSLContext:
    """A certificate of an authority that shows itself alone: a node that signs for itself."""
    lone = trustme.CA()
    context = serving(node.address, of=lone)
    with lone.private_key_pem.tempfile() as key, lone.cert_pem.tempfile() as cert:
        context.load_cert_chain(cert, key)
    return context


_CERT = "certificate"
greets(
    "shows_anothers_certificate", _CERT, _shows(lambda _: serving("other.example")), "is for other.example, not for 127"
)
greets(
    "shows_a_certificate_for_part_of_its_name",
    _CERT,
    _shows(lambda _: serving("*.41.1.1")),
    r"is for *.41.1.1, not for",
)
greets(
    "lets_its_certificate_run_out",
    _CERT,
    _shows(lambda n: serving(n.address, not_before=THEN, not_after=NOW)),
    "ran out on 2026-01-03",
)
greets(
    "shows_a_certificate_of_tomorrow",
    _CERT,
    _shows(lambda n: serving(n.address, not_before=LATER, not_after=LAST)),
    "becomes valid on 2096-05-06",
)
greets("signs_its_certificate_itself", _CERT, _shows(_itself), "is signed by itself")
greets(
    "has_an_authority_that_nobody_knows", _CERT, _shows(lambda n: serving(n.address, of=trustme.CA())), "not known here"
)
greets(
    "leaves_its_intermediate_out",
    _CERT,
    _shows(lambda n: serving(n.address, of=authority().create_child_ca(), intermediate=False)),
    "does not send its intermediate certificate",
)
greets("speaks_the_oldest_tls", "tls", _old(ssl.TLSVersion.TLSv1), "no TLS 1.2")
greets("speaks_old_tls", "tls", _old(ssl.TLSVersion.TLSv1_1), "no TLS 1.2")
greets("asks_for_our_certificate", "tls", _turns_away(_asking), "certificate required")
greets("speaks_plainly_where_tls_is_due", "tls", _says(reply(b"{}")), "does not speak TLS")
greets(
    "speaks_of_mail_where_tls_is_due", "tls", _says(b"220 mail.exampleshire.example ESMTP\r\n"), "does not speak TLS"
)
greets("says_nothing_of_tls", "reachable", _says(), "TLS in time")
greets("drips_its_handshake", "reachable", _says(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"), "TLS in time")
greets(
    "cuts_its_handshake",
    "reachable",
    _says(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", then=asyncio.StreamWriter.close),
    "before TLS was agreed",
)
greets("hangs_up_at_our_greeting", "reachable", _says(then=asyncio.StreamWriter.close), "before TLS was agreed")


@answers("tls", "reachable", "cut the connection off")
async def cuts_what_it_counted(talk: Talk) -> None:
    await talk.send(HEAD, b"Content-Length: 100000\r\n\r\n", ALL)
    talk.cut()


@answers("tls", "reachable", "cut the connection off")
async def cuts_its_chunks(talk: Talk) -> None:
    await talk.send(CHUNKED, b"%x\r\n%b\r\n" % (len(ALL), ALL))
    talk.cut()


@answers("tls", "reachable", "cut the connection off")
async def cuts_what_ends_with_the_connection(talk: Talk) -> None:
    page = talk.document()
    await talk.send(HEAD, b"Connection: close\r\n\r\n", written(page or {}))
    talk.cut()


@answers("tls", "tls", "TLS with")
async def breaks_its_encryption(talk: Talk) -> None:
    made = talk.writer.get_extra_info("socket")
    await talk.send(HEAD, b"Content-Length: 100000\r\n\r\n")
    made._sock.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    await talk.forever()


@answers("tls", "redirects", "http://")
async def redirects_to_plain_http(talk: Talk) -> None:
    there = talk.node.url.replace("https://", "http://") + talk.path
    await talk.send(reply(b"", status="301 Moved", Location=there))


@bends("tls", "next-same-path", "http://")
def goes_on_over_plain_http(page: Document, _node: Node) -> Document:
    return page | {"next": page["next"].replace("https://", "http://")}


@bends("tls", "feed-own-origin", "http://", of="manifest")
def moves_its_feed_to_plain_http(manifest: Document, _node: Node) -> Document:
    feeds = [feed | {"url": feed["url"].replace("https://", "http://")} for feed in manifest["feeds"]]
    return manifest | {"feeds": feeds}
