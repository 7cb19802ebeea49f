"""A council or an office that publishes. Its record is the truth from which the manifest is made."""

from typing import Annotated, ClassVar

from pydantic import Field

from schema.base import MAX_LIST, Date, Gss, Many, Model, Opt, Record, Title, Url, Word
from schema.parts import Contact, Identifier, OrganisationRef


class Location(Model):
    """A point on the map, WGS 84."""

    lat: Annotated[float, Field(ge=-90, le=90)] = Field(description="Degrees north of the equator.", examples=[51.5])
    lon: Annotated[float, Field(ge=-180, le=180)] = Field(description="Degrees east of Greenwich.", examples=[-1.25])


class Successor(OrganisationRef):
    """The organisation that takes over."""

    vesting_date: Opt[Date] = Field(None, description="The day on which it takes over.", examples=["2027-04-01"])


class Organisation(Record):
    """A council or an office that publishes."""

    kind: ClassVar[str] = "organisation"

    name: Title = Field(description="What it is called.", examples=["Exampleshire County Council"])
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_LIST)] = Field(
        description="Its codes in registers. The first names it as a publisher: a council's own register.",
        examples=[[{"scheme": "GB-LAE", "id": "EXA"}]],
    )
    type: Opt[Word] = Field(None, description="What sort of body it is.", examples=["county", "unitary"])
    region: Opt[Word] = Field(None, description="The region that it lies in.", examples=["Wessex"])
    nation: Opt[Word] = Field(None, description="The nation that it lies in.", examples=["England"])
    gss: Opt[Gss] = Field(None, description="The GSS code of its area: a place, never its key.", examples=["E10000099"])
    url: Opt[Url] = Field(None, description="Its web site.", examples=["https://www.exampleshire.example/"])
    location: Opt[Location] = Field(None, description="Where to put it on a map.")
    services: Opt[Many[Url]] = Field(
        None,
        description="The services that it runs, as LGSL addresses.",
        examples=[["http://id.esd.org.uk/service/57"]],
    )
    office: Opt[OrganisationRef] = Field(None, description="The regional or national office that it belongs to.")
    predecessors: Opt[Many[OrganisationRef]] = Field(None, description="The organisations that it took over from.")
    successors: Opt[Many[Successor]] = Field(None, description="The organisations that take over from it, and when.")
    contact: Opt[Contact] = Field(None, description="Whom to ask about its data.")
