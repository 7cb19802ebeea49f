"""Write the files that each council already keeps: a contract register with its usual mess, and plain tables.

Deterministic for a council and a day: dates lie around `today`, so that contracts are always about to end.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from exchange.lga import COLUMNS
from folkmoot.demo.councils import COUNCILS, PLANS, PRODUCTS, SMALL, SUPPLIERS, THEMES, VCSE, Council, Theme

Row = dict[str, str]
WITHOUT_END = 19
WITHOUT_NUMBER = 7


def write_all(council: Council, folder: Path, today: date) -> list[tuple[str, Path]]:
    """Write a council's files; gives (kind, path) in the order in which they are imported."""
    folder.mkdir(parents=True, exist_ok=True)
    contracts = folder / "contracts-register.csv"
    contracts.write_bytes(register(council, rows(council, today)))
    made = [("contract", contracts)]
    for kind, records in (
        ("roadmap-item", roadmap(council, today)),
        ("tool", tools(council, today)),
        ("asset", assets(council)),
        ("skill", skills(council)),
    ):
        path = folder / f"{kind}s.{'csv' if kind in ('roadmap-item', 'tool') else 'json'}"
        path.write_text(_table(records) if path.suffix == ".csv" else json.dumps(records, indent=2), encoding="utf-8")
        made.append((kind, path))
    return made


def rows(council: Council, today: date) -> list[Row]:
    """The rows of a council's register, with the mess that such files have."""
    chance = random.Random(council.code)  # noqa: S311 - the same file every time is the point
    made = [_row(council, number, chance, today) for number in range(1, council.contracts + 1)]
    made.append(dict(made[3]))
    return made


def register(council: Council, made: list[Row]) -> bytes:
    """The bytes of a register in this council's own dialect: delimiter, encoding, wording of the header."""
    names = [column.name for column in COLUMNS]
    head = names if council.headers == "names" else [column.title for column in COLUMNS]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=council.delimiter, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([row.get(name, "") for name in names] for row in made)
    return out.getvalue().encode(council.encoding)


def _row(council: Council, number: int, chance: random.Random, today: date) -> Row:
    theme = THEMES[(number + len(council.name)) % len(THEMES)]
    supplier = chance.choice(theme.suppliers)
    start, end, review, last = _dates(number, chance, today)
    amount = round(chance.uniform(theme.low, theme.high), -2)
    shown = _styles(council)
    return {
        "OrganisationLabel": council.name,
        "ContractReference": f"{council.code}-{start.year}-{number:03d}",
        "ContractTitle": _title(theme, number),
        "ContractType": theme.contract,
        "OrganisationalUnit": theme.department,
        "Description": theme.description,
        "ProcurementCategory": theme.department,
        "CPVLabel": theme.label,
        "CPVCode": theme.cpv,
        "StartDate": shown(start),
        "EndDate": "TBC" if number % WITHOUT_END == 0 else shown(end),
        "ReviewDate": shown(review),
        "LastExtensionDate": shown(last) if number % 2 else "",
        "ContractValue": _money(amount, number),
        "FixedCost": "Estimated" if number % 3 == 0 else "Fixed",
        "IrrecoverableVAT": "0",
        "SupplierName": supplier.upper() if number % 5 == 0 else supplier,
        "CompaniesHouseRegistrationNumber": "" if number % WITHOUT_NUMBER == 0 else SUPPLIERS[supplier],
        "SMESupplier": "Yes" if supplier in SMALL else "No",
        "VCSESupplier": "Yes" if supplier in VCSE else "No",
        "ContactEmail": f"procurement@{council.slug}.example",
        "ProcessType": theme.process,
    }


def _title(theme: Theme, number: int) -> str:
    lot = number // len(THEMES)
    return theme.title if lot == 0 else f"{theme.title} (lot {lot})"


def _dates(number: int, chance: random.Random, today: date) -> tuple[date, date, date, date]:
    end = today + timedelta(days=chance.randint(-200, 1100) if number % 3 else chance.randint(20, 360))
    start = end - timedelta(days=365 * chance.choice((2, 3, 4, 5)) - 1)
    return start, end, end - timedelta(days=180), end + timedelta(days=365 * chance.choice((1, 2)))


def _styles(council: Council) -> Callable[[date], str]:
    if council.headers == "names":
        return lambda day: day.isoformat()
    return lambda day: day.strftime("%d/%m/%Y")


def _money(amount: float, number: int) -> str:
    if number % 11 == 0 and amount >= 1_000_000:
        return f"{amount / 1_000_000:.1f}m"
    return (f"{amount:.0f}", f"£{amount:,.2f}", f"£ {amount:,.0f} ")[number % 3]


def roadmap(council: Council, today: date) -> list[dict[str, Any]]:
    """What the council plans: roadmap items by the schema's own names."""
    mine = [plan for plan in PLANS if council.code in plan.councils]
    planning = next(row for row in rows(council, today) if row["ContractTitle"].startswith("Planning"))
    return [
        {
            "reference": f"{council.code}-R{step:02d}",
            "title": plan.title,
            "summary": plan.summary,
            "problem": plan.problem,
            "department": plan.department,
            "phase": plan.phase,
            "status": plan.status,
            "collaboration": plan.collaboration,
            "ask": plan.ask,
            "start": (today - timedelta(days=40 * step)).isoformat(),
            "end": (today + timedelta(days=90 + 60 * step)).isoformat(),
            "confirmed": (today - timedelta(days=step)).isoformat(),
            "topics.0": plan.topics[0],
            "topics.1": plan.topics[1] if len(plan.topics) > 1 else "",
            "replaces.0": planning["ContractReference"] if plan.title == "Replace the planning system" else "",
            "contact.email": f"digital@{council.slug}.example",
        }
        for step, plan in enumerate(mine, start=1)
    ]


def tools(council: Council, today: date) -> list[dict[str, Any]]:
    """The systems that the council uses, with what it thinks of them."""
    made = []
    for product in PRODUCTS:
        for code, score in product.councils:
            if code == council.code:
                made.append(
                    {
                        "reference": f"{council.code}-{product.name.split()[0].lower()}",
                        "name": product.name,
                        "vendor": product.vendor,
                        "category": product.category,
                        "serviceAreas.0": product.area,
                        "since": date(today.year - 4, 4, 1).isoformat(),
                        "satisfaction.score": score,
                    }
                )
    return made


def assets(council: Council) -> list[dict[str, Any]]:
    """What others may reuse."""
    first = {
        "reference": f"{council.code}-A1",
        "name": f"{council.name} service patterns",
        "type": "pattern",
        "description": "Forms and letters tested with residents.",
        "licence": "OGL-UK-3.0",
        "repository": f"https://code.{council.slug}.example/patterns",
    }
    second = {
        "reference": f"{council.code}-A2",
        "name": "Discovery report: reporting a repair",
        "type": "research",
        "description": "Twelve interviews with tenants and what they told us.",
        "licence": "CC-BY-4.0",
    }
    return [first, second] if COUNCILS.index(council) % 2 else [first]


def skills(council: Council) -> list[dict[str, Any]]:
    """What the council's people can lend or look for."""
    offers = ("advice", "training", "secondment")[COUNCILS.index(council) % 3]
    return [
        {"reference": f"{council.code}-S1", "name": "User research", "level": "expert", "offers": [offers]},
        {"reference": f"{council.code}-S2", "name": "Contract management", "level": "working", "seeks": ["advice"]},
    ]


def _table(records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(records[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()
