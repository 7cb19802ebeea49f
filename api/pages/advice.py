"""What the people of a node can do about a problem that was found there, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from federation.checks import RULES

RECORD = "Correct this in your register or through the API and publish it again; it is taken at the next visit."
SERVER = "Ask the people who run the node to look at it: its pages, not its records, are at fault."
_ADVICE: Mapping[str, str] = {
    "schema": RECORD,
    "identifier": "Correct the number, or leave it out: a wrong one would join two organisations.",
    "id": "Publish the record under its own publisher's address, as the node does for every other record.",
    "kind": RECORD,
    "item-size": "Shorten the record: put long texts on a page of your own and link to it.",
    "tombstone-reason": "Say why the record was taken away: ended, error, personal-data, moved or withdrawn.",
    "deleted-no-data": "Publish a removal without the record's data.",
    "origin": "Let the node say of each record where and when it was first published.",
    "hops": "The record has passed too many aggregators; join this site nearer to its origin.",
    "removals-held": "Many records went at once. If that is right, tell us; if not, publish them again.",
    "identity-changed": "Tell the people who run this site that the node has changed, and why.",
    "status": "See whether the server is up and answers to everybody.",
    "address": "Give the node an address that can be reached from the internet.",
    "url-scheme": "Serve the node over https.",
    "page-json": SERVER,
    "next-advances": SERVER,
    "clock": "Set the node's clock: its times lie in the future. Nothing was refused for it.",
    "epoch": "Nothing, if the node was restored from a backup: everything is read again.",
}


def advice(rule: str) -> str:
    """One sentence for the people of the node."""
    checked = {known.id: known.advice for known in RULES}
    return _ADVICE.get(rule) or checked.get(rule) or SERVER


def advised(problems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Problems with what to do about each, errors first."""
    told = [dict(one, advice=advice(str(one["rule"]))) for one in problems]
    return sorted(told, key=lambda one: one["severity"] != "error")
