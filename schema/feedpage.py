"""The page of a change feed as a description for JSON Schema and OpenAPI (docs/protocol.md, "Change feed").

For describing only: pages are read and written as bytes by `schema/change.py`, never through these models.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from schema.base import Count, Model, Moment, Opt, RecordLink, Url, Word
from schema.codelists import TombstoneReason
from schema.manifest import KindName


class ItemOrigin(Model):
    """The node where the record was first published, and as which of its changes."""

    node: Url = Field(
        description="The node's identity: its manifest's address.",
        examples=["https://moot.exampleshire.example/.well-known/folkmoot"],
    )
    publisher: Word = Field(description="The publisher id.", examples=["GB-LAE-EXA"])
    seq: Count = Field(description="The origin's own change number.", examples=[1453])
    time: Moment = Field(description="When the origin published it.", examples=["2026-11-02T09:00:00Z"])
    sig: Opt[Annotated[str, Field(max_length=4_000)]] = Field(
        None, description="Detached JWS over the canonical record.", examples=["eyJ..Xw"]
    )


class ItemVia(Model):
    """An aggregator that the record passed."""

    node: Url = Field(
        description="The aggregator's identity.", examples=["https://moot.wessex.example/.well-known/folkmoot"]
    )
    harvested: Moment = Field(description="When it took the record.", examples=["2026-11-02T09:10:00Z"])


class _Item(Model):
    kind: KindName = Field(description="The kind of record.", examples=["contract"])
    id: RecordLink = Field(
        description="The record's id.",
        examples=["https://moot.exampleshire.example/id/GB-LAE-EXA/contract/EXA-C-2026-0001"],
    )
    modified: Count = Field(description="The change number.", examples=[1453])
    origin: ItemOrigin = Field(description="Where it was first published.")
    via: Opt[Annotated[list[ItemVia], Field(max_length=8)]] = Field(None, description="The aggregators it passed.")


class UpdatedItem(_Item):
    """A record as it is now."""

    state: Literal["updated"] = Field(description="updated", examples=["updated"])
    data: dict[str, Any] = Field(
        description="The record.", examples=[{"reference": "EXA-C-2026-0001", "title": "Planning system"}]
    )


class DeletedItem(_Item):
    """A tombstone: the record is gone, and why."""

    state: Literal["deleted"] = Field(description="deleted", examples=["deleted"])
    reason: TombstoneReason = Field(description="Why it is gone.", examples=["error"])
    moved_to: Opt[RecordLink] = Field(None, description="The id that it stands under now (reason moved).")


class FeedPage(Model):
    """One page of the change feed."""

    next: Url = Field(
        description="The next page; itself at the end of the feed.",
        examples=["https://moot.exampleshire.example/v1/changes?afterChangeNumber=1454"],
    )
    items: Annotated[
        list[Annotated[UpdatedItem | DeletedItem, Field(discriminator="state")]], Field(max_length=1_000)
    ] = Field(description="Changes, by rising change number; empty at the end of the feed.")
    license: Url = Field(
        description="The licence of the data.",
        examples=["https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"],
    )
    epoch: Opt[Word] = Field(None, description="The epoch of the node's log.", examples=["k3v9x2"])
    latest: Opt[Count] = Field(
        None, description="The highest change number of the log; only on the last page.", examples=[1454]
    )
