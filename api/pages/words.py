"""How the pages say things: dates, money, codes and addresses as people write them. Pure; used as template filters.

A filter never fails on what a record holds: what it cannot read it gives back as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from federation import quality
from schema import codelists

CODES: Mapping[str, Mapping[str, str]] = {
    "phase": codelists.PHASES,
    "status": codelists.STATUSES,
    "collaboration": codelists.COLLABORATIONS,
    "stage": codelists.STAGES,
    "relation": codelists.RELATIONS,
    "reason": codelists.TOMBSTONE_REASONS,
    "noticeType": codelists.NOTICE_TYPES,
    "offers": codelists.OFFERS,
    "seeks": codelists.OFFERS,
}
KIND_NAMES: Mapping[str, tuple[str, str]] = {
    "organisation": ("organisation", "organisations"),
    "roadmap-item": ("roadmap item", "roadmap items"),
    "contract": ("contract", "contracts"),
    "tool": ("tool", "tools"),
    "asset": ("asset", "assets"),
    "skill": ("skill", "skills"),
}
SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$"}
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")
_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_MAX_HREF = 4_000


def day(value: Any) -> str:
    """`2026-11-01`, or a time, as `1 November 2026`."""
    found = as_date(value)
    return f"{found.day} {found:%B %Y}" if found else str(value)


def moment(value: Any) -> str:
    """A time as `2 Nov 2026, 09:05 UTC`: short enough for a table on a telephone."""
    found = as_moment(value)
    return str(value) if found is None else f"{found.day} {found:%b %Y, %H:%M} UTC"


def as_moment(value: Any) -> datetime | None:
    """The instant that a text or a time names, in UTC; None where it names none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def as_date(value: Any) -> date | None:
    """The day that a text, a time or a date names; None where it names none."""
    found = as_moment(value)
    if found is not None:
        return found.date()
    return value if isinstance(value, date) else None


def distance(value: Any, today: date) -> str:
    """How far a day lies from today: `in 3 months`, `tomorrow`, `2 years 8 months ago`."""
    found = as_date(value)
    if found is None:
        return ""
    days = (found - today).days
    if abs(days) <= 1:
        return {-1: "yesterday", 0: "today", 1: "tomorrow"}[days]
    span = _span(*sorted((found, today)))
    return f"in {span}" if days > 0 else f"{span} ago"


def tense(label: str, value: Any, today: date) -> str:
    """`ends` of a day that is over is `ended`."""
    found = as_date(value)
    return "ended" if label == "ends" and found is not None and found < today else label


