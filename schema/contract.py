"""An agreement with a supplier. A superset of the LGA contracts register and of what OCDS 1.1 needs."""

from typing import Annotated, ClassVar

from pydantic import Field

from schema.base import (
    MAX_LIST,
    Currency,
    Date,
    Many,
    Model,
    Money,
    Opt,
    Record,
    RecordLink,
    Reference,
    Text,
    Title,
    Url,
    Word,
)
from schema.codelists import Basis, ClassificationScheme, NoticeType, Stage
from schema.parts import Contact, Framework, Identifier, OrganisationRef, Withheld


class Supplier(Model):
    """Who delivers."""

    name: Opt[Title] = Field(None, description="The supplier's name.", examples=["Acme Digital Ltd"])
    identifiers: Opt[Many[Identifier]] = Field(
        None, description="Its numbers in registers.", examples=[[{"scheme": "GB-COH", "id": "01234567"}]]
    )
    sme: Opt[bool] = Field(None, description="Whether it is a small or medium-sized enterprise.")
    vcse: Opt[bool] = Field(None, description="Whether it is a voluntary, community or social enterprise.")
    vcse_type: Opt[Title] = Field(
        None, description="Which sort, in the register's words.", examples=["Voluntary sector", "Community sector"]
    )


class Value(Model):
    """What it is worth: an amount, or a range."""

    amount: Opt[Money] = Field(None, description="The sum.", examples=[120000])
    minimum: Opt[Money] = Field(None, description="The least, where it is a range.", examples=[100000])
    maximum: Opt[Money] = Field(None, description="The most, where it is a range.", examples=[150000])
    currency: Opt[Currency] = Field(None, description="ISO 4217 code.", examples=["GBP"])
    basis: Opt[Basis] = Field(
        None, description="What the sum covers; left out where the source does not say.", examples=["total"]
    )
    gross: Opt[bool] = Field(None, description="Whether VAT is included.")


class Classification(Model):
    """What is bought, in the words of a classification."""

    scheme: ClassificationScheme = Field(description="Which classification.", examples=["CPV"])
    id: Opt[Title] = Field(None, description="The code, without a check digit.", examples=["48000000"])
    description: Opt[Title] = Field(
        None, description="The code's name.", examples=["Software package and information systems"]
    )


class AreaServed(Model):
    """The area that it is for."""

    label: Opt[Title] = Field(None, description="Its name.", examples=["Exampleshire"])
    uri: Opt[Url] = Field(None, description="An address that identifies it.")


class Lot(Model):
    """A part that was offered by itself."""

    id: Opt[Title] = Field(None, description="Its number.", examples=["1"])
    title: Opt[Title] = Field(None, description="What it is called.")
    description: Opt[Text] = Field(None, description="What it covers.")
    value: Opt[Value] = Field(None, description="What it is worth.")
    suppliers: Opt[Many[Supplier]] = Field(None, description="Who delivers it.")
    start_date: Opt[Date] = Field(None, description="First day.", examples=["2026-11-01"])
    end_date: Opt[Date] = Field(None, description="Last day.", examples=["2029-10-31"])


class Notice(Model):
    """A notice published about it."""

    notice_type: Opt[NoticeType] = Field(None, description="Its type under the Procurement Act.", examples=["UK6"])
    ocid: Opt[Title] = Field(None, description="The process that it belongs to.", examples=["ocds-h6vhtk-0a1b2c"])
    url: Opt[Url] = Field(None, description="Where to read it.")
    date: Opt[Date] = Field(None, description="When it was published.", examples=["2026-09-15"])


class Document(Model):
    """A document to read."""

    document_type: Opt[Word] = Field(
        None,
        description="What it is, by its OCDS name.",
        examples=["tenderNotice", "contractSigned", "contractSummary"],
    )
    title: Opt[Title] = Field(None, description="What it is called.")
    url: Url = Field(description="Where to read it.", examples=["https://www.exampleshire.example/contracts/0001.pdf"])
    date_published: Opt[Date] = Field(None, description="When it was published.", examples=["2026-11-05"])
    format: Opt[Word] = Field(None, description="Its media type.", examples=["application/pdf"])


