"""What may be published of contacts: a mailbox or a name only where it names a role (design, section 4)."""

from __future__ import annotations

import re

_VOCABULARY = """
    access account accounts admin adult adults advice adviser advisor applications architecture archive archives
    asset assets assistant audit benefits bid bids board bookings borough building bureau business buying call
    care category central centre change charity chief children childrens city civic clerk clerks client
    collections commercial commission commissioner commissioners commissioning communications community
    complaints compliance consultation contact contactus content contract contracting contracts control
    corporate council councillors county customer customers cyber data delivery democratic department dept
    design desk development digital director directorate disclosure district division education electoral email
    emergency energy engagement engineering enquiries enquiry environment environmental equipment estates events
    executive facilities family feedback finance fire fleet foi food framework frameworks freedom general
    geospatial gis governance grants group head health help helpdesk helpline highways home homes housing hr hub
    ict info information infrastructure innovation insurance intelligence invoices invoicing it joint land lead
    leader learning legal leisure libraries library licensing line local mail mailbox maintenance management
    manager market marketing media members monitoring neighbourhood network noreply office officer open
    operations parking parks partnership partnerships passenger payments payroll pensions people performance
    place planning policy portal post press procure procurement programme programmes project projects property
    public publichealth purchase purchasing quality reception records recovery recycling referrals regeneration
    regional register registrars registration repairs research resources revenues roads safety sales schools
    secretariat secretary section security service services shared shop social software sourcing special sport
    staff stores strategic strategy supplier suppliers supply support surveyors system systems team teams
    technical technology tenancy tender tendering tenders theatre tourism town trading training transformation
    transparency transport travel treasury trust unit unitary user vendor village voluntary volunteering waste
    water web webmaster website welfare wellbeing works youth
"""
_ROLES = _VOCABULARY.split()
_JOINTS = ("and", "for", "of", "the", "to", "at", "our", "us")
_WORDS = "|".join(sorted(map(re.escape, [*_ROLES, *_JOINTS]), key=len, reverse=True))
_RUN = re.compile(rf"(?:{_WORDS})+")
LONGEST = 40
_TOKEN = re.compile(r"[^\W\d_]+")
_EMAIL = re.compile(r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]{1,100}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PHONE = re.compile(r"(?:\+44|\b0)[\d ()-]{8,13}\d\b")
_PERSONAL_HEADER = re.compile(
    r"e-?mail|phone|mobile|\bfax\b|contact|officer|manager|\bowner\b|address|postcode|post code|forename|surname"
    r"|first name|last name|\blead\b|named?\s+person|date of birth|salary",
    re.IGNORECASE,
)
REMOVED = "[mailbox left out]"


def names_role(text: str, own: frozenset[str] = frozenset()) -> bool:
    """Tell whether every word of a name or of a mailbox's local part is one of a role; any other may be a person's.

    `own` are words of the organisation's own name, which name no person.
    """
    tokens = [token.casefold() for token in _TOKEN.findall(text) if token.casefold() not in own]
    return all(len(token) <= LONGEST and _RUN.fullmatch(token) for token in tokens) and any(
        token not in _JOINTS for token in tokens
    )


def is_mailbox(text: str) -> bool:
    """Tell an e-mail address."""
    return bool(_EMAIL.fullmatch(text))


def role_mailbox(text: str, own: frozenset[str] = frozenset()) -> bool:
    """Tell a mailbox that names a role, such as contracts@ or adult.care.procurement@."""
    return is_mailbox(text) and names_role(text.partition("@")[0], own)


def without_mailboxes(text: str) -> str:
    """Put a mark in the place of each mailbox that may be a person's."""
    return _EMAIL.sub(lambda found: found[0] if role_mailbox(found[0]) else REMOVED, text)


def personal_header(title: str) -> bool:
    """Tell a column that is about persons by its header."""
    return bool(_PERSONAL_HEADER.search(title))


def personal_cell(text: str) -> bool:
    """Tell a cell with a mailbox of a person or a telephone number."""
    return without_mailboxes(text) != text or bool(_PHONE.search(text))
