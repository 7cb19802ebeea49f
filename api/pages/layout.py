"""Which members of each kind a page shows, under which heading, in which order and in which words. Pure.

What is not named here is shown all the same, under "Also published": nothing that a council publishes is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages import cells, words
from api.pages.cells import Cell, Way

_TEXT, _CODE, _DAY = Way(cells.text), Way(cells.code), Way(cells.day)
_ADDRESS, _RECORDS, _VALUE = Way(cells.address), Way(cells.records), Way(cells.value, cells.VALUE)
_ORGANISATIONS = Way(cells.parts(cells.organisation), cells.ORGANISATION)
_SUPPLIERS = Way(cells.parts(cells.supplier), cells.SUPPLIER)
_LINKS = Way(cells.parts(cells.link), cells.LINK)
_BENEFITS = Way(cells.parts(cells.benefit), dict.fromkeys(("kind", "amount", "currency", "realised", "evidence")))
_CONTACT = Way(cells.mailbox, dict.fromkeys(("name", "email", "url")))
_CLASSIFICATIONS = Way(cells.parts(cells.classification), dict.fromkeys(("scheme", "id", "description")))
_LOTS = Way(cells.parts(cells.lot), cells.LOT)
_NOTICES = Way(cells.parts(cells.notice), dict.fromkeys(("noticeType", "ocid", "url", "date")))
_FRAMEWORK = Way(cells.parts(cells.named), dict.fromkeys(("id", "name")))
_AREA = Way(cells.parts(cells.named), dict.fromkeys(("label", "uri")))
_WITHHELD = Way(cells.parts(cells.withheld), dict.fromkeys(("field", "reason", "until")))
_SATISFACTION = Way(cells.parts(cells.satisfaction), dict.fromkeys(("score", "note", "wouldBuyAgain")))
_PLACE = Way(cells.parts(cells.place), dict.fromkeys(("lat", "lon")))
_IDENTIFIERS = Way(cells.parts(lambda one: Cell(cells.identifier(one))), cells.IDENTIFIER)

Line = tuple[str, str, Way]
Plan = Sequence[tuple[str, Sequence[Line]]]

_CONTRACT: Plan = (
    (
        "The agreement",
        (
            ("suppliers", "Supplier", _SUPPLIERS),
            ("buyers", "Buyer", _ORGANISATIONS),
            ("value", "Value", _VALUE),
            ("stage", "Stage", _CODE),
            ("department", "Department", _TEXT),
            ("description", "What is delivered", _TEXT),
            ("tools", "Tools that it pays for", _RECORDS),
            ("areaServed", "Area served", _AREA),
            ("services", "Services", _ADDRESS),
            ("classifications", "Category", _CLASSIFICATIONS),
        ),
    ),
    (
        "Dates",
        (
            ("startDate", "Starts", _DAY),
            ("endDate", "Ends", _DAY),
            ("noticeBy", "Notice to be given by", _DAY),
            ("reviewDate", "Review", _DAY),
            ("maxExtensionDate", "Ends at the latest, with every extension", _DAY),
            ("extensionPeriod", "Extensions", Way(cells.duration)),
            ("dateSigned", "Signed", _DAY),
        ),
    ),
    (
        "How it was bought",
        (
            ("reference", "Reference", _TEXT),
            ("ocid", "Open Contracting id", _TEXT),
            ("contractType", "Type of agreement", _TEXT),
            ("procurementProcess", "Process", _TEXT),
            ("framework", "Framework", _FRAMEWORK),
            ("irrecoverableVat", "VAT that cannot be recovered", Way(cells.money)),
            ("fixedCost", "Fixed cost", _TEXT),
            ("lots", "Lots", _LOTS),
            ("notices", "Notices", _NOTICES),
            ("documents", "Documents", _LINKS),
            ("replaces", "Took over from", _RECORDS),
            ("replacedBy", "Taken over by", _RECORDS),
            ("withheld", "Left out on purpose", _WITHHELD),
            ("contact", "Whom to ask", _CONTACT),
        ),
    ),
)
_ROADMAP: Plan = (
    (
        "The work",
        (
            ("summary", "Summary", _TEXT),
            ("problem", "The problem", _TEXT),
            ("users", "Who it is for", _TEXT),
            ("phase", "Phase", _CODE),
            ("status", "Status", _CODE),
            ("department", "Department", _TEXT),
            ("topics", "Topics", _TEXT),
            ("services", "Services", _ADDRESS),
            ("budget", "Budget", _VALUE),
        ),
    ),
    (
        "Working together",
        (
            ("collaboration", "Open to others", _CODE),
            ("ask", "What is asked", _TEXT),
            ("partners", "Partners", _ORGANISATIONS),
            ("contact", "Whom to ask", _CONTACT),
        ),
    ),
    (
        "Dates",
        (
            ("start", "Starts", _DAY),
            ("end", "Ends", _DAY),
            ("phaseStart", "This phase starts", _DAY),
            ("phaseEnd", "This phase ends", _DAY),
            ("datesEstimated", "Dates are a guess", _TEXT),
            ("confirmed", "Last confirmed", _DAY),
        ),
    ),
    (
        "More",
        (
            ("benefits", "Benefits", _BENEFITS),
            ("replaces", "Replaces", _RECORDS),
            ("produces", "What came of it", _RECORDS),
            ("links", "Read on", _LINKS),
            ("reference", "Reference", _TEXT),
            ("language", "Language", _TEXT),
        ),
    ),
)
_TOOL: Plan = (
    (
        "The tool",
        (
            ("vendor", "Made or sold by", _TEXT),
            ("version", "Version", _TEXT),
            ("category", "Category", _TEXT),
            ("serviceAreas", "Used in", _TEXT),
            ("services", "Services", _ADDRESS),
            ("hosting", "Where it runs", _TEXT),
            ("users", "People who use it", _TEXT),
            ("since", "In use since", _DAY),
            ("until", "In use until", _DAY),
            ("satisfaction", "What its users think", _SATISFACTION),
            ("contract", "Paid for by", _RECORDS),
        ),
    ),
    (
        "More",
        (
            ("openStandards", "Open standards", _TEXT),
            ("apis", "Programming interfaces", _LINKS),
            ("replaces", "Took over from", _RECORDS),
            ("replacedBy", "Taken over by", _RECORDS),
            ("reference", "Reference", _TEXT),
        ),
    ),
)
_ASSET: Plan = (
    (
        "The asset",
        (
            ("description", "What it does", _TEXT),
            ("type", "Type", _CODE),
            ("maturity", "Maturity", _TEXT),
            ("licence", "Licence", _TEXT),
            ("repository", "Where it is kept", _ADDRESS),
            ("publiccodeUrl", "publiccode.yml", _ADDRESS),
            ("usedBy", "Used by", _ORGANISATIONS),
            ("benefits", "Benefits", _BENEFITS),
            ("contact", "Whom to ask", _CONTACT),
            ("reference", "Reference", _TEXT),
        ),
    ),
)
_SKILL: Plan = (
    (
        "The skill",
        (
            ("description", "What has been done with it", _TEXT),
            ("level", "Level", _TEXT),
            ("offers", "On offer", _CODE),
            ("seeks", "Looked for", _CODE),
            ("department", "Department", _TEXT),
            ("contact", "Whom to ask", _CONTACT),
            ("reference", "Reference", _TEXT),
        ),
    ),
)
_ORGANISATION: Plan = (
    (
        "The organisation",
        (
            ("type", "Type", _CODE),
            ("region", "Region", _TEXT),
            ("nation", "Nation", _TEXT),
            ("url", "Web site", _ADDRESS),
            ("contact", "Whom to ask about its data", _CONTACT),
            ("office", "Belongs to", _ORGANISATIONS),
            ("services", "Services that it runs", _ADDRESS),
            ("predecessors", "Took over from", _ORGANISATIONS),
            ("successors", "Will be taken over by", _ORGANISATIONS),
            ("identifiers", "Identifiers", _IDENTIFIERS),
            ("gss", "GSS code of its area", _TEXT),
            ("location", "Location", _PLACE),
        ),
    ),
)
PLANS: Mapping[str, Plan] = {
    "contract": _CONTRACT,
    "roadmap-item": _ROADMAP,
    "tool": _TOOL,
    "asset": _ASSET,
    "skill": _SKILL,
    "organisation": _ORGANISATION,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A label and what is shown beside it."""

    label: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading."""

    title: str
    rows: Sequence[Row]


def heading(data: Mapping[str, Any], record_id: str = "") -> str:
    """What a person would call the record."""
    for name in ("title", "name", "reference"):
        if isinstance(data.get(name), str) and data[name].strip():
            return str(data[name])
    return record_id.rsplit("/", 1)[-1] or "Record"


def sections(kind: str, data: Mapping[str, Any]) -> list[Section]:
    """All that a record says, in sections; members that no plan names stand in the last one."""
    shown = []
    for title, lines in PLANS.get(kind, ()):
        rows = [Row(label, way.render(name, data[name])) for name, label, way in lines if _there(data.get(name))]
        if rows:
            shown.append(Section(title, rows))
    rest = [Row(label, [Cell(said) for said in _said(found)]) for label, found in _rest(kind, data)]
    return [*shown, Section("Also published", rest)] if rest else shown


def _there(found: Any) -> bool:
    return found is not None and found not in ("", [], {})


def _rest(kind: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    known = {name: (label, way) for _, lines in PLANS.get(kind, ()) for name, label, way in lines}
    for name, found in data.items():
        if name in known:
            label, way = known[name]
            yield from cells.unsaid(found, way.shape, label)
        elif name not in ("title", "name"):
            yield words.member(name[:100]), found


def _said(found: Any) -> Iterator[str]:
    for label, said in cells.flat(found):
        yield f"{label}: {said}" if label else said
