"""The forms in which values are compared and sorted: names, identifiers, codes, days, amounts, times. Pure.

Registers repeat their values, so the forms of the last ones are remembered.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache

from schema.errors import Invalid
from schema.identifiers import identifier_key

ROW_BITS = 31
MISSING = (2**32 - 1) << ROW_BITS
"""The sort key of a record without the value, its row still to be added: above every key that has one."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEGAL_FORMS = frozenset({"ltd", "limited", "plc", "llp", "lp", "inc"})
_WORD = re.compile(r"\w+")
_LGSL = re.compile(r"https?://id\.esd\.org\.uk/service/([0-9]+)")
_FLOAT, _BITS = struct.Struct(">f"), struct.Struct(">I")
(_LARGEST,) = _FLOAT.unpack(b"\x7f\x7f\xff\xff")
_DAY = 11
"""A day is written in ten characters or fewer: where there are more, one more is enough to see that it is none."""
_KNOWN, _SHORT = 8_192, 200
"""How many names, services and codes are remembered in the form that they take: registers repeat them."""


def spelling(names: Iterable[str]) -> str:
    """The spelling to show of one name: the commonest that is not all in capitals, the first of equals; else empty."""
    found = Counter(name for name in names if name)
    mixed = [name for name, _ in found.most_common() if not name.isupper()]
    return next(iter(mixed or found), "")


def name_key(name: str) -> str:
    """One form for a name that is written in several ways: `Acme & Sons, LTD.` and `ACME AND SONS` are one.

    Accents, case, punctuation and the legal form at the end do not count. A name that is nothing else stays itself.
    """
    return _remembered(name) if len(name) <= _SHORT else _one_form(name)


def _one_form(name: str) -> str:
    folded = name.replace("&", " and ").replace("'", "")
    if not folded.isascii():
        apart = unicodedata.normalize("NFKD", folded.replace("\u2019", ""))
        folded = "".join(c for c in apart if not unicodedata.combining(c))
    words = _WORD.findall(folded.casefold())
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    return "-".join(words) or name.strip()


_remembered = lru_cache(_KNOWN)(_one_form)


def pack(value: int, row: int) -> int:
    """Make a sort key of a value (32 bits, below 2^32 - 1) and the record's row (31 bits), so that no two are equal."""
    return value << ROW_BITS | row


def money_bits(amount: float) -> int:
    """Give an amount as 32 bits that sort as the amounts do: a single-precision float, its sign turned to the front.

    Amounts that single precision cannot tell apart (above 16.7 million: by less than a few pounds) sort as equal, and
    so do those that are beyond it.
    """
    (bits,) = _BITS.unpack(_FLOAT.pack(max(-_LARGEST, min(amount, _LARGEST))))
    return int(~bits & 0xFFFFFFFF if bits >> 31 else bits | 0x80000000)


def microseconds(moment: datetime) -> int:
    """Give a time as whole microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def organisation_key(scheme: str, name: str) -> str:
    """Give the key of an organisation's identifier; nothing for what can be none."""
    return _remembered_key(scheme, name) if len(scheme) + len(name) <= _SHORT else _one_key(scheme, name)


def _one_key(scheme: str, name: str) -> str:
    try:
        return identifier_key(scheme, name)
    except Invalid:
        return ""


_remembered_key = lru_cache(_KNOWN)(_one_key)


@lru_cache(_KNOWN)
def lgsl_number(service: str) -> str:
    """Give the number of a service in the list of local government services; else nothing."""
    number = _LGSL.fullmatch(service)
    return number[1] if number else ""


@lru_cache(_KNOWN)
def cpv_beginnings(code: str) -> tuple[str, ...]:
    """Give the beginnings by which a CPV code is found, its division first; nothing for what is none."""
    if len(code) == 8 and code.isdecimal() and code.isascii():
        return tuple(code[:length] for length in range(2, 9))
    return ()


def day(written: str) -> tuple[int, str]:
    """Give the number of a day (`date.toordinal`) and its year; zero for what is none."""
    return _remembered_day(written[:_DAY])


@lru_cache(_KNOWN)
def _remembered_day(written: str) -> tuple[int, str]:
    try:
        found = date.fromisoformat(written)
    except ValueError:
        return 0, ""
    return found.toordinal(), f"{found.year:04}"
