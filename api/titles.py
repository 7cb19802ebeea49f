"""A title that a person would choose for a list: `Contracts about parking that end by 1 June 2027 — Moot`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from api.params import Asked
from exchange import cpv
from exchange.summaries import day
from federation.verdicts import clean

_PLURALS = {
    "organisation": "organisations",
    "roadmap-item": "roadmap items",
    "contract": "contracts",
    "tool": "tools",
    "asset": "assets",
    "skill": "skills",
}


def title(asked: Asked, kinds: Sequence[str], names: Mapping[str, str], site: str) -> str:
    """What the list is. `names` are those of publishers by id; `site` is who serves it."""
    subject = _joined([_PLURALS[kind] for kind in kinds], "and") if kinds else "everything"
    one = not kinds
    told = [*_words(asked), *_places(asked, names), *_codes(asked, one=one), *_dates(asked, one=one), *_money(asked)]
    said = " ".join(clean(" ".join([subject, *told])).split())  # what was asked may hold line breaks
    return f"{said[0].upper()}{said[1:]} — {site}"


def _words(asked: Asked) -> Iterator[str]:
    if asked.q.strip():
        yield f"about {asked.q.strip()}"
    if asked.cpv:
        yield f"in {_joined([cpv.DIVISIONS.get(code, f'CPV {code}') for code in asked.cpv])}"
    if asked.service:
        yield f"for {_joined(asked.service)}"
    if asked.tool:
        yield f"using {_joined(asked.tool)}"


_SIGNED = {
    "true": "signed",
    "false": "not signed",
    "valid": "signed",
    "absent": "not signed",
    "invalid": "signed by a revoked key",
    "unknown-key": "signed by an unknown key",
}


def _places(asked: Asked, names: Mapping[str, str]) -> Iterator[str]:
    if asked.publisher:
        yield f"of {_joined([names.get(one, one) for one in asked.publisher])}"
    if asked.supplier:
        yield f"from {_joined(asked.supplier)}"
    for place in (asked.region, asked.nation):
        if place:
            yield f"in {_joined(place)}"


def _codes(asked: Asked, *, one: bool) -> Iterator[str]:
    for name, codes in (
        ("stage", asked.stage),
        ("phase", asked.phase),
        ("status", asked.status),
        ("collaboration", asked.collaboration),
    ):
        if codes:
            yield f"with {name} {_joined([code.replace('-', ' ') for code in codes])}"
    if asked.signed:
        yield f"that {'is' if one else 'are'} {_joined([_SIGNED.get(word, word) for word in asked.signed])}"


def _dates(asked: Asked, *, one: bool) -> Iterator[str]:
    spans = [
        *_span("starts" if one else "start", asked.starts_after, asked.starts_before),
        *_span("ends" if one else "end", asked.ends_after, asked.ends_before),
    ]
    if spans:
        yield f"that {' and '.join(spans)}"
    if asked.updated_since:
        yield f"changed since {day(asked.updated_since[:10]) or asked.updated_since}"


def _span(verb: str, after: str | None, before: str | None) -> Iterator[str]:
    # Both days are within (protocol section 6), so neither is plainly "after" or "before".
    if after and before:
        yield f"{verb} from {day(after)} to {day(before)}"
    elif after or before:
        yield f"{verb} on or after {day(after)}" if after else f"{verb} by {day(before)}"


def _money(asked: Asked) -> Iterator[str]:
    told = [
        f"{float(text):,.2f}".removesuffix(".00") + word
        for word, text in ((" or more", asked.value_min), (" or less", asked.value_max))
        if text
    ]
    if told:
        yield f"worth {' and '.join(told)}"


def _joined(words: Sequence[str], last: str = "or") -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
