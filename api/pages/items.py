"""A record as one entry of a list: its title, what it is, whose, and the few facts by which people choose. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages import layout, words
from federation.lists import Held

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
Data = Mapping[str, Any]
_LABELS: Mapping[str, str] = {
    "type": "Type:",
    "region": "Region:",
    "phase": "Phase:",
    "status": "Status:",
    "stage": "Stage:",
    "collaboration": "Working together:",
    "vendor": "by",
    "category": "Category:",
    "version": "Version:",
    "licence": "Licence:",
    "maturity": "Maturity:",
    "level": "Level:",
    "department": "Department:",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A label, and a text or a date. A label is a word of a sentence (`ends`), or a name with its colon (`Phase:`)."""

    label: str
    text: str = ""
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a snippet; `hit` where it is a word that was asked for."""

    text: str
    hit: bool = False


@dataclass(frozen=True, slots=True)
class Brief:
    """One entry of a list."""

    id: str
    kind: str
    title: str
    publisher: str
    publisher_name: str
    facts: Sequence[Fact]
    marks: Sequence[str] = ()
    snippet: Sequence[Part] = ()
    language: str | None = None


def brief(item: Held, names: Mapping[str, str]) -> Brief:
    """Make the entry of a record; `names` are publishers' names by publisher id."""
    data, entry = item.data, item.entry
    name = names.get(item.publisher, item.publisher)
    own = [] if entry.kind == "organisation" else [Fact("", name)]
    return Brief(
        id=entry.id,
        kind=entry.kind,
        title=words.shorten(layout.heading(data, entry.id), 300),
        publisher=item.publisher,
        publisher_name=name,
        facts=[*own, *facts(entry.kind, data)],
        marks=item.marks,
        snippet=_snippet(item.highlight, layout.heading(data)) or _opening(data),
        language=language(data),
    )


def language(data: Data) -> str | None:
    """The language that a record names, where it can be one."""
    found = data.get("language")
    return found if isinstance(found, str) and _LANGUAGE.fullmatch(found) else None


def facts(kind: str, data: Data) -> list[Fact]:
    """The few things by which people choose, of a record of this kind."""
    maker = {"contract": _contract, "roadmap-item": _roadmap, "tool": _tool, "asset": _asset, "skill": _skill}.get(kind)
    return maker(data) if maker else _codes(data, "type", "region")


def _contract(data: Data) -> list[Fact]:
    suppliers = data.get("suppliers")
    listed = suppliers if isinstance(suppliers, list) else []
    named = [str(one["name"]) for one in listed if isinstance(one, Mapping) and one.get("name")]
    facts = [Fact("with", words.shorten(", ".join(named[:3]), 120))] if named else []
    facts += [Fact("", words.value(data["value"]))] if words.value(data.get("value")) else []
    facts += [Fact("ends", time=data["endDate"])] if words.as_date(data.get("endDate")) else []
    return facts + [fact for fact in _codes(data, "stage") if data.get("stage") in ("pipeline", "tender", "terminated")]


def _roadmap(data: Data) -> list[Fact]:
    facts = _codes(data, "phase", "status")
    if data.get("collaboration") not in (None, "none"):
        facts += _codes(data, "collaboration")
    return facts + ([Fact("ends", time=data["end"])] if words.as_date(data.get("end")) else [])


def _tool(data: Data) -> list[Fact]:
    return _texts(data, "vendor", "category", "version")


def _asset(data: Data) -> list[Fact]:
    return [*_codes(data, "type"), *_texts(data, "licence", "maturity")]


def _skill(data: Data) -> list[Fact]:
    facts = _texts(data, "level", "department")
    for member, label in (("offers", "offers"), ("seeks", "looks for")):
        found = data.get(member)
        if isinstance(found, list) and found:
            facts.append(Fact(label, ", ".join(str(one) for one in found[:5])))
    return facts


def _codes(data: Data, *members: str) -> list[Fact]:
    return [Fact(_LABELS[name], said.replace("-", " ")) for name, said in _said(data, members)]


def _texts(data: Data, *members: str) -> list[Fact]:
    return [Fact(_LABELS[name], said) for name, said in _said(data, members)]


def _said(data: Data, members: Sequence[str]) -> list[tuple[str, str]]:
    found = ((member, data.get(member)) for member in members)
    return [(member, text[:120]) for member, text in found if isinstance(text, str) and text.strip()]


def _prose(data: Data) -> str:
    for member in ("summary", "description", "problem", "ask"):
        found = data.get(member)
        if isinstance(found, str) and found.strip():
            return found
    return ""


def _opening(data: Data) -> list[Part]:
    text = words.shorten(_prose(data), 180)
    told_already = text.casefold() == layout.heading(data).casefold()
    return [Part(text)] if text and not told_already else []


def _snippet(highlight: Sequence[Mapping[str, Any]], title: str) -> list[Part]:
    """The words that were asked for, where they stand in a text that is not the title again."""
    for one in highlight:
        if one["field"] not in ("title", "name") and one["text"].casefold() != title.casefold():
            return parts(one["text"], one["matches"])
    return []


def parts(text: str, matches: Sequence[Sequence[int]]) -> list[Part]:
    """A text cut at its matches, which are told apart."""
    cut: list[Part] = []
    at = 0
    for begin, end in matches:
        cut += [Part(text[at:begin])] if begin > at else []
        cut.append(Part(text[begin:end], hit=True))
        at = end
    return [*cut, Part(text[at:])] if at < len(text) else cut
