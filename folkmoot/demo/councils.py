"""The councils of Wendmark, which does not exist, and what they buy, plan, use, share and know.

Everything here is invented. Company numbers begin with 99, which Companies House has not reached.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Council:
    """One fictional council, and the shape of the register that it keeps."""

    code: str
    name: str
    type: str
    contracts: int
    delimiter: str = ","
    encoding: str = "utf-8"
    headers: str = "titles"
    slug: str = ""

    @property
    def publisher(self) -> str:
        """Its publisher id."""
        return f"GB-LAE-{self.code}"


REGION = "Wendmark"
COUNCILS = (
    Council("ZAM", "Aldermere County Council", "county", 96, encoding="cp1252", slug="aldermere"),
    Council("ZBF", "Brackenford District Council", "district", 54, delimiter=";", slug="brackenford"),
    Council("ZCW", "Castlewick Borough Council", "district", 48, headers="names", slug="castlewick"),
    Council("ZDS", "Dunsmere City Council", "unitary", 82, encoding="utf-8-sig", slug="dunsmere"),
    Council("ZEV", "Elverstone District Council", "district", 44, delimiter="\t", slug="elverstone"),
)


@dataclass(frozen=True, slots=True)
class Theme:
    """A thing that councils buy again and again."""

    title: str
    cpv: str
    label: str
    department: str
    low: int
    high: int
    suppliers: tuple[str, ...]
    process: str = "Published invitation to tender"
    contract: str = "Single award contract"
    description: str = ""


THEMES = (
    Theme(
        "Planning and building control system",
        "48000000",
        "Software package and information systems",
        "Place",
        45_000,
        210_000,
        ("Plotwise Software Ltd", "Gridstone Systems Ltd"),
        description="Case management for planning applications, enforcement and building control.",
    ),
    Theme(
        "Housing management system",
        "48000000",
        "Software package and information systems",
        "Housing",
        80_000,
        420_000,
        ("Tenantry Systems Ltd", "Gridstone Systems Ltd"),
        description="Rents, repairs, allocations and tenancy management, hosted by the supplier.",
    ),
    Theme(
        "Revenues and benefits software",
        "48400000",
        "Business transaction software",
        "Finance",
        70_000,
        380_000,
        ("Ledgerfen Ltd", "Gridstone Systems Ltd"),
        description="Council tax, business rates and benefits processing, with online forms for residents.",
    ),
    Theme(
        "Adult social care case management",
        "48814000",
        "Medical information systems",
        "Adult services",
        120_000,
        650_000,
        ("Carewright Systems Ltd",),
        description="Case records, assessments and care payments for adult social care teams.",
    ),
    Theme(
        "Website content management and hosting",
        "72413000",
        "World wide web site design services",
        "Digital",
        15_000,
        90_000,
        ("Openhurst Co-operative Ltd", "Plotwise Software Ltd"),
        "Invitation to quote",
        description="Hosting, support and accessibility work for the council web site.",
    ),
    Theme(
        "Laptops and end user devices",
        "30213100",
        "Portable computers",
        "Digital",
        60_000,
        300_000,
        ("Hartwell Devices Ltd",),
        contract="Framework agreement",
        description="Supply, imaging and recycling of laptops for office and home working.",
    ),
    Theme(
        "Wide area network and internet access",
        "72400000",
        "Internet services",
        "Digital",
        90_000,
        500_000,
        ("Netherby Telecom plc",),
        description="Connections between offices, libraries and depots.",
    ),
    Theme(
        "Highways maintenance",
        "45233141",
        "Road-maintenance works",
        "Place",
        400_000,
        9_000_000,
        ("Ridgeway Roads Ltd", "Carrick and Vane Ltd"),
        contract="Framework agreement",
        description="Carriageway resurfacing, pothole repair and winter gritting.",
    ),
    Theme(
        "Household waste and recycling collection",
        "90511000",
        "Refuse collection services",
        "Place",
        700_000,
        6_500_000,
        ("Greenlane Waste Ltd", "Carrick and Vane Ltd"),
        description="Weekly collection of refuse, recycling and food waste from households.",
    ),
    Theme(
        "Grounds maintenance",
        "77314000",
        "Grounds maintenance services",
        "Place",
        60_000,
        520_000,
        ("Mossbank Grounds CIC", "Greenlane Waste Ltd"),
        description="Parks, verges, cemeteries and play areas.",
    ),
    Theme(
        "Home to school transport",
        "60130000",
        "Special-purpose road passenger-transport services",
        "Children",
        25_000,
        340_000,
        ("Fennel Coaches Ltd", "Harrier Travel Ltd"),
        contract="Dynamic purchasing system",
        description="Daily transport of pupils, passenger assistants included.",
    ),
    Theme(
        "Temporary agency staff",
        "79620000",
        "Supply services of personnel including temporary staff",
        "People",
        150_000,
        1_200_000,
        ("Bridgeham Staffing Ltd",),
        contract="Framework agreement",
        description="Neutral vendor for interim and temporary workers.",
    ),
    Theme(
        "Parking enforcement and permits",
        "98351110",
        "Parking enforcement services",
        "Place",
        80_000,
        460_000,
        ("Kerbside Services Ltd", "Plotwise Software Ltd"),
        description="Civil enforcement officers, notice processing and digital parking permits.",
    ),
    Theme(
        "Building cleaning",
        "90911200",
        "Building-cleaning services",
        "Property",
        30_000,
        260_000,
        ("Brightmoor Cleaning Ltd", "Mossbank Grounds CIC"),
        description="Cleaning of offices, libraries and depots.",
    ),
    Theme(
        "Print and hybrid mail",
        "79800000",
        "Printing and related services",
        "Finance",
        10_000,
        85_000,
        ("Quill and Harrow Ltd",),
        "Invitation to quote",
        description="Bills, letters and election printing.",
    ),
    Theme(
        "Library books and e-books",
        "22113000",
        "Library books",
        "Communities",
        20_000,
        160_000,
        ("Marlpit Library Supply Ltd",),
        description="Stock selection and supply, physical and electronic.",
    ),
)

SUPPLIERS = {
    name: f"99{seven:06d}"
    for seven, name in enumerate(dict.fromkeys(s for theme in THEMES for s in theme.suppliers), start=100_410)
}
SMALL = frozenset({"Openhurst Co-operative Ltd", "Mossbank Grounds CIC", "Fennel Coaches Ltd", "Quill and Harrow Ltd"})
VCSE = frozenset({"Mossbank Grounds CIC"})


@dataclass(frozen=True, slots=True)
class Plan:
    """A piece of digital work that a council plans or does."""

    title: str
    summary: str
    problem: str
    department: str
    phase: str
    status: str
    collaboration: str
    topics: tuple[str, ...]
    councils: tuple[str, ...]
    ask: str = ""


PLANS = (
    Plan(
        "Replace the planning system",
        "Find and procure a cloud planning system that opens its data.",
        "Officers re-key applications and the contract for today's system ends soon.",
        "Place",
        "discovery",
        "active",
        "seeking-partners",
        ("planning", "procurement"),
        ("ZAM", "ZBF", "ZDS"),
        "Councils whose planning contract ends in the next two years, to write one specification",
    ),
    Plan(
        "Parking permits online",
        "One digital permit that works across borders.",
        "Residents send paper proofs and wait ten days.",
        "Place",
        "alpha",
        "active",
        "seeking-partners",
        ("parking",),
        ("ZCW", "ZDS"),
        "One more council to test the alpha with",
    ),
    Plan(
        "Report a repair",
        "A repairs service that tenants can use on a phone.",
        "Two thirds of calls to housing are about repairs that were reported already.",
        "Housing",
        "private-beta",
        "active",
        "share-funding",
        ("housing", "repairs"),
        ("ZBF", "ZEV"),
    ),
    Plan(
        "Waste collection days by text",
        "Tell households when their bin is due.",
        "Missed collections are the most common reason to call.",
        "Place",
        "live",
        "completed",
        "share-ideas",
        ("waste",),
        ("ZAM", "ZEV"),
    ),
    Plan(
        "Low code forms platform",
        "Move 140 forms to one accessible platform.",
        "Forms fail accessibility checks and cannot be changed by services.",
        "Digital",
        "public-beta",
        "active",
        "open-to-conversation",
        ("forms", "accessibility"),
        ("ZAM", "ZCW", "ZEV"),
    ),
    Plan(
        "Assisted digital in libraries",
        "Train library staff to help residents online.",
        "One resident in seven has no connection at home.",
        "Communities",
        "discovery",
        "proposed",
        "seeking-partners",
        ("libraries", "inclusion"),
        ("ZDS",),
        "A county to share a trainer with",
    ),
    Plan(
        "Shared cyber security operations",
        "A shared team that watches councils' networks at night.",
        "No district can staff a night shift alone.",
        "Digital",
        "idea",
        "proposed",
        "seeking-partners",
        ("security",),
        ("ZAM", "ZBF", "ZCW", "ZDS", "ZEV"),
        "A host for the team and five founding councils",
    ),
    Plan(
        "Social care referrals API",
        "Send referrals between health and care without e-mail.",
        "Referrals arrive as scanned attachments.",
        "Adult services",
        "alpha",
        "active",
        "open-to-conversation",
        ("social-care", "api"),
        ("ZAM",),
    ),
)


@dataclass(frozen=True, slots=True)
class Product:
    """A system in use, by whom, and what they think of it (1 to 5)."""

    name: str
    vendor: str
    category: str
    area: str
    councils: tuple[tuple[str, int], ...]


PRODUCTS = (
    Product("Plotwise Planning", "Plotwise Software Ltd", "planning", "Planning", (("ZAM", 2), ("ZBF", 3), ("ZDS", 2))),
    Product("Gridstone Uniform", "Gridstone Systems Ltd", "planning", "Planning", (("ZCW", 4), ("ZEV", 3))),
    Product("Tenantry Homes", "Tenantry Systems Ltd", "housing", "Housing", (("ZBF", 3), ("ZCW", 4), ("ZDS", 3))),
    Product("Ledgerfen Revenues", "Ledgerfen Ltd", "revenues", "Finance", (("ZBF", 4), ("ZCW", 4), ("ZEV", 5))),
    Product("Carewright Adults", "Carewright Systems Ltd", "social care", "Adult services", (("ZAM", 3), ("ZDS", 3))),
    Product("Openhurst CMS", "Openhurst Co-operative Ltd", "web", "Digital", (("ZAM", 5), ("ZCW", 5), ("ZEV", 4))),
    Product("Kerbside Permits", "Kerbside Services Ltd", "parking", "Place", (("ZCW", 3), ("ZDS", 4))),
    Product("Netherby Connect", "Netherby Telecom plc", "network", "Digital", (("ZAM", 3), ("ZBF", 2), ("ZDS", 3))),
)
