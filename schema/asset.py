"""Something made that others may use again."""

from typing import ClassVar

from pydantic import Field

from schema.base import Many, Opt, Record, Reference, Text, Title, Url, Word
from schema.codelists import AssetType
from schema.parts import Benefit, Contact, OrganisationRef


class Asset(Record):
    """Something made that others may use again."""

    kind: ClassVar[str] = "asset"

    reference: Reference = Field(description="The publisher's own reference.", examples=["EXA-A-3"])
    name: Title = Field(description="What it is called.", examples=["Missed bin form"])
    type: Opt[AssetType] = Field(None, description="What sort of thing.", examples=["pattern"])
    description: Opt[Text] = Field(None, description="What it does and for whom.")
    repository: Opt[Url] = Field(
        None, description="Where it is kept.", examples=["https://code.exampleshire.example/missed-bin"]
    )
    licence: Opt[Word] = Field(None, description="Its SPDX licence expression.", examples=["MIT", "OGL-UK-3.0"])
    publiccode_url: Opt[Url] = Field(None, description="Where its publiccode.yml stands.")
    maturity: Opt[Word] = Field(None, description="How far it has got.", examples=["beta", "stable"])
    used_by: Opt[Many[OrganisationRef]] = Field(None, description="Who uses it.")
    benefits: Opt[Many[Benefit]] = Field(None, description="What it brings.")
    contact: Opt[Contact] = Field(None, description="The team to ask.")
