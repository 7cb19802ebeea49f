"""Something that people here can do, teach or are looking for. Never who: people are not published."""

from typing import ClassVar

from pydantic import Field

from schema.base import Many, Opt, Record, Reference, Text, Title, Word
from schema.codelists import Offer
from schema.parts import Contact


class Skill(Record):
    """Something that people here can do, teach or are looking for."""

    kind: ClassVar[str] = "skill"

    reference: Reference = Field(description="The publisher's own reference.", examples=["EXA-S-1"])
    name: Title = Field(description="The skill.", examples=["Service design"])
    level: Opt[Word] = Field(None, description="How well it is known here.", examples=["practitioner"])
    description: Opt[Text] = Field(None, description="What has been done with it.")
    offers: Opt[Many[Offer]] = Field(None, description="What is on offer to others.", examples=[["training"]])
    seeks: Opt[Many[Offer]] = Field(None, description="What is looked for from others.", examples=[["advice"]])
    department: Opt[Title] = Field(None, description="The part of the organisation that has it.", examples=["Digital"])
    contact: Opt[Contact] = Field(None, description="The team to ask.")
