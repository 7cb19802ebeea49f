"""Sixty poisoned pieces of JSON in one feed: each is refused alone with its place, on both databases (T06)."""

from __future__ import annotations

import asyncio
import json

import pytest

from federation.database import Database
from schema.change import check_page
from schema.errors import Refused
from tests.hostile.moot import Moot
from tests.hostile.node import Node
from tests.hostile.talk import Servers, Talk, good, reply, written

TITLE = '"title":"Contract"'
WRONG_TITLES = (
    "null", "true", "0", "1.5", "[]", "{}", '["a"]', '{"en":"a"}', '""', '"' + "x" * 501 + '"', '"a\\u0000b"',
    '"a\\u0001b"', '"a\\bb"', '"a\\u001bb"', '"a\\u007fb"', '"a\\nb"', '"a\\rb"', '"\x7f"',
)  # fmt: skip
WRONG_BESIDE = (
    '"title":"Twice"', '"x":1,"x":1', '"x":{"y":[{"z":1,"z":2}]}', '"x":9007199254740992', '"x":-9007199254740992',
    '"x":18446744073709551616', '"x":' + "9" * 400, '"x":-' + "9" * 5_000, '"x":1e309', '"x":-1e999',
    '"x":' + "[" * 32 + "]" * 32, '"x":' + '{"a":' * 40 + "1" + "}" * 40, '"x":' + "[" * 900 + "]" * 900,
    '"x":"\\u0000"', '"x":["\\u0008"]', '"\\u0000":1', '"a\\u001f":{}', '"description":5', '"description":"a\\u0000"',
    '"startDate":"2026-02-30"', '"startDate":20260101', '"startDate":"2026-01-01T00:00:00Z"', '"value":5',
    '"value":{"amount":"5"}', '"value":{"amount":true}', '"buyers":{}', '"buyers":[5]', '"buyers":[{"name":null}]',
    '"suppliers":"Acme"', '"contact":"a@b"', '"documents":[{"url":"file:///etc/passwd"}]',
    '"documents":[{"url":"data:text/html,x"}]', '"classifications":[[]]', '"tools":5', '"tools":[null]',
    '"stage":"maybe"', '"ocid":5', '"x":"' + "y" * 300_000 + '"',
)  # fmt: skip
WRONG_AROUND = (
    ('"modified":%d', '"modified":%d,"reason":5'),
    ('"kind": "contract"', '"kind": 5'),
    ('"kind": "contract"', '"kind": null'),
    ('"origin": {', '"origin": [{}], "was": {'),
)


def _poisoned(node: Node) -> list[bytes]:
    """One item each, under numbers that rise."""
    found: list[bytes] = []
    titles = [f'"title":{text}' for text in WRONG_TITLES]
    for members in [*titles, *(f"{TITLE},{more}" for more in WRONG_BESIDE)]:
        plain = json.dumps(node.contract(f"P-{len(found)}"))
        found.append(plain.replace(f'"title": "Contract P-{len(found)}"', members).encode())
    for old, new in WRONG_AROUND:
        item = node.contract(f"P-{len(found)}")
        text = json.dumps(item).replace('"modified": ', '"modified":')
        number = item["modified"]
        was, becomes = (part % number if "%d" in part else part for part in (old, new))
        assert was in text, was
        found.append(text.replace(was, becomes).encode())
    return found


def test_t06_sixty_poisoned_items_are_each_refused_alone(database: Database) -> None:
    """Each is told of under its id with a rule; the good records beside them are taken; nothing is a fault of ours."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0)
            moot.pin(node)
            held = len(node.items)
            poisoned = _poisoned(node)
            assert len(poisoned) >= 60

            async def answer(talk: Talk) -> None:
                page = talk.document()
                if page is not None and page.get("items"):
                    page["items"][held:] = poisoned
                    await talk.send(reply(written(page)))
                else:
                    await good(talk)

            servers.answers[node.address] = answer
            (result,) = await moot.visit(door, node)
            assert (result.outcome, result.error) == ("ended", None)
            assert moot.live(node) == {node.publisher, "C-1", "C-2", "C-3"}
            told = {row.record_id.rpartition("/")[2] for row in moot.problems(node)}
            assert told == {f"P-{n}" for n in range(len(poisoned))}

    asyncio.run(go())


PAGES = {
    "nothing": b"", "a number": b"5", "a text": b'"x"', "a list": b"[]", "null": b"null", "half an object": b'{"next":',
    "two objects": b"{}{}", "a comma too many": b'{"items":[],}', "a name without quotes": b"{items:[]}",
    "single quotes": b"{'items':[]}", "nan": b'{"items":[NaN]}', "a surrogate": b'{"next":"\\ud800"}',
    "utf-7": b"+AHsAfQ-", "utf-16": "{}".encode("utf-16"), "utf-32": "{}".encode("utf-32"), "latin": b'{"next":"\xe9"}',
    "overlong": b'{"next":"\xc0\x80"}', "past unicode": b'{"next":"\xf4\x90\x80\x80"}', "a raw nul": b'{"next":"\x00"}',
    "a raw line break": b'{"next":"a\nb"}', "a well": b"[" * 1_000_000, "a well of objects": b'{"a":' * 500_000,
    "many members": b"{" + b",".join(b'"m%d":0' % n for n in range(200_000)) + b"}",
    "items twice": b'{"next":"https://a.example/","license":"x","items":[' + b"0," * 1_500_000 + b'0],"items":[]}',
}  # fmt: skip


@pytest.mark.parametrize("body", PAGES.values(), ids=PAGES.keys())
def test_t06_a_page_that_is_no_page_is_refused(body: bytes) -> None:
    """What is not one object of UTF-8 with the members of a page is refused whole, by a rule, and cheaply."""
    with pytest.raises(Refused) as refused:
        check_page(body, "https://exa.example/v1/changes")
    assert refused.value.rule in ("page-json", "page-members", "next-same-path")
