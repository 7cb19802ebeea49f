"""The five requests that the demo shows, with their answers, and what `--check` demands of them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words, the request that answers it, and how to show the answer in lines."""

    words: str
    url: str
    show: Callable[[dict[str, Any]], list[str]]


def ask(url: str) -> dict[str, Any]:
    """The JSON that a URL answers with."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the demo's own servers
        found: dict[str, Any] = json.load(answer)
        return found


def questions(region: str, node_key: str, since: int, today: date) -> list[Question]:
    """The five questions, put to the regional aggregator."""
    ending = {
        "cpv": "48",
        "endsAfter": today.isoformat(),
        "endsBefore": (today + timedelta(days=365)).isoformat(),
        "sort": "end",
        "limit": "5",
        "facets": "publisher",
    }
    partners = {"collaboration": "seeking-partners", "limit": "5"}
    tool = {"q": "plotwise", "limit": "5"}
    return [
        Question("Which software contracts end within 12 months, across councils?",
                 f"{region}/v1/contracts?{urlencode(ending)}", _contracts),
        Question("Who is looking for partners?", f"{region}/v1/roadmap-items?{urlencode(partners)}", _items),
        Question("Who uses Plotwise, and how well does it go?", f"{region}/v1/tools?{urlencode(tool)}", _tools),
        Question("How is this node doing?", f"{region}/v1/nodes/{node_key}", _node),
        Question("What changed since the first crawl?", f"{region}/v1/changes?afterChangeNumber={since}", _changes),
    ]  # fmt: skip


def _contracts(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"{i['data']['endDate']}  {_publisher(i)}  {i['data']['title']}  ({i['data']['suppliers'][0]['name']})"
        for i in answer["items"]
    ]
    councils = len(answer["facets"]["publisher"]["items"])
    return [f"{answer['count']['value']} contracts of {councils} councils; the first {len(lines)}:", *lines]


def _items(answer: dict[str, Any]) -> list[str]:
    lines = [f"{_publisher(i)}  {i['data']['title']} [{i['data']['phase']}]" for i in answer["items"]]
    return [f"{answer['count']['value']} roadmap items:", *lines]


def _tools(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"{_publisher(i)}  {i['data']['name']}, satisfaction {i['data']['satisfaction']['score']} of 5"
        for i in answer["items"]
    ]
    return [f"{answer['count']['value']} councils:", *lines]


def _node(answer: dict[str, Any]) -> list[str]:
    return [
        f"{answer['name']}: {answer['state']}, {answer['records']} records",
        f"{answer['accepted']} accepted, {answer['refused']} refused",
        f"last good visit {answer['lastGoodVisit']}, next visit {answer['nextVisit']}",
    ]


def _changes(answer: dict[str, Any]) -> list[str]:
    lines = []
    for item in answer["items"][:5]:
        title = item.get("data", {}).get("title", "")
        lines.append(f"{item['state']}  {item['id'].rsplit('/', 1)[1]}  {title or 'reason: ' + item.get('reason', '')}")
    return [f"{len(answer['items'])} changes on this page; the first {len(lines)}:", *lines]


def _publisher(item: dict[str, Any]) -> str:
    name: str = item["origin"]["publisher"]
    return name
