"""TLS towards nodes: names, authorities and ends of what is sent (T11)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from federation.fetch import Door
from folkmoot import wiring
from folkmoot.settings import Settings
from schema.errors import Crawling, Later, Misconfigured, Untrusted
from tests.hostile.behaviours import BEHAVIOURS
from tests.hostile.behaviours.http import HEAD
from tests.hostile.moot import FAIR, SHY, Moot
from tests.hostile.node import Node
from tests.hostile.talk import Greet, Servers, Talk, reply
from tests.hostile.tls import authority, serving, shake, trusted, well

NAME = "node.exampleshire.example"
Doing = Callable[[Door, str], Awaitable[Any]]


def showing(context: ssl.SSLContext) -> Greet:
    """Greet with a certificate."""

    async def greet(_node: Node, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(writer, context)

    return greet


async def _ok(talk: Talk) -> None:
    await talk.send(reply(b'{"a":1}'))


async def _get(door: Door, place: str) -> Any:
    return (await door.get(place + "/x")).body


def met(greet: Greet, *, answer: Any = _ok, doing: Doing = _get, limits: Any = FAIR, **options: Any) -> Any:
    """What comes of asking a node of https by its name, which resolves to its address on loopback."""
    given = {"ca": trusted(), **options}

    async def go() -> Any:
        async with Servers() as servers:
            node = await servers.listen(0, answer, greet=greet)

            async def resolve(_host: str, _port: int) -> list[str]:
                return [node.address]

            door = Door(user_agent="t", allow_private=True, gap=0.0, limits=limits, resolve=resolve, **given)
            async with door:
                return await doing(door, f"https://{NAME}:{node.port}")

    return asyncio.run(asyncio.wait_for(go(), 20))


def refused(greet: Greet, **options: Any) -> Untrusted:
    """How a node is refused for its TLS."""
    with pytest.raises(Untrusted) as caught:
        met(greet, **options)
    return caught.value


def test_t11_tls_is_about_the_name_though_the_address_is_pinned() -> None:
    """The name is said in the greeting (SNI) and looked for in the certificate, wherever the connection goes."""
    context, said = serving(NAME), []
    context.sni_callback = lambda _made, name, _context: said.append(name)
    assert met(showing(context)) == b'{"a":1}'
    assert said == [NAME]
    assert met(showing(serving("*.exampleshire.example"))) == b'{"a":1}'


def test_t11_a_certificate_for_another_name_says_for_which() -> None:
    """An officer reads for whom the certificate is: up to three names, and nothing that is no name."""
    error = refused(showing(serving("other.example")))
    assert (error.rule, error.detail) == ("certificate", f"The certificate is for other.example, not for {NAME}.")
    error = refused(showing(serving(*(f"n{n}.example" for n in range(5)))))
    assert error.detail == f"The certificate is for n0.example, n1.example, n2.example and others, not for {NAME}."


def test_t11_a_name_that_stands_in_the_subject_alone_is_none() -> None:
    """RFC 9525 6.3: the common name is not looked at."""
    assert refused(showing(serving("127.0.0.9", common_name=NAME))).rule == "certificate"


def test_t11_a_fault_is_told_though_the_certificate_cannot_be_read_again() -> None:
    """A server that shows its wrong certificate once and then hangs is told of all the same."""
    context, times = serving("other.example"), []

    async def once(_node: Node, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        times.append(1)
        await (shake(writer, context) if len(times) == 1 else asyncio.sleep(60))

    assert refused(once, limits=SHY).detail == f"The certificate is for another name, not for {NAME}."
    assert len(times) == 2


def test_t11_nothing_is_asked_of_a_server_with_a_wrong_certificate() -> None:
    """Not by the look at the certificate either."""
    asked: list[str] = []

    async def answer(talk: Talk) -> None:
        asked.append(talk.path)

    refused(showing(serving("other.example")), answer=answer)
    assert asked == []


def test_t11_an_authority_of_ones_own_is_trusted_by_the_setting_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """FOLKMOOT_CRAWL_CA names it; what the environment says to OpenSSL or to other clients is not listened to."""
    greet = showing(serving(NAME))
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(trusted()))
    monkeypatch.setenv("SSL_CERT_DIR", str(trusted().parent))
    assert "its authority is not known here" in refused(greet, ca=None).detail
    monkeypatch.setenv("FOLKMOOT_CRAWL_CA", str(trusted()))
    settings = Settings.model_validate({"data_dir": tmp_path, "public_url": "https://moot.example"})
    door = wiring.door(settings)
    context = door._transport._pool._ssl_context
    assert context is not None
    ours = ssl.PEM_cert_to_DER_cert(trusted().read_text())
    system = httpx2.create_ssl_context(trust_env=False).get_ca_certs(binary_form=True)
    assert ours in context.get_ca_certs(binary_form=True)
    assert set(system) < set(context.get_ca_certs(binary_form=True))
    assert met(greet) == b'{"a":1}'


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_t11_a_file_that_holds_no_certificate_is_said_so(tmp_path: Path, text: str | None) -> None:
    """The operator reads which setting is wrong."""
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(Misconfigured, match="FOLKMOOT_CRAWL_CA"):
        Door(user_agent="t", ca=tmp_path / "ca.pem")


@pytest.mark.parametrize("name", ["speaks_the_oldest_tls", "speaks_old_tls"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_t11_old_tls_is_refused_by_us_not_by_the_server(name: str) -> None:
    """A client that takes anything gets in where the door does not."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    authority().configure_trust(lax)
    greet = BEHAVIOURS[name].greet
    assert greet is not None

    async def go() -> str | None:
        async with Servers() as servers:
            node = await servers.listen(0, greet=greet)
            _reader, writer = await asyncio.open_connection(node.address, node.port, ssl=lax)
            version: str | None = writer.get_extra_info("ssl_object").version()
            writer.transport.abort()
            return version

    assert asyncio.run(go()) in ("TLSv1", "TLSv1.1")


