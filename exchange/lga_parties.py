"""Who stands in a row of the LGA layout: buyer, supplier, contact."""

from __future__ import annotations

from typing import Any

from exchange.cells import bare
from exchange.drafts import MASK, RowReader
from exchange.lga_words import official, url_of
from exchange.privacy import is_mailbox, names_role, role_mailbox
from exchange.suppliers import charity, company, others, read_flag
from schema.identifiers import organisation_id


def buyer(reader: RowReader, data: dict[str, Any]) -> None:
    """Read who buys. The publisher by its own record is what our own export says of a contract without a buyer."""
    buyer = {}
    name, url = reader.line("OrganisationLabel", "/buyers/0/name"), url_of(reader, "OrganisationURI", "/buyers/0/url")
    if name:
        buyer["name"] = name
    if url:
        buyer["url"] = url
    own = url == organisation_id(reader.publisher.id_prefix, reader.publisher.id)
    if buyer and not (own and bare(name) in {"", bare(reader.publisher.name)}):
        data["buyers"] = [buyer]


def contact(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the contact, where it names a role and not a person."""
    contact: dict[str, str] = {}
    name, mail = reader.cell("ContactName"), reader.cell("ContactEmail")
    for member, field, text, good in (
        ("name", "ContactName", name, bool(name) and names_role(name, reader.publisher.words)),
        ("email", "ContactEmail", mail, bool(mail) and role_mailbox(mail, reader.publisher.words)),
    ):
        if good and not (member == "name" and is_mailbox(text)):
            reader.feed(f"/contact/{member}", field)
            contact[member] = text.replace("\n", " ")
        elif text:
            reader.warn(field, "It may name a person; it is left out.", value=MASK, pointer=f"/contact/{member}",
                        expected="a team or role, such as contracts@...", code="personal-data")  # fmt: skip
    url = url_of(reader, "ContactURL", "/contact/url")
    if url:
        contact["url"] = url
    if contact:
        data["contact"] = contact


def supplier(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the row's one supplier."""
    supplier: dict[str, Any] = {}
    name = reader.line("SupplierName", "/suppliers/0/name")
    if name:
        supplier["name"] = name
    numbers = _numbers(reader)
    if numbers:
        supplier["identifiers"] = numbers
    for field, member in (("SMESupplier", "sme"), ("VCSESupplier", "vcse")):
        text = reader.cell(field)
        flag = read_flag(text)
        if flag is not None:
            reader.feed(f"/suppliers/0/{member}", field)
            supplier[member] = flag
        elif text:
            reader.warn(field, "This is neither yes nor no; it is left out.", value=text, expected="Yes or No",
                        pointer=f"/suppliers/0/{member}", code="flag")  # fmt: skip
    sort = reader.line("VCSESupplierType", "/suppliers/0/vcseType")
    if sort:
        supplier["vcseType"] = official(sort)
    if supplier:
        data["suppliers"] = [supplier]


def _numbers(reader: RowReader) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for field, read_number, what in (
        ("CompaniesHouseRegistrationNumber", company, "a company number; it is left out"),
        ("CharityCommissionNumber", charity, "a charity number; it is left out"),
    ):
        text = reader.cell(field)
        number = read_number(text) if text else None
        if number:
            reader.feed(f"/suppliers/0/identifiers/{len(found)}", field)
            found.append(number)
        elif text:
            expected = "8 characters, such as 01234567" if read_number is company else "6 or 7 digits"
            reader.warn(field, f"This is not {what}.", value=text, expected=expected,
                        pointer="/suppliers/0/identifiers", code="identifier")  # fmt: skip
    other = reader.line("OtherSupplierID", f"/suppliers/0/identifiers/{len(found)}")
    return found + [one for one in others(other, reader.publisher.id) if one not in found] if other else found
