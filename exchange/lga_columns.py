"""The 38 columns of the LGA contracts register, by name and by title, and other headers that councils give them."""

from __future__ import annotations

from exchange.cells import heading

COLUMNS: tuple[tuple[str, str], ...] = (
    ("OrganisationLabel", "Organisation name"),
    ("OrganisationURI", "Organisation code"),
    ("ContractReference", "Contract Reference number / ID"),
    ("OpenContractingID", "Open Contracting ID"),
    ("ContractTitle", "Title of the Agreement"),
    ("ContractType", "Contract type"),
    ("OrganisationalUnit", "Local authority directorate/service responsible"),
    ("ServiceCategoryLabel", "Service Category label"),
    ("ServiceCategoryURI", "Service category URI"),
    ("Description", "Description of goods and services"),
    ("ProcurementCategory", "Procurement classification: Council's procurement category label"),
    ("CPVLabel", "Procurement classification: CPV label"),
    ("CPVCode", "Procurement classification: CPV code"),
    ("ProclassLabel", "Procurement classification: Proclass label"),
    ("ProclassCode", "Procurement classification: Proclass code"),
    ("StartDate", "Contract start date"),
    ("EndDate", "End date"),
    ("ReviewDate", "Review date"),
    ("LastExtensionDate", "Extension Period"),
    ("ContractValue", "Contract value"),
    ("FixedCost", "Fixed cost / estimated cost"),
    ("IrrecoverableVAT", "Irrecoverable VAT"),
    ("SupplierName", "Supplier name"),
    ("CompaniesHouseRegistrationNumber", "Supplier registered company number"),
    ("CharityCommissionNumber", "Supplier registered charity number"),
    ("OtherSupplierID", "Other IDs"),
    ("SMESupplier", "SME supplier"),
    ("VCSESupplier", "VCSE supplier"),
    ("VCSESupplierType", "VCSE supplier type"),
    ("ContactName", "Nominated contact point: name"),
    ("ContactEmail", "Nominated contact point: email"),
    ("ContactURL", "Nominated contact point: URL"),
    ("ProcessType", "Tender type"),
    ("TenderDocumentURL", "Original tender document"),
    ("ContractDocumentURL", "Contract document URL"),
    ("PerformanceInformationURL", "Performance information URL"),
    ("AreaServedLabel", "Location served label"),
    ("AreaServedURI", "Location served URI"),
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
    "ContractValue": ("Value", "Total contract value", "Value of contract", "Estimated contract value", "Value (£)"),
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
