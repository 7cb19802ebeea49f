"""Pages as large as any that is taken: with many items, with a huge one, with a deep one."""

from __future__ import annotations

import gzip
import json
import random
from functools import cache

from federation.answers import MAX_DECODED, MAX_RAW
from tests.hostile.node import FEED, Node
from tests.hostile.talk import Answer, Talk, good, reply, written

CLOSE, PLAIN = MAX_DECODED - 64 * 1024, MAX_RAW - 64 * 1024
"""Bytes of a page that is just below what is taken: of gzip unpacked, and as it is sent."""
ITEMS = 1_000


def _text(size: int) -> bytes:
    """Words in which one character needs four bytes in memory wherever it stands."""
    return b'"\xf0\x9f\x8c\xb3' + _noise()[: size // 20] + b"a" * (size - size // 20 - 8) + b'"'


def _deep(size: int) -> bytes:
    """Lists within lists, again and again."""
    ones = [b"[" * 20 + b'"' + _noise()[n : n + 12] + b'"' + b"]" * 20 for n in range(0, 500_000, 12)]
    return b"[" + b",".join((ones * (size // 1_000_000))[: size // 55]) + b"]"


@cache
def _noise() -> bytes:
    return random.Random(5).randbytes(1_000_000).hex().encode()


def many(node: Node, size: int) -> list[bytes]:
    """A thousand good items."""
    return [_item(node, n, _text(size // ITEMS - 700)) for n in range(1, ITEMS + 1)]


def huge(node: Node, size: int) -> list[bytes]:
    """One item that is nearly all of the page."""
    return [_item(node, 1, _text(size - 2_000))]


def well(node: Node, size: int) -> list[bytes]:
    """One item of lists within lists."""
    return [_item(node, 1, _deep(size - 2_000))]


def _item(node: Node, number: int, filling: bytes) -> bytes:
    item = node.contract(f"L-{number}") | {"modified": len(node.items) - 1 + number}
    node.items.pop()
    return json.dumps(item).encode().replace(b'"title": ', b'"x": ' + filling + b', "title": ')


KINDS = {"many": many, "huge": huge, "well": well}


def large(kind: str, node: Node, *, packed: bool = True) -> Answer:
    """Answer for a node: with one large page of a kind, as gzip or as it is, and then with the end."""
    items = KINDS[kind](node, CLOSE if packed else PLAIN)
    body = written(node.page(0) | {"next": node.at(len(node.items) + len(items)), "items": items})
    page = reply(gzip.compress(body, 1), Content_Encoding="gzip") if packed else reply(body)

    async def answer(talk: Talk) -> None:
        if not talk.path.startswith(FEED):
            await good(talk)
        elif talk.after == 0:
            await talk.send(page)
        else:
            await talk.send(reply(written(talk.node.page(talk.after) | {"latest": talk.after})))

    return answer
