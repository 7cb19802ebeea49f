"""A piece of digital work: what it is, how far it has got, and whether others may join."""

from typing import ClassVar

from pydantic import Field

from schema.base import (
    Currency,
    Date,
    Language,
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
from schema.codelists import Collaboration, Phase, Status
from schema.parts import Benefit, Contact, Link, Partner


class Budget(Model):
    """What it may cost."""

    min: Opt[Money] = Field(None, description="The least.", examples=[50000])
    max: Opt[Money] = Field(None, description="The most.", examples=[100000])
    currency: Opt[Currency] = Field(None, description="ISO 4217 code.", examples=["GBP"])


class RoadmapItem(Record):
    """A piece of digital work that is planned, under way or done."""

    kind: ClassVar[str] = "roadmap-item"

    reference: Reference = Field(description="The publisher's own reference.", examples=["EXA-R-42"])
    title: Title = Field(description="What the work is called.", examples=["Planning applications online"])
    summary: Opt[Text] = Field(None, description="What it is, in a few sentences.")
    problem: Opt[Text] = Field(None, description="The problem that it is to solve.")
    users: Opt[Text] = Field(None, description="Who will use it.", examples=["Residents, agents, case officers"])
    department: Opt[Title] = Field(None, description="The part of the organisation that does it.", examples=["Place"])
    phase: Opt[Phase] = Field(None, description="How far it has got.", examples=["alpha"])
    status: Opt[Status] = Field(None, description="Whether it is being worked on.", examples=["active"])
    start: Opt[Date] = Field(None, description="First day of the work.", examples=["2026-09-01"])
    end: Opt[Date] = Field(None, description="Last day of the work.", examples=["2027-03-31"])
    phase_start: Opt[Date] = Field(None, description="First day of the present phase.", examples=["2026-10-01"])
    phase_end: Opt[Date] = Field(None, description="Last day of the present phase.", examples=["2026-12-20"])
    dates_estimated: Opt[bool] = Field(None, description="Whether the dates are a guess.")
    budget: Opt[Budget] = Field(None, description="What it may cost.")
    collaboration: Opt[Collaboration] = Field(
        None, description="Whether others may join.", examples=["seeking-partners"]
    )
    ask: Opt[Text] = Field(
        None, description="What is asked of those who join.", examples=["Two councils to test the beta with us"]
    )
    partners: Opt[Many[Partner]] = Field(None, description="Who works on it too.")
    services: Opt[Many[Url]] = Field(
        None,
        description="The services that it is for, as LGSL addresses.",
        examples=[["http://id.esd.org.uk/service/485"]],
    )
    topics: Opt[Many[Word]] = Field(None, description="What it is about.", examples=[["planning", "forms"]])
    benefits: Opt[Many[Benefit]] = Field(None, description="What it brings.")
    links: Opt[Many[Link]] = Field(None, description="Pages to read on at.")
    contact: Opt[Contact] = Field(None, description="The team to ask.")
    replaces: Opt[Many[RecordLink]] = Field(None, description="Ids of the contracts or tools that this work replaces.")
    produces: Opt[Many[RecordLink]] = Field(None, description="Ids of the assets that came of it.")
    confirmed: Opt[Date] = Field(
        None, description="When someone last said that this is still true.", examples=["2026-10-30"]
    )
    language: Opt[Language] = Field(None, description="The language of the texts.", examples=["en", "cy"])
