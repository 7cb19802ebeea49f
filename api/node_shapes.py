"""What is told of a node, for the API's description (protocol section 5, and what stands beside it)."""

from typing import Any

from pydantic import Field
from pydantic.config import JsonDict

from api.shapes import Count, Shape


class NodeProblem(Shape):
    """Something that the node's publisher should mend."""

    rule: str = Field(description="The rule that was broken.", examples=["id-prefix"])
    severity: str = Field(description="error or warning.", examples=["error"])
    pointer: str = Field(description="Where: a JSON pointer into the item or page.", examples=["/data/title"])
    recordId: str | None = Field(description="The record; `*` for many; null for the feed.")  # noqa: N815 - the wire's
    message: str = Field(description="What was found and what was expected.")
    count: int = Field(description="How often it was met.")
    firstSeen: str = Field(description="When first.", json_schema_extra={"format": "date-time"})  # noqa: N815
    lastSeen: str = Field(description="When last.", json_schema_extra={"format": "date-time"})  # noqa: N815


_WHEN: JsonDict = {"format": "date-time"}


class Visits(Shape):
    """How often the node was visited, and what was fetched."""

    all: int = Field(description="Visits since it was counted.")
    good: int = Field(description="Those that ended without a fault.")
    pages: int = Field(description="Pages that were read.")


class LastReport(Shape):
    """What the last visit came to."""

    at: str = Field(json_schema_extra=_WHEN)
    outcome: str = Field(description="ended, budget (it goes on at once) or failed.", examples=["ended"])
    pages: int = Field(description="Pages that were read.")
    accepted: int
    refused: int
    dropped: int = Field(description="Items that came back to us in a loop.")
    created: int
    updated: int
    deleted: int
    unchanged: int
    latencyMs: int | None = Field(None, description="How long the last page took.")  # noqa: N815
    error: str | None = Field(None, description="Why it failed.")


class QualityParts(Shape):
    """The shares that make up `quality`, each from 0 to 1; null where nothing can be said yet."""

    accepted: float | None = Field(description="Of the items that were read, those that were accepted.")
    availability: float | None = Field(description="Of the last visits, those that went well; the latest count most.")
    completeness: float | None = Field(description="Of what readers look for first in a record, what is there.")
    freshness: float | None = Field(description="The promised time as a share of that since the last change.")
    released: float | None = Field(description="Of the live records, those whose removal is not held.")


class WebhookState(Shape):
    """How the webhook that the node names in its manifest does."""

    state: str = Field(description="quiet, waiting, retrying or disabled.", examples=["quiet"])
    delivered: int
    failed: int = Field(description="Messages that were given up.")
    lastDelivery: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    lastAnswer: str | None  # noqa: N815


class ProblemCounts(Shape):
    """How many places break a rule: all of them.

    `problems` lists the latest hundred; where one node is asked for a thousand of them, or 1.5 MB.
    """

    error: int
    warning: int


class Withdrawn(Shape):
    """A record that the node took away; with `dropped` its feed, read anew, no longer carried it."""

    id: str
    kind: str
    reason: str | None
    at: str = Field(json_schema_extra=_WHEN)
    movedTo: str | None = Field(None, description="Where it went.")  # noqa: N815


class PinnedKey(Shape):
    """A key that the node is known by."""

    kid: str = Field(description="Its name.", examples=["2026-1"])
    thumbprint: str = Field(description="RFC 7638, to compare with what its people say.")
    since: str = Field(description="Since when it is known here.", json_schema_extra=_WHEN)
    until: str | None = Field(description="When it was retired or revoked.", json_schema_extra=_WHEN)
    revoked: bool = Field(description="Whether it verifies nothing any more.")
    reason: str | None = Field(description="Why it was revoked.")


class NodeItem(Shape):
    """A node, as it was pinned, and how its visits go."""

    key: str = Field(examples=["moot.exampleshire.example"])
    id: str = Field(description="The address of its manifest.")
    name: str = Field(examples=["Exampleshire County Council"])
    role: str = Field(examples=["node"])
    state: str = Field(description="preview, active, held, paused, stale or retired.", examples=["active"])
    publishers: list[dict[str, Any]] = Field(description="For whom it publishes.")
    lastVisit: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    lastGoodVisit: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    nextVisit: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    staleSince: str | None = Field(  # noqa: N815
        description="Since when the last good copy is served.", json_schema_extra=_WHEN
    )
    records: int = Field(description="Live records that are served from it.")
    accepted: int = Field(description="Items accepted, over all visits.")
    refused: int = Field(description="Items refused, over all visits.")
    held: int = Field(description="Removals that wait for a person.")
    behind: int | None = Field(description="Changes not yet taken, where the node says how many there are.")
    latencyMs: int | None = Field(description="How long its last page took.")  # noqa: N815
    signature: str = Field(description="The worst of `signatures`.", examples=["absent"])
    signatures: dict[str, int] = Field(
        description="How many of its live records are valid, absent, unknown-key and invalid.",
        examples=[{"valid": 108, "absent": 0, "unknown-key": 0, "invalid": 0}],
    )
    freshness: str | None = Field(description="When its last change came.", json_schema_extra=_WHEN)
    quality: float | None = Field(description="From 0 to 1, made of `qualityParts`.", examples=[0.982])
    manifest: dict[str, Any] = Field(description="Its manifest, as pinned.")
    keys: list[PinnedKey] = Field(description="Its pinned keys.")
    problems: list[NodeProblem]
    deleted: int = Field(description="Records that it took away.")
    visits: Visits
    failedInARow: int = Field(description="Visits that failed since the last good one.")  # noqa: N815
    lastReport: LastReport | None  # noqa: N815
    freshnessPromised: str | None = Field(  # noqa: N815
        description="updateFrequency of its manifest.", examples=["P1D"]
    )
    freshnessKept: bool | None = Field(description="Whether its last change is not older than that.")  # noqa: N815
    qualityParts: QualityParts  # noqa: N815
    problemCounts: ProblemCounts  # noqa: N815
    webhook: WebhookState | None


class OneNode(NodeItem):
    """A node with the records that it took away last."""

    withdrawn: list[Withdrawn] = Field(description="The latest hundred, the latest first.")


class Pinged(Shape):
    """When the node is visited next."""

    key: str
    nextVisit: str | None = Field(  # noqa: N815
        description="Null for a node that is paused.", json_schema_extra=_WHEN
    )


class NodeList(Shape):
    """A page of nodes."""

    items: list[NodeItem]
    next: str | None = Field(description="Where the next page is; null on the last.")
    count: Count
