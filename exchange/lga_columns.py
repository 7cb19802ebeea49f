"""The 38 columns of the LGA contracts register, by name and by title, and other headers that councils give them."""

from __future__ import annotations

from typing import NamedTuple

from exchange.cells import heading


class Column(NamedTuple):
    """A column of the layout: its name, and its title in words."""

    name: str
    title: str


COLUMNS: tuple[Column, ...] = (
    Column("OrganisationLabel", "Organisation name"),
    Column("OrganisationURI", "Organisation code"),
    Column("ContractReference", "Contract Reference number / ID"),
    Column("OpenContractingID", "Open Contracting ID"),
    Column("ContractTitle", "Title of the Agreement"),
    Column("ContractType", "Contract type"),
    Column("OrganisationalUnit", "Local authority directorate/service responsible"),
    Column("ServiceCategoryLabel", "Service Category label"),
    Column("ServiceCategoryURI", "Service category URI"),
    Column("Description", "Description of goods and services"),
    Column("ProcurementCategory", "Procurement classification: Council's procurement category label"),
    Column("CPVLabel", "Procurement classification: CPV label"),
    Column("CPVCode", "Procurement classification: CPV code"),
    Column("ProclassLabel", "Procurement classification: Proclass label"),
    Column("ProclassCode", "Procurement classification: Proclass code"),
    Column("StartDate", "Contract start date"),
    Column("EndDate", "End date"),
    Column("ReviewDate", "Review date"),
    Column("LastExtensionDate", "Extension Period"),
    Column("ContractValue", "Contract value"),
    Column("FixedCost", "Fixed cost / estimated cost"),
    Column("IrrecoverableVAT", "Irrecoverable VAT"),
    Column("SupplierName", "Supplier name"),
    Column("CompaniesHouseRegistrationNumber", "Supplier registered company number"),
    Column("CharityCommissionNumber", "Supplier registered charity number"),
    Column("OtherSupplierID", "Other IDs"),
    Column("SMESupplier", "SME supplier"),
    Column("VCSESupplier", "VCSE supplier"),
    Column("VCSESupplierType", "VCSE supplier type"),
    Column("ContactName", "Nominated contact point: name"),
    Column("ContactEmail", "Nominated contact point: email"),
    Column("ContactURL", "Nominated contact point: URL"),
    Column("ProcessType", "Tender type"),
    Column("TenderDocumentURL", "Original tender document"),
    Column("ContractDocumentURL", "Contract document URL"),
    Column("PerformanceInformationURL", "Performance information URL"),
    Column("AreaServedLabel", "Location served label"),
    Column("AreaServedURI", "Location served URI"),
)
HEADER = tuple(name for name, _ in COLUMNS)

# Seen in registers that councils publish, or asked for in the Transparency Code's own words.
_ALSO: dict[str, tuple[str, ...]] = {
    "OrganisationLabel": ("Organisation", "Authority", "Council"),
    "OrganisationURI": ("Organisation URI",),
    "ContractReference": (
        "Reference", "Reference number", "Contract reference number", "Contract ref", "Contract ref no",
        "Contract ID", "Contract number", "Contract no", "Ref", "Ref no", "Unique reference number",
    ),
    "OpenContractingID": ("OCID",),
    "ContractTitle": ("Title", "Title of agreement", "Agreement title", "Contract name", "Contract"),
    "OrganisationalUnit": (
        "Directorate / service responsible", "Directorate", "Department", "Department responsible", "Service area",
        "Local authority department responsible", "Service responsible",
    ),
    "ServiceCategoryLabel": ("Service category",),
    "Description": (
        "Description of the goods and/or services being provided", "Description of goods and/or services",
        "Description of goods/services", "Contract description",
    ),
    "ProcurementCategory": ("Procurement category", "Council's procurement category label", "Category"),
    "CPVLabel": ("CPV description",),
    "CPVCode": ("CPV", "CPV codes"),
    "ProclassCode": ("Proclass",),
    "StartDate": ("Start", "Contract start", "Commencement date"),
    "EndDate": ("Contract end date", "End", "Contract end", "Expiry date", "Contract expiry date"),
    "ReviewDate": ("Contract review date", "Review"),
    "LastExtensionDate": ("Last extension date", "Extension", "Extension options", "Extension end date"),
    "ContractValue": (
        "Value", "Total value", "Total contract value", "Value of contract", "Estimated value",
        "Estimated contract value", "Value (£)",
    ),
    "FixedCost": ("Fixed or estimated cost", "Fixed/estimated"),
    "IrrecoverableVAT": ("VAT that cannot be recovered", "Non-recoverable VAT", "Irrecoverable VAT amount"),
    "SupplierName": ("Supplier", "Contractor", "Supplier(s)", "Contractor name", "Name of supplier"),
    "CompaniesHouseRegistrationNumber": (
        "Company number", "Company registration number", "Companies House number", "Supplier company number",
    ),
    "CharityCommissionNumber": ("Charity number", "Registered charity number", "Supplier charity number"),
    "OtherSupplierID": ("Other supplier IDs", "Supplier ID", "Supplier number"),
    "SMESupplier": ("SME",),
    "VCSESupplier": ("VCSE",),
    "VCSESupplierType": ("VCSE type",),
    "ContactName": ("Contact name", "Contact", "Contact point"),
    "ContactEmail": ("Contact email", "Email"),
    "ProcessType": ("Tender process type", "Procurement process", "Process"),
    "TenderDocumentURL": ("Tender document URL",),
    "AreaServedLabel": ("Location service label", "Area served"),
    "AreaServedURI": ("Area served URI",),
}  # fmt: skip

NAMES: dict[str, str] = {heading(alias): name for name, aliases in _ALSO.items() for alias in aliases}
NAMES |= {heading(form): name for name, title in COLUMNS for form in (name, title)}
