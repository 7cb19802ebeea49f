"""What lists look like, for the API's description. Lists are sent as joined bytes and never pass through these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schema.codelists import Kind
from schema.feedpage import ItemOrigin, ItemVia


class Shape(BaseModel):
    """A part of an answer as it is described: it is built for the description, not when a server starts."""

    model_config = ConfigDict(defer_build=True)


class Highlight(Shape):
    """Where the words of a query stand in a member of the record. The text is plain: escape it in HTML."""

    field: str = Field(description="The member.", examples=["title"])
    text: str = Field(description="Its text, or the part around the first match.", examples=["Parking enforcement"])
    matches: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        description="From and to, in characters of `text`.", examples=[[[0, 7]]]
    )


class ListItem(Shape):
    """A record in a list."""

    id: str = Field(description="The record's id, where it can also be read.")
    kind: Kind = Field(description="What it is.")
    data: dict[str, Any] = Field(description="The record, as its kind's schema says.")
    origin: ItemOrigin = Field(description="Where it was first published.")
    via: list[ItemVia] = Field(default=[], description="The aggregators that it passed.")
    signature: Literal["valid", "absent", "invalid", "unknown-key"] = Field(description="What its signature says.")
    marks: list[Literal["stale", "removal-held", "unofficial", "vouched", "retired"]] = Field(
        default=[], description="What to know about it."
    )
    highlight: list[Highlight] = Field(default=[], description="Where the words of the query stand in it.")


class Count(Shape):
    """How many records match."""

    value: int = Field(ge=0, examples=[42])
    exact: bool = Field(examples=[True])


class FacetItem(Shape):
    """One value of a facet."""

    value: str = Field(description="What to filter by.", examples=["GB-LAE-EXA"])
    label: str = Field(description="What to call it.", examples=["Exampleshire County Council"])
    count: int = Field(ge=0, description="How many records have it.", examples=[12])


class Facet(Shape):
    """The commonest values among what matches, the filter of this facet itself left out."""

    items: list[FacetItem]
    other: int = Field(ge=0, description="How often values occur that are not named.", examples=[0])
    exact: bool = Field(examples=[True])


class RecordList(Shape):
    """A page of records."""

    items: list[ListItem]
    next: str | None = Field(description="Where the next page is; null on the last.")
    count: Count
    facets: dict[str, Facet] = Field(default={}, description="Only where they were asked for.")


class PublisherItem(Shape):
    """A publisher, as its own organisation record tells of it."""

    id: str = Field(description="The publisher id.", examples=["GB-LAE-EXA"])
    name: str = Field(examples=["Exampleshire County Council"])
    record: str = Field(description="The id of its organisation record.")
    organisation: dict[str, Any] = Field(description="The data of its organisation record.")
    node: str = Field(description="The node where it publishes: its manifest's address.")
    records: dict[str, int] = Field(description="How many live records of each kind are held.", examples=[{"tool": 3}])


class PublisherList(Shape):
    """A page of publishers."""

    items: list[PublisherItem]
    next: str | None = Field(description="Where the next page is; null on the last.")
    count: Count
