"""Redirects to where nobody should go, or without end."""

from __future__ import annotations

from tests.hostile.node import FEED
from tests.hostile.register import answers, sends
from tests.hostile.talk import Talk, reply

ELSEWHERE = {
    "redirects_to_metadata": "http://169.254.169.254/latest/meta-data/",
    "redirects_to_another_host": "http://127.0.0.1:1/v1/changes",
    "redirects_to_https": "https://127.0.0.1/v1/changes",
    "redirects_to_a_file": "file:///etc/passwd",
    "redirects_to_gopher": "gopher://127.0.0.1:6379/_INFO",
    "redirects_to_a_script": "javascript:alert(1)",
    "redirects_without_a_scheme": "//127.0.0.1:1/",
    "redirects_to_nonsense": "http://[::1",
}
for name, target in ELSEWHERE.items():
    sends(name, "redirects", "redirects", reply(b"", status="302 Found", Location=target))
sends("redirects_nowhere", "redirects", "redirects", reply(b"", status="301 Moved"))


@answers("redirects", "redirects", "more than 3")
async def redirects_in_circles(talk: Talk) -> None:
    await talk.send(reply(b"", status="307 Again", Location=talk.path))


@answers("redirects", "redirects", "more than 3")
async def redirects_for_ever(talk: Talk) -> None:
    await talk.send(reply(b"", status="308 Further", Location=f"{FEED}/x{len(talk.path)}{talk.path[len(FEED) :]}"))


@answers("redirects", "url", "user name")
async def redirects_with_a_password(talk: Talk) -> None:
    there = f"http://user:secret@{talk.node.address}:{talk.node.port}{FEED}"
    await talk.send(reply(b"", status="302 Found", Location=there))


@answers("redirects", "redirects")
async def redirects_to_another_port(talk: Talk) -> None:
    await talk.send(reply(b"", status="302 Found", Location=f"http://{talk.node.address}:1{FEED}"))
