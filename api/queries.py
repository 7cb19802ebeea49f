"""From what a list was asked, as text, to a query of the index (protocol section 6, "Lists").

A value that cannot be read is a `BadParameter` that says what was expected; nothing is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from api.params import LIMIT, MAX_LIMIT, MAX_MONEY, MAX_VALUE, MAX_VALUES, MAX_WORDS, SORTED, Asked, Several
from federation.documents import FACETS
from federation.forms import microseconds, name_key
from federation.index import SORTS, Filter, Query, SortBy, Span, Terms
from schema import codelists
from schema.errors import BadParameter, Invalid, Repeated
from schema.identifiers import PUBLISHER_ID, identifier_key
from schema.kinds import KINDS

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDENTIFIER = re.compile(r"([A-Za-z]{2,}-[A-Za-z0-9]+)-(.+)")
_CPV = re.compile(r"([0-9]{2,8})(-[0-9])?")


def query(asked: Asked, kinds: Sequence[str] = (), *, ranked: bool = True) -> Query:
    """The query that was asked, its cursor apart. Raises `BadParameter`.

    No `kinds` is every kind. What is not `ranked` (feeds, downloads) is in order of change unless a sort is asked.
    """
    if len(asked.q) > MAX_WORDS:
        raise BadParameter("q", asked.q, f"at most {MAX_WORDS} characters")
    sort, descending = _sort(asked, ranked=ranked)
    return Query(
        words=asked.q,
        filters=(*_kinds(kinds), *_terms(asked), *_spans(asked)),
        sort=sort,
        descending=descending,
        limit=limit_of(asked.limit),
        facets=_facets(asked.facets),
    )


def _kinds(kinds: Sequence[str]) -> Iterator[Filter]:
    if kinds:
        yield Terms("kind", _codes("kind", kinds, KINDS))


_SIGNED: Mapping[str, Sequence[str]] = {
    **{state: (state,) for state in codelists.SIGNATURES},
    "true": ("valid",),
    "false": tuple(state for state in codelists.SIGNATURES if state != "valid"),
}


def _terms(asked: Asked) -> Iterator[Filter]:
    plain = {"publisher": asked.publisher, "region": asked.region, "nation": asked.nation}
    named = {"supplier": asked.supplier, "tool": asked.tool, "service": asked.service}
    for name, values in {**plain, **named}.items():
        if values:
            _bounded(name, values)
            _named(name, values)
            forms = [form for value in values for form in _forms(name, value)]
            yield Terms(name, tuple(sorted(set(forms))))
    codes: Mapping[str, tuple[Several, Mapping[str, str]]] = {
        "phase": (asked.phase, codelists.PHASES),
        "status": (asked.status, codelists.STATUSES),
        "collaboration": (asked.collaboration, codelists.COLLABORATIONS),
        "stage": (asked.stage, codelists.STAGES),
    }
    for name, (values, known) in codes.items():
        if values:
            yield Terms(name, _codes(name, values, known))
    if asked.cpv:
        _bounded("cpv", asked.cpv)
        yield Terms("cpv", tuple(sorted({_cpv(value) for value in asked.cpv})))
    if asked.signed:
        words = _codes("signed", asked.signed, _SIGNED)
        yield Terms("signature", tuple(sorted({state for word in words for state in _SIGNED[word]})))


def _bounded(name: str, values: Sequence[str]) -> None:
    if len(values) > MAX_VALUES:
        raise Repeated(name, len(values), f"it at most {MAX_VALUES} times")
    for value in values:
        if not 1 <= len(value) <= MAX_VALUE:
            raise BadParameter(name, value, f"1 to {MAX_VALUE} characters")


def _named(name: str, values: Sequence[str]) -> None:
    """Refuse what can be no publisher id: an empty list would hide the slip."""
    for value in values:
        if name == "publisher" and not PUBLISHER_ID.fullmatch(value):
            raise BadParameter(name, value, "a publisher id such as GB-LAE-EXA: country, register and number")


def _forms(name: str, value: str) -> Iterator[str]:
    """The forms in which the index may know a value: as it stands, a name in its one spelling, an identifier."""
    if name == "publisher":
        yield value
    elif name in ("region", "nation"):
        yield name_key(value)
    else:
        yield from (value, name_key(value))
        match = _IDENTIFIER.fullmatch(value)
        if name == "supplier" and match:
            try:
                yield identifier_key(match[1].upper(), match[2])
            except Invalid:
                return


def _codes(name: str, values: Sequence[str], known: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    if len(values) > MAX_VALUES:
        raise Repeated(name, len(values), f"it at most {MAX_VALUES} times")
    for value in values:
        if value not in known:
            raise BadParameter(name, value, f"one of {', '.join(known)}")
    return tuple(sorted(set(values)))


def _cpv(value: str) -> str:
    match = _CPV.fullmatch(value)
    if not match or not value.isascii():
        raise BadParameter("cpv", value, "the first 2 to 8 digits of a CPV code, such as 48 or 48000000")
    return match[1]


def _spans(asked: Asked) -> Iterator[Filter]:
    if asked.ends_after is not None or asked.ends_before is not None:
        yield _days("end", "ends", asked.ends_after, asked.ends_before)
    if asked.starts_after is not None or asked.starts_before is not None:
        yield _days("start", "starts", asked.starts_after, asked.starts_before)
    if asked.value_min is not None:
        yield Span("high", least=_money("valueMin", asked.value_min))
    if asked.value_max is not None:
        yield Span("low", most=_money("valueMax", asked.value_max))
    if asked.updated_since is not None:
        yield Span("changed", least=microseconds(_moment("updatedSince", asked.updated_since)))


def _days(field: str, verb: str, after: str | None, before: str | None) -> Span:
    span = Span(field, _day(f"{verb}After", after), _day(f"{verb}Before", before))
    if span.least is not None and span.most is not None and span.least > span.most:
        raise BadParameter(f"{verb}After", str(after), f"a day that is not later than {verb}Before, which is {before}")
    return span


def _day(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    found = _read_day(text)
    if found is None:
        raise BadParameter(name, text, "a date such as 2027-06-01")
    return found.toordinal()


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _moment(name: str, text: str) -> datetime:
    day = _read_day(text)
    if day is not None:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    try:
        found = datetime.fromisoformat(text.upper())
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        found = None
    raise BadParameter(name, text, "a time with its zone, such as 2026-11-02T09:00:00Z, or a date")


def _money(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not abs(found) <= MAX_MONEY:
        raise BadParameter(name, text, "a number such as 10000")
    return found


def _sort(asked: Asked, *, ranked: bool) -> tuple[SortBy, bool]:
    words = bool(asked.q.strip())
    if asked.sort is None:
        return ("relevance", True) if words and ranked else ("updated", True)
    if asked.sort not in SORTED:
        raise BadParameter("sort", asked.sort, f"one of {', '.join(SORTED)}")
    if asked.sort == "relevance" and not words:
        return "updated", True
    name = asked.sort.removeprefix("-")
    return next(sort for sort in SORTS if sort == name), asked.sort.startswith("-") or name == "relevance"


def limit_of(text: str | None) -> int:
    """How many a page shows. Raises `BadParameter`."""
    if text is None:
        return LIMIT
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text, re.ASCII) or int(text) > MAX_LIMIT:
        raise BadParameter("limit", text, f"a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _facets(values: Several) -> tuple[str, ...]:
    _bounded("facets", values or ())
    names = [name for value in values or () for name in value.split(",")]
    for name in names:
        if name not in FACETS:
            raise BadParameter("facets", name, f"names of {', '.join(FACETS)}")
    return tuple(dict.fromkeys(names))
