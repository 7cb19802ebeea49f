"""Texts that would run, hide or overflow where they are shown."""

from __future__ import annotations

from tests.hostile.node import Document, Node
from tests.hostile.register import Change, answers, item
from tests.hostile.talk import Talk, reply


def _data(**members: object) -> Change:
    def change(found: Document, _node: Node) -> Document:
        return found | {"data": found["data"] | members}

    return change


item("links_to_a_script", "text", "schema", _data(documents=[{"url": "javascript:alert(1)", "title": "x"}]))
item("breaks_its_title", "text", "schema", _data(title="One\nTwo"))
item("colours_the_log", "text", "schema", _data(title="\x1b[31mred\x1b[0m"))
item("has_an_endless_title", "text", "schema", _data(title="<script>alert(1)</script>" * 30))
item("has_an_endless_text", "text", "schema", _data(description="<img src=x onerror=alert(1)>" * 1_000))
item("hides_a_script_in_a_name", "text", "schema", _data(**{"<script>alert(1)</script>\x07": 1}))
item("hides_a_script_in_its_kind", "text", "kind", lambda found, _node: found | {"kind": "<script>alert(1)</script>"})
item("hides_a_script_in_its_id", "text", "id-prefix", lambda found, _node: found | {"id": "<script>alert(1)</script>"})
item(
    "hides_a_script_in_its_state",
    "text",
    "item-state",
    lambda found, _node: found | {"state": "<script>alert(1)</script>"},
)
item("names_a_mailbox_that_is_none", "text", "schema", _data(contact={"email": "a@b\r\nBcc: c@d"}))


@answers("text", "content-type", "text/<script>")
async def hides_a_script_in_its_type(talk: Talk) -> None:
    await talk.send(reply(b"", kind="text/<script>alert(1)</script>"))


@answers("text", "redirects")
async def hides_a_script_in_its_location(talk: Talk) -> None:
    await talk.send(reply(b"", status="302 Found", Location='http://x.example/"><script>alert(1)</script>\x1b[31m'))
