"""A supplier as a register writes it: name, numbers in registers, whether small or voluntary."""

from __future__ import annotations

import re
from typing import Any

from schema.errors import Invalid
from schema.identifiers import normalise_identifier

_YES = frozenset({"yes", "y", "true", "t", "1", "x", "\u2713", "\u2714"})
_NO = frozenset({"no", "n", "false", "f", "0"})
_NUMBERED = re.compile(r"^(?:company )?(?:reg(?:istration)?\.? )?(?:no\.?|number):? *", re.IGNORECASE)
_CHARITABLE = re.compile(r"^(?:gb-chc|gb)[/-]", re.IGNORECASE)
_NO_CODE = re.compile(r"[^A-Z0-9-]")
_SCHEMED = re.compile(r"([A-Z]{2,10}-[A-Z0-9-]{2,29}): ?(\S.*)")
_CHARITY = (
    (re.compile(r"SC.*", re.IGNORECASE | re.DOTALL), "GB-SC"),
    (re.compile(r"NI.*", re.IGNORECASE | re.DOTALL), "GB-NIC"),
    (re.compile(r".*", re.DOTALL), "GB-CHC"),
)


def read_flag(text: str) -> bool | None:
    """Read yes or no; None where it is neither."""
    word = text.casefold()
    return True if word in _YES else False if word in _NO else None


def local_scheme(publisher: str) -> str:
    """Name the scheme of a publisher's own supplier numbers, so that two councils' numbers are never one supplier."""
    return _NO_CODE.sub("-", f"LOCAL-{publisher.upper()}")[:40]


def company(text: str) -> dict[str, str] | None:
    """Read a company number: `gb/07445476`, lost leading zeros; None for a VAT number or other text."""
    return identifier("GB-COH", _NUMBERED.sub("", text))


def charity(text: str) -> dict[str, str] | None:
    """Read a charity number of England and Wales, Scotland (`SC012345`) or Northern Ireland (`NIC101234`)."""
    number = _CHARITABLE.sub("", text)
    scheme = next(scheme for pattern, scheme in _CHARITY if pattern.fullmatch(number))
    return identifier(scheme, number)


def others(text: str, publisher: str) -> list[dict[str, str]]:
    """Read other numbers: `SCHEME: number` as it says, anything else as the publisher's own number."""
    found = []
    for part in text.split("; "):
        match = _SCHEMED.fullmatch(part)
        one = identifier(match[1], match[2]) if match else None
        one = one or identifier(local_scheme(publisher), part)
        if one and one not in found:
            found.append(one)
    return found


def identifier(scheme: str, number: str) -> dict[str, str] | None:
    """Give an identifier in its one form; None where it cannot be one."""
    try:
        scheme, number = normalise_identifier(scheme, number)
    except Invalid:
        return None
    return {"scheme": scheme, "id": number}


def written(identifiers: list[dict[str, Any]]) -> tuple[str, str, str]:
    """Write identifiers as the register's three cells: company number, charity number, other numbers."""
    cells = {"company": "", "charity": ""}
    rest = []
    for one in identifiers:
        scheme, number = str(one.get("scheme", "")), str(one.get("id", ""))
        kind = "company" if scheme == "GB-COH" else "charity" if scheme in {"GB-CHC", "GB-SC", "GB-NIC"} else ""
        if kind and not cells[kind]:
            cells[kind] = f"NIC{number}" if scheme == "GB-NIC" else number
        else:
            rest.append(number if scheme.startswith("LOCAL-") else f"{scheme}: {number}")
    return cells["company"], cells["charity"], "; ".join(rest)