async def _robots(door: Door, place: str) -> bytes:
    return await (await door.robots(place)).whole()


def test_t11_a_robots_that_was_cut_off_permits_nothing() -> None:
    """What forbids us may have stood behind the cut: an answer without length is whole only where TLS says so."""

    async def short(talk: Talk) -> None:
        await talk.send(HEAD, b"Connection: close\r\n\r\n", b"User-agent: *\nDisallow: /a\n")
        talk.cut()

    with pytest.raises(Later, match="cut the connection off") as caught:
        met(showing(serving(NAME)), answer=short, doing=_robots)
    assert caught.value.rule == "reachable"


def test_an_answer_without_length_is_whole_where_tls_ends_as_it_should() -> None:
    """A server that closes TLS properly may leave the length out."""

    async def whole(talk: Talk) -> None:
        await talk.send(HEAD, b"Connection: close\r\n\r\n", b'{"a":1}')
        talk.writer.close()

    assert met(showing(serving(NAME)), answer=whole) == b'{"a":1}'


def test_a_connection_is_used_again() -> None:
    """A second request over TLS needs no second handshake."""
    context, times = serving(NAME), []

    async def counted(_node: Node, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        times.append(1)
        await shake(writer, context)

    async def twice(door: Door, place: str) -> list[bytes]:
        return [await _get(door, place), await _get(door, place)]

    assert met(counted, doing=twice) == [b'{"a":1}'] * 2
    assert len(times) == 1


def test_a_message_is_not_sent_to_a_server_with_a_wrong_certificate() -> None:
    """Webhooks go by the same rules."""

    async def post(door: Door, place: str) -> Any:
        return await door.post(place + "/hook", b"{}", {})

    assert refused(showing(serving("other.example")), doing=post).rule == "certificate"


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t11_a_node_of_https_is_read(database: Any) -> None:
    """A good node with a certificate of the operator's own authority is read to its end, and nothing is told of it."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0, greet=well)
            moot.pin(node)
            (result,) = await moot.visit(door, node)
            assert (result.outcome, result.error) == ("ended", None)
            assert moot.live(node) == {node.publisher, "C-1", "C-2", "C-3"}
            assert moot.problems(node) == []

    asyncio.run(go())


def test_untrusted_is_tried_again_later() -> None:
    """A certificate is renewed: what it cost is a visit, not the node."""
    assert issubclass(Untrusted, Later)
    assert Crawling.rule == "reachable"
