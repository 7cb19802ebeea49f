"""From a member's value to what a page shows of it: cells of text, each perhaps a link or a date. Pure, no markup.

Every function here takes whatever a record holds, however odd, and shows it as plain text where it is not of the
shape that the schema gives it: a page never fails on data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from api.pages import words
from exchange import cpv

MAX_CELLS = 60
MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to show. `href` leads out, `record` is the id of a record, `supplier` the supplier as published."""

    text: str
    note: str = ""
    href: str | None = None
    time: str | None = None
    moment: str | None = None
    record: str | None = None
    mail: str | None = None
    supplier: Mapping[str, Any] | None = None


Render = Callable[[str, Any], list[Cell]]
Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """How a member is shown, and which members of it that shows: the others are listed apart (`unsaid`)."""

    render: Render
    shape: Shape | None = None


def listed(found: Any) -> list[Any]:
    """A list as it is; anything else as a list of one."""
    return list(found) if isinstance(found, list) else [found]


def text(_member: str, found: Any) -> list[Cell]:
    """Texts and numbers as they stand, one cell each."""
    return [Cell(_scalar(one)) for one in listed(found)[:MAX_CELLS]]


def duration(_member: str, found: Any) -> list[Cell]:
    """Periods in words, texts as they stand."""
    return [Cell(words.duration(_scalar(one))) for one in listed(found)[:MAX_CELLS]]


def _scalar(found: Any) -> str:
    if isinstance(found, bool):
        return "Yes" if found else "No"
    if isinstance(found, Mapping | list):
        return "; ".join(f"{label}: {said}" if label else said for label, said in flat(found))
    if isinstance(found, int | float):
        return f"{found:,}"
    return str(found)[:MAX_CHARS]