def _span(first: date, last: date) -> str:
    days = (last - first).days
    if days < 14:
        return plural(days, "day")
    if days < 60:
        return plural(days // 7, "week")
    if days < 365:
        return plural(round(days / 30.44), "month")
    years, months = divmod((last.year - first.year) * 12 + last.month - first.month - (last.day < first.day), 12)
    return " ".join(plural(count, unit) for count, unit in ((years, "year"), (months, "month")) if count)


def duration(found: Any) -> str:
    """An ISO 8601 duration as people say it: `1 year and 6 months`. What is none, or no time at all, stays as it is."""
    counts = quality.counts_of(str(found)) or ()
    said = [plural(count, unit) for count, unit in zip(counts, _UNITS, strict=False) if count]
    return " and ".join(filter(None, (", ".join(said[:-1]), said[-1]))) if said else str(found)


def every(found: Any) -> str:
    """How often, from an ISO 8601 duration: `every day`, `every 6 hours`. What is none stays as it is."""
    said = duration(found)
    return said if said == str(found) else "every " + re.sub(r"^1 ([a-z]+)$", r"\1", said)


def money(amount: Any, currency: Any = "GBP") -> str:
    """An amount as `£1,234.50`, whole pounds without pence."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return str(amount)
    sign = "-" if amount < 0 else ""
    digits = f"{abs(amount):,.2f}".removesuffix(".00")
    code = currency if isinstance(currency, str) and currency else "GBP"
    symbol = SYMBOLS.get(code)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {code}"


def value(found: Any) -> str:
    """A contract's value, or a budget, as a person says it: `£120,000 in total`, `£10,000 to £20,000`."""
    if not isinstance(found, Mapping):
        return ""
    currency = found.get("currency", "GBP")
    least, most = found.get("minimum", found.get("min")), found.get("maximum", found.get("max"))
    if found.get("amount") is not None:
        said = money(found["amount"], currency)
    elif least is not None and most is not None:
        said = f"{money(least, currency)} to {money(most, currency)}"
    elif least is not None or most is not None:
        said = f"from {money(least, currency)}" if most is None else f"up to {money(most, currency)}"
    else:
        return ""
    basis = {"annual": " a year", "total": " in total"}.get(str(found.get("basis")), "")
    gross = found.get("gross")
    vat = ", including VAT" if gross is True else ", without VAT" if gross is False else ""
    return said + basis + vat


def basis(found: Any) -> str:
    """What a contract's value is for: the whole of it, a year, or that nobody said."""
    told = {"annual": "A year", "total": "Over the whole contract"}
    return told.get(str(found.get("basis")), "Not said whether total or yearly") if isinstance(found, Mapping) else ""


def marked(text: Any) -> list[tuple[bool, str]]:
    """A text of ours in pieces, true where a piece stood between backticks; its line breaks are spaces."""
    pieces = " ".join(str(text).split()).split("`")
    return [(bool(place % 2), piece) for place, piece in enumerate(pieces) if piece]


def paragraphs(text: Any) -> list[str]:
    """A text of ours, parted at its empty lines."""
    return [part for part in re.split(r"\n\s*\n", str(text)) if part.strip()]


def plural(count: int, one: str, many: str = "") -> str:
    """`1 council`, `2,345 councils`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def share(found: float) -> str:
    """`98.2 %`; a whole is `100 %`, and what is not quite one never says so."""
    return f"{min(round(found * 100, 1), 99.9 if found < 1 else 100):g} %"


def kind_name(kind: str, count: int = 1) -> str:
    """A kind as people call it."""
    return KIND_NAMES.get(kind, (kind.replace("-", " "), kind.replace("-", " ")))[count != 1]


def code(found: Any) -> str:
    """A code as a label: `seeking-partners` is `Seeking partners`."""
    text = str(found).replace("-", " ")
    return text[:1].upper() + text[1:]


def meaning(member: str, found: Any) -> str:
    """What a code of a closed list means, where we know."""
    return CODES.get(member, {}).get(found, "") if isinstance(found, str) else ""


def member(name: str) -> str:
    """A member's name as a label: `maxExtensionDate` is `Max extension date`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return spaced[:1].upper() + spaced[1:].lower() if spaced else name


def href(found: Any) -> str | None:
    """The address where it is one of http or https with a host, else None: nothing else is ever made a link."""
    if not isinstance(found, str) or len(found) > _MAX_HREF or re.search(r"[\x00-\x20\x7f\\]", found):
        return None
    try:
        parts = urlsplit(found)
    except ValueError:
        return None
    return found if parts.scheme in ("http", "https") and parts.hostname else None


def mailto(email: Any, subject: str = "") -> str | None:
    """A mail link to a mailbox, or None where the text is no mailbox."""
    if not isinstance(email, str) or not _EMAIL.fullmatch(email):
        return None
    link = "mailto:" + quote(email, safe="@")
    return f"{link}?subject={quote(subject, safe='')}" if subject else link


def shorten(text: Any, limit: int = 200) -> str:
    """A text cut at a word."""
    said = " ".join(str(text).split())
    if len(said) <= limit:
        return said
    return said[:limit].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def query(path: str, **parameters: Any) -> str:
    """A link within this site with its parameters escaped."""
    pairs = [(name, found) for name, found in parameters.items() if found not in (None, "")]
    return f"{path}?{urlencode(pairs, doseq=True)}" if pairs else path


def segment(text: Any) -> str:
    """A text as one segment of a path."""
    return quote(str(text), safe="")


def host(found: Any) -> str:
    """The host that an address names, for people: the address itself where there is none."""
    try:
        return urlsplit(str(found)).netloc or str(found)
    except ValueError:
        return str(found)
