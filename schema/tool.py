"""A product that the organisation uses, and what it thinks of it."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from schema.base import Count, Date, Many, Model, Opt, Record, RecordLink, Reference, Text, Title, Url, Word, integral
from schema.parts import Link


class Satisfaction(Model):
    """What its users think of it."""

    score: Opt[Annotated[int, Field(ge=1, le=5), BeforeValidator(integral)]] = Field(
        None, description="From 1 (poor) to 5 (very good).", examples=[4]
    )
    note: Opt[Text] = Field(None, description="Why.")
    would_buy_again: Opt[bool] = Field(None, description="Whether it would be bought again.")


class Tool(Record):
    """A product that the organisation uses."""

    kind: ClassVar[str] = "tool"

    reference: Reference = Field(description="The publisher's own reference.", examples=["EXA-T-7"])
    name: Title = Field(description="The product's name.", examples=["PlanRight"])
    vendor: Opt[Title] = Field(None, description="Who makes or sells it.", examples=["Acme Digital Ltd"])
    version: Opt[Word] = Field(None, description="Which version is in use.", examples=["2026.1"])
    category: Opt[Title] = Field(None, description="What sort of product.", examples=["Planning back office"])
    service_areas: Opt[Many[Title]] = Field(
        None, description="The parts of the organisation that use it.", examples=[["Planning", "Building control"]]
    )
    services: Opt[Many[Url]] = Field(
        None,
        description="The services that it is for, as LGSL addresses.",
        examples=[["http://id.esd.org.uk/service/485"]],
    )
    hosting: Opt[Title] = Field(None, description="Where it runs.", examples=["vendor's cloud", "on premises"])
    users: Opt[Count] = Field(None, description="How many people use it.", examples=[120])
    since: Opt[Date] = Field(None, description="First day of use.", examples=["2019-06-01"])
    until: Opt[Date] = Field(None, description="Last day of use.", examples=["2027-03-31"])
    contract: Opt[RecordLink] = Field(None, description="Id of the contract that pays for it.")
    open_standards: Opt[Many[Title]] = Field(
        None, description="The open standards that it keeps.", examples=[["OpenAPI 3.1", "GeoJSON"]]
    )
    apis: Opt[Many[Link]] = Field(None, description="Its programming interfaces.")
    satisfaction: Opt[Satisfaction] = Field(None, description="What its users think of it.")
    replaces: Opt[Many[RecordLink]] = Field(None, description="Ids of the tools that it took over from.")
    replaced_by: Opt[Many[RecordLink]] = Field(None, description="Ids of the tools that took over from it.")