def flat(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """What is inside a value of any shape, as pairs of a dotted label and a text; MAX_CELLS at most."""
    for shown, pair in enumerate(_flat(found, path)):
        if shown >= MAX_CELLS:
            yield "", "and more: see the data as JSON"
            return
        yield pair


def _flat(found: Any, path: str) -> Iterator[tuple[str, str]]:
    inside = found.items() if isinstance(found, Mapping) else enumerate(found, 1) if isinstance(found, list) else None
    if inside is None:
        yield path, _scalar(found) if found is not None else "none"
        return
    for key, one in inside:
        label = words.member(str(key)[:100])
        yield from _flat(one, f"{path}, {label}" if path else label)


def code(member: str, found: Any) -> list[Cell]:
    """Codes of a closed list with what they mean."""
    return [Cell(words.code(_scalar(one)), words.meaning(member, one)) for one in listed(found)[:MAX_CELLS]]


def day(_member: str, found: Any) -> list[Cell]:
    """A date as people write it."""
    return [Cell(words.day(found), time=str(found)) if words.as_date(found) else Cell(_scalar(found))]


def money(_member: str, found: Any) -> list[Cell]:
    """A bare amount, in pounds as the register has it."""
    return [Cell(words.money(found))]


def value(member: str, found: Any) -> list[Cell]:
    """A value or a budget; of a contract's value, what it is for."""
    said = words.value(found)
    return [Cell(said, note=words.basis(found) if member == "value" else "")] if said else [Cell(_scalar(found))]


def address(_member: str, found: Any) -> list[Cell]:
    """Addresses of pages."""
    return [Cell(_scalar(one), href=words.href(one)) for one in listed(found)[:MAX_CELLS]]


def records(_member: str, found: Any) -> list[Cell]:
    """Ids of other records, linked to their pages here."""
    cells = []
    for one in listed(found)[:MAX_CELLS]:
        said = _scalar(one)
        cells.append(Cell(said.rsplit("/id/", 1)[-1], record=one if words.href(one) else None))
    return cells


def mailbox(_member: str, found: Any) -> list[Cell]:
    """A team to ask: its name, its mailbox, its page."""
    if not isinstance(found, Mapping):
        return text("", found)
    cells = [Cell(_scalar(found["name"]))] if "name" in found else []
    if "email" in found:
        cells.append(Cell(_scalar(found["email"]), mail=words.mailto(found["email"])))
    return cells + (address("", found["url"]) if "url" in found else [])


def parts(build: Callable[[Mapping[str, Any]], Cell]) -> Render:
    """A list of objects, each shown as one cell."""

    def render(_member: str, found: Any) -> list[Cell]:
        return [build(one) if isinstance(one, Mapping) else Cell(_scalar(one)) for one in listed(found)[:MAX_CELLS]]

    return render


def identifier(one: Any) -> str:
    """A register's number with the register's name."""
    if not isinstance(one, Mapping):
        return _scalar(one)
    scheme, number = _scalar(one.get("scheme", "")), _scalar(one.get("id", ""))
    register = {"GB-COH": "company number", "GB-CHC": "charity number", "GB-SC": "Scottish charity"}.get(scheme, scheme)
    legal = f", {_scalar(one['legalName'])}" if "legalName" in one else ""
    uri = f", {_scalar(one['uri'])}" if "uri" in one else ""
    return f"{register} {number}{legal}{uri}"


def organisation(one: Mapping[str, Any]) -> Cell:
    """An organisation, mentioned: name, numbers, its part in it."""
    notes = [identifier(found) for found in listed(one.get("identifiers", []))]
    notes += [_scalar(one["role"])] if "role" in one else []
    notes += [f"takes over on {words.day(one['vestingDate'])}"] if "vestingDate" in one else []
    known = words.href(one.get("id"))
    if "id" in one and "name" in one and not known:
        notes.append(_scalar(one["id"]))
    if "url" in one and (known or not words.href(one["url"]) or "name" not in one):
        notes.append(_scalar(one["url"]))
    name = _scalar(one.get("name") or one.get("id") or "Not named")
    return Cell(name, ", ".join(notes), record=known, href=None if known else words.href(one.get("url")))


def supplier(one: Mapping[str, Any]) -> Cell:
    """A supplier: name, numbers, and what the register says of its size and sort."""
    notes = [identifier(found) for found in listed(one.get("identifiers", []))]
    if one.get("sme") is not None:
        notes.append("small or medium-sized" if one["sme"] is True else "not small or medium-sized")
    if one.get("vcse") is not None:
        notes.append("voluntary, community or social" if one["vcse"] is True else "not voluntary or community")
    notes += [_scalar(one["vcseType"])] if "vcseType" in one else []
    return Cell(_scalar(one.get("name") or "Not named"), ", ".join(notes), supplier=one)


def classification(one: Mapping[str, Any]) -> Cell:
    """A category: its name, its code and whose code it is. A bare CPV code is named by its division."""
    scheme = {"local": "the organisation's own category"}.get(str(one.get("scheme")), _scalar(one.get("scheme", "")))
    number = _scalar(one.get("id", ""))
    division = cpv.DIVISIONS.get(number[:2], "") if scheme == "CPV" else ""
    name = _scalar(one.get("description") or division or number or scheme)
    return Cell(name, f"{scheme} {number}".strip() if name != number else scheme)


def link(one: Mapping[str, Any]) -> Cell:
    """A page to read on at: a link, a document, an interface."""
    name = _scalar(one.get("title") or one.get("rel") or one.get("documentType") or one.get("url", ""))
    notes = [_scalar(one[key]) for key in ("rel", "documentType", "format") if key in one and _scalar(one[key]) != name]
    notes += [words.day(one["datePublished"])] if "datePublished" in one else []
    target = words.href(one.get("url"))
    return Cell(name, ", ".join(notes if target else [*notes, _scalar(one.get("url", ""))]), href=target)


def notice(one: Mapping[str, Any]) -> Cell:
    """A notice about a contract."""
    kind = _scalar(one.get("noticeType", "Notice"))
    said = words.meaning("noticeType", kind)
    notes = [_scalar(one["ocid"])] if "ocid" in one else []
    notes += [words.day(one["date"])] if "date" in one else []
    name = f"{kind}, {said}" if said else kind
    return _with_link(Cell(name, ", ".join(notes)), one.get("url"))


def _with_link(cell: Cell, found: Any) -> Cell:
    if found is None:
        return cell
    target = words.href(found)
    note = cell.note if target else ", ".join(part for part in (cell.note, _scalar(found)) if part)
    return replace(cell, href=target, note=note)


def lot(one: Mapping[str, Any]) -> Cell:
    """A part of a contract that was offered by itself."""
    notes = [words.value(one["value"])] if words.value(one.get("value")) else []
    notes += [found.text + (f" ({found.note})" if found.note else "") for found in suppliers_of(one)]
    dates = [("from", "startDate"), ("to", "endDate")]
    notes += [f"{word} {words.day(one[key])}" for word, key in dates if key in one]
    notes += [_scalar(one["description"])] if "description" in one else []
    number = f"Lot {_scalar(one['id'])}" if "id" in one else "Lot"
    return Cell(f"{number}: {_scalar(one['title'])}" if "title" in one else number, "; ".join(notes))


def suppliers_of(one: Mapping[str, Any]) -> list[Cell]:
    """The suppliers of a contract or a lot."""
    return parts(supplier)("suppliers", one.get("suppliers", []))


def benefit(one: Mapping[str, Any]) -> Cell:
    """What a piece of work brings."""
    said = [words.code(_scalar(one["kind"]))] if "kind" in one else []
    said += [words.money(one["amount"], one.get("currency"))] if "amount" in one else []
    notes = [] if one.get("realised") is None else ["realised" if one["realised"] is True else "expected"]
    notes += [_scalar(one["evidence"])] if "evidence" in one else []
    return Cell(": ".join(said) or "Benefit", ", ".join(notes))


def named(one: Mapping[str, Any]) -> Cell:
    """A thing with a name and a number or an address: a framework, an area."""
    name = _scalar(one.get("name") or one.get("label") or one.get("id") or "Not named")
    cell = Cell(name, _scalar(one["id"]) if "id" in one and _scalar(one["id"]) != name else "")
    return _with_link(cell, one.get("uri"))


def withheld(one: Mapping[str, Any]) -> Cell:
    """A member left out on purpose."""
    until = f"Until {words.day(one['until'])}. " if "until" in one else ""
    return Cell(words.member(_scalar(one.get("field", "")).replace(".", ", ")), until + _scalar(one.get("reason", "")))


def satisfaction(one: Mapping[str, Any]) -> Cell:
    """What its users think of a tool."""
    score = f"{_scalar(one['score'])} out of 5" if "score" in one else "No score"
    again = one.get("wouldBuyAgain")
    notes = [] if again is None else ["would buy it again" if again is True else "would not buy it again"]
    notes += [_scalar(one["note"])] if "note" in one else []
    return Cell(score, ". ".join(notes))


def place(one: Mapping[str, Any]) -> Cell:
    """A point on the map."""
    return Cell(f"{one.get('lat')}, {one.get('lon')}", "latitude, longitude")


IDENTIFIER: Shape = dict.fromkeys(("scheme", "id", "legalName", "uri"))
ORGANISATION = {**dict.fromkeys(("name", "id", "url", "role", "vestingDate")), "identifiers": IDENTIFIER}
SUPPLIER = {**dict.fromkeys(("name", "sme", "vcse", "vcseType")), "identifiers": IDENTIFIER}
VALUE: Shape = dict.fromkeys(("amount", "minimum", "maximum", "min", "max", "currency", "basis", "gross"))
LOT = {**dict.fromkeys(("id", "title", "description", "startDate", "endDate")), "value": VALUE, "suppliers": SUPPLIER}
LINK: Shape = dict.fromkeys(("rel", "url", "title", "documentType", "datePublished", "format"))


def unsaid(found: Any, shape: Shape | None, path: str) -> Iterator[tuple[str, Any]]:
    """What stands in a value and is not shown by its way: unknown members, with a dotted label."""
    if shape is None:
        return
    if isinstance(found, list):
        for number, one in enumerate(found[:MAX_CELLS], 1):
            yield from unsaid(one, shape, f"{path} {number}" if len(found) > 1 else path)
    elif isinstance(found, Mapping):
        for key, one in found.items():
            label = f"{path}, {words.member(key[:100]).lower()}"
            if key in shape:
                yield from unsaid(one, shape[key], label)
            else:
                yield label, one
