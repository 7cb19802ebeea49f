"""The closed lists of codes, each code with its meaning. A list that is open (texts, LGA words) is not here.

The `Literal` is what a record may hold; the dictionary beside it is what a page or a form shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["organisation", "roadmap-item", "contract", "tool", "asset", "skill"]
KIND_MEANINGS: Mapping[str, str] = {
    "organisation": "a council or an office that publishes",
    "roadmap-item": "a piece of digital work that is planned, under way or done",
    "contract": "an agreement with a supplier, from pipeline to its end",
    "tool": "a product that the organisation uses",
    "asset": "something made that others may use again",
    "skill": "something that people here can do, teach or are looking for",
}

Phase = Literal["idea", "discovery", "alpha", "beta", "private-beta", "public-beta", "live", "retiring", "retired"]
PHASES: Mapping[str, str] = {
    "idea": "not begun; a need that someone has seen",
    "discovery": "finding out what users need",
    "alpha": "trying different ways of meeting the need",
    "beta": "building it, with real users",
    "private-beta": "in use by invited users",
    "public-beta": "open to all and still being improved",
    "live": "in full use",
    "retiring": "still in use, but it will be switched off",
    "retired": "switched off",
}

Status = Literal["proposed", "planned", "active", "paused", "completed", "cancelled"]
STATUSES: Mapping[str, str] = {
    "proposed": "someone has asked for it",
    "planned": "agreed, not begun",
    "active": "being worked on",
    "paused": "stopped for now",
    "completed": "done",
    "cancelled": "will not be done",
}

Collaboration = Literal["none", "share-ideas", "open-to-conversation", "seeking-partners", "share-funding"]
COLLABORATIONS: Mapping[str, str] = {
    "none": "not looking for others",
    "share-ideas": "glad to swap notes",
    "open-to-conversation": "open to talking about working together",
    "seeking-partners": "looking for councils to do it with",
    "share-funding": "looking for councils to pay for it with",
}

Stage = Literal["pipeline", "tender", "active", "ended", "terminated"]
STAGES: Mapping[str, str] = {
    "pipeline": "planned, not yet advertised",
    "tender": "advertised, not yet awarded",
    "active": "signed and running",
    "ended": "ran to its end",
    "terminated": "stopped before its end",
}

SIGNATURES: Mapping[str, str] = {
    "valid": "signed by a key of its origin",
    "absent": "not signed",
    "invalid": "signed by a key that was revoked since",
    "unknown-key": "signed by a key that its origin does not publish",
}

Basis = Literal["total", "annual"]
BASES: Mapping[str, str] = {
    "total": "over the whole length of the contract",
    "annual": "for each year",
}

ClassificationScheme = Literal["CPV", "Proclass", "local"]
CLASSIFICATION_SCHEMES: Mapping[str, str] = {
    "CPV": "Common Procurement Vocabulary 2008, 8 digits",
    "Proclass": "ProClass, the classification of UK local government procurement",
    "local": "the organisation's own categories",
}

NoticeType = Literal[
    "UK1", "UK2", "UK3", "UK4", "UK5", "UK6", "UK7", "UK8", "UK9",
    "UK10", "UK11", "UK12", "UK13", "UK14", "UK15", "UK16", "UK17",
]  # fmt: skip
NOTICE_TYPES: Mapping[str, str] = {
    "UK1": "pipeline notice",
    "UK2": "preliminary market engagement notice",
    "UK3": "planned procurement notice",
    "UK4": "tender notice",
    "UK5": "transparency notice",
    "UK6": "contract award notice",
    "UK7": "contract details notice",
    "UK8": "contract payment notice",
    "UK9": "contract performance notice",
    "UK10": "contract change notice",
    "UK11": "contract termination notice",
    "UK12": "procurement termination notice",
    "UK13": "dynamic market intention notice",
    "UK14": "dynamic market establishment notice",
    "UK15": "dynamic market modification notice",
    "UK16": "dynamic market cessation notice",
    "UK17": "payments compliance notice",
}

AssetType = Literal["code", "pattern", "research", "template", "dataset", "method"]
ASSET_TYPES: Mapping[str, str] = {
    "code": "software with its source",
    "pattern": "a tried way of designing a service",
    "research": "what was learned from users or a market",
    "template": "a document to fill in: a specification, a business case, an assessment",
    "dataset": "data that others may use",
    "method": "a way of working that others may follow",
}

Offer = Literal["training", "secondment", "advice"]
OFFERS: Mapping[str, str] = {
    "training": "teaching it",
    "secondment": "people on loan",
    "advice": "a conversation, a review",
}

Relation = Literal["own", "hosted", "unofficial"]
RELATIONS: Mapping[str, str] = {
    "own": "the publisher runs this node",
    "hosted": "another body runs it on the publisher's behalf",
    "unofficial": "someone else gathered the publisher's data; it did not ask for it",
}

Role = Literal["node", "aggregator"]
ROLES: Mapping[str, str] = {
    "node": "publishes for itself alone",
    "aggregator": "also crawls other nodes and publishes what it found",
}

TombstoneReason = Literal["ended", "error", "personal-data", "moved", "withdrawn", "dropped"]
TOMBSTONE_REASONS: Mapping[str, str] = {
    "ended": "it is over and no longer kept here",
    "error": "it should not have been published",
    "personal-data": "it held personal data; whoever holds a copy erases it",
    "moved": "it stands under another id now, told in movedTo",
    "withdrawn": "the publisher took it back",
    "dropped": "a relay no longer carries it; the origin still may",
}
