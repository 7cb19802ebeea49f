"""Identifiers of organisations: a scheme (an org-id list code, or any other) and an id within it, in one form each.

Only what a register itself says is corrected here: case, spacing, lost leading zeros. Names are never keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NoReturn

from schema.errors import Fault, Invalid

PRIMARY_SCHEMES = ("GB-LAE", "GB-LAS", "GB-PLA", "GB-LANI", "GB-GOR")
GSS = re.compile(r"[A-Z][0-9]{8}")
COMPANY_PREFIXES = frozenset(
    re.findall(
        "..",
        "ACBRCECSENESFCFEGEGNGSICIPLPNANCNFNINLNONPNRNVNZOCOEPCR0RCRSSASCSESFSGSISLSOSPSRSZZC",
    )
)
_SCHEME = re.compile(r"[A-Z][A-Z0-9-]{0,39}")
_COMPANY = re.compile(r"([A-Z0-9]{2})([0-9]{1,6}|[0-9]{1,5}[A-Z]|[0-9]{1,4}[A-Z]{2})")
_PLACE_SCHEMES = frozenset({"GSS", "GB-GSS", "ONS", "GB-ONS"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def _refuse(at: str, message: str, found: str, expected: str) -> NoReturn:
    raise Invalid([Fault(at, message, found[:200], expected, rule="identifier")])


def _company(text: str) -> str:
    """Companies House: 8 characters, digits or two letters of a known register and six more."""
    number = re.sub(r"[\s.]", "", text.upper())
    number = re.sub(r"^GB[^0-9A-Z]+", "", number)
    if number.startswith("RO"):  # the letter for the digit: no register is called RO, and R0 is Northern Ireland's
        number = "R0" + number[2:]
    if re.fullmatch(r"[0-9]{1,8}", number) and number.strip("0"):
        return number.zfill(8)
    match = _COMPANY.fullmatch(number)
    if match and match[1] in COMPANY_PREFIXES and len(number) <= 8:
        return match[1] + match[2].zfill(6)
    _refuse(
        "/id",
        f"'{text[:60]}' is not a company number.",
        text,
        "8 digits, or two letters that Companies House uses and 6 digits, such as 01234567 or SC123456",
    )


def _charity(text: str) -> str:
    number = re.sub(r"\s", "", text).lstrip("0")
    if re.fullmatch(r"[0-9]{6,7}(-[0-9]{1,4})?", number):
        return number
    hint = " It looks like a Scottish charity number: its scheme is GB-SC." if text.upper().startswith("SC") else ""
    _refuse(
        "/id",
        f"'{text[:60]}' is not a charity number of England and Wales.{hint}",
        text,
        "6 or 7 digits, such as 1089464, with -1 and so on for a linked charity",
    )


def _scottish_charity(text: str) -> str:
    match = re.fullmatch(r"(?:SC)?0?([0-9]{5})", re.sub(r"\s", "", text.upper()))
    if match:
        return f"SC0{match[1]}"
    _refuse("/id", f"'{text[:60]}' is not a Scottish charity number.", text, "SC0 and 5 digits, such as SC012345")


def _irish_charity(text: str) -> str:
    match = re.fullmatch(r"(?:NIC)?([0-9]{6})", re.sub(r"\s", "", text.upper()))
    if match:
        return match[1]
    _refuse("/id", f"'{text[:60]}' is not a charity number of Northern Ireland.", text, "6 digits, such as 101234")


def _authority(text: str) -> str:
    code = text.strip().upper()
    if re.fullmatch(r"[A-Z]{2,6}(-[A-Z])?", code):
        return code
    if GSS.fullmatch(code):
        _refuse(
            "/id",
            f"{code} is a GSS code: it names a place, not an organisation. Put it in 'gss'.",
            text,
            "the council's own letters, such as EXA",
        )
    _refuse("/id", f"'{text[:60]}' is not a council's code.", text, "the letters of the register, such as EXA")


_RULES: dict[str, Callable[[str], str]] = {
    "GB-COH": _company,
    "GB-CHC": _charity,
    "GB-SC": _scottish_charity,
    "GB-NIC": _irish_charity,
    "GB-LAE": _authority,
    "GB-LAS": _authority,
    "GB-PLA": _authority,
    "GB-LANI": _authority,
}


@lru_cache(maxsize=16_384)
def normalise_identifier(scheme: str, id: str) -> tuple[str, str]:  # noqa: A002  the register's own word
    """Give `(scheme, id)` in the one form under which two mentions of an organisation are the same.

    Raises `Invalid` with a fault at `/scheme` or `/id` where the pair can be no identifier. A scheme that is not
    known here is accepted with its id as it stands, trimmed.
    """
    scheme = scheme.strip().upper()
    if not _SCHEME.fullmatch(scheme):
        _refuse("/scheme", "This is no name of a scheme.", scheme, "letters, digits and hyphens, such as GB-COH")
    if scheme in _PLACE_SCHEMES:
        _refuse(
            "/scheme",
            "A GSS code names a place, not an organisation, and is never a key. Put it in 'gss'.",
            scheme,
            "a scheme of organisations, such as GB-LAE",
        )
    if not id.strip() or len(id) > 200 or _CONTROL.search(id):
        _refuse("/id", "This is no identifier.", id, "1 to 200 characters without line breaks")
    rule = _RULES.get(scheme)
    return scheme, rule(id.strip().removeprefix(f"{scheme}-")) if rule else id.strip()


def identifier_key(scheme: str, id: str) -> str:  # noqa: A002  the register's own word
    """One string for one organisation, such as `GB-COH-01234567`. Raises `Invalid`."""
    return "-".join(normalise_identifier(scheme, id))