class Contract(Record):
    """An agreement with a supplier, from pipeline to its end."""

    kind: ClassVar[str] = "contract"

    reference: Reference = Field(description="The publisher's own reference.", examples=["EXA-C-2026-0001"])
    ocid: Opt[Title] = Field(
        None, description="The Open Contracting id of the process.", examples=["ocds-h6vhtk-0a1b2c"]
    )
    title: Title = Field(description="What the agreement is called.", examples=["Planning and building control system"])
    description: Opt[Text] = Field(None, description="What is delivered.")
    department: Opt[Title] = Field(
        None, description="The part of the organisation that is responsible.", examples=["Place"]
    )
    buyers: Opt[Annotated[list[OrganisationRef], Field(min_length=1, max_length=MAX_LIST)]] = Field(
        None, description="Who buys; the publisher itself where left out."
    )
    suppliers: Opt[Many[Supplier]] = Field(None, description="Who delivers.")
    contract_type: Opt[Title] = Field(
        None,
        description="What sort of agreement, in the register's words.",
        examples=["Single award contract", "Framework agreement", "Grant agreement"],
    )
    procurement_process: Opt[Title] = Field(
        None,
        description="How the supplier was found, in the register's words.",
        examples=["Invitation to quote", "Published invitation to tender"],
    )
    stage: Opt[Stage] = Field(None, description="How far it has got.", examples=["active"])
    value: Opt[Value] = Field(None, description="What it is worth.")
    irrecoverable_vat: Opt[Money] = Field(None, description="VAT that cannot be recovered.", examples=[0])
    fixed_cost: Opt[bool] = Field(None, description="Whether the cost is fixed rather than estimated.")
    area_served: Opt[AreaServed] = Field(None, description="The area that it is for.")
    contact: Opt[Contact] = Field(None, description="The team to ask.")
    date_signed: Opt[Date] = Field(None, description="When it was signed.", examples=["2026-10-12"])
    start_date: Opt[Date] = Field(None, description="First day.", examples=["2026-11-01"])
    end_date: Opt[Date] = Field(None, description="Last day, extensions apart.", examples=["2029-10-31"])
    review_date: Opt[Date] = Field(None, description="When it will be reviewed.", examples=["2028-10-31"])
    notice_by: Opt[Date] = Field(
        None, description="The last day on which notice can be given.", examples=["2029-04-30"]
    )
    max_extension_date: Opt[Date] = Field(
        None, description="Last day with every extension taken.", examples=["2031-10-31"]
    )
    extension_period: Opt[Title] = Field(
        None, description="The extensions, where they are told as periods.", examples=["12 + 12 months"]
    )
    classifications: Opt[Many[Classification]] = Field(None, description="What is bought.")
    services: Opt[Many[Url]] = Field(
        None,
        description="The services that it is for, as LGSL addresses.",
        examples=[["http://id.esd.org.uk/service/485"]],
    )
    tools: Opt[Many[RecordLink]] = Field(None, description="Ids of the tools that it pays for.")
    framework: Opt[Framework] = Field(None, description="The framework agreement that it was called off from.")
    lots: Opt[Many[Lot]] = Field(None, description="The parts that were offered by themselves.")
    notices: Opt[Many[Notice]] = Field(None, description="Notices published about it.")
    documents: Opt[Many[Document]] = Field(None, description="Documents to read.")
    replaces: Opt[Many[RecordLink]] = Field(None, description="Ids of the contracts that it took over from.")
    replaced_by: Opt[Many[RecordLink]] = Field(None, description="Ids of the contracts that took over from it.")
    withheld: Opt[Many[Withheld]] = Field(None, description="What is left out on purpose, why and until when.")
