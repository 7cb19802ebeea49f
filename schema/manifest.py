"""What a node says about itself at `/.well-known/folkmoot` (docs/protocol.md, "Manifest")."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from schema.base import (
    MAX_LINK,
    MAX_LIST,
    Count,
    Epoch,
    Gss,
    Language,
    Many,
    Model,
    Moment,
    Opt,
    Text,
    Title,
    Url,
    Word,
    complain,
)
from schema.codelists import Relation, Role
from schema.errors import Invalid
from schema.faults import invalid
from schema.guard import check_json
from schema.identifiers import canonical_prefix, publisher_id, same_origin
from schema.organisation import Location, Successor
from schema.parts import Contact, Identifier, OrganisationRef

MAX_MANIFEST = 4 * 1024 * 1024
"""A manifest holds every publisher of a node, so it may be larger than a record."""


def _prefix(value: str) -> str:
    try:
        return canonical_prefix(value)
    except Invalid as error:
        raise complain(error) from error


KindName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,39}$")]
Prefix = Annotated[
    str,
    StringConstraints(max_length=MAX_LINK),
    AfterValidator(_prefix),
    Field(json_schema_extra={"format": "uri", "pattern": "^https?://.+/$"}),
]
Base64Url = Annotated[str, StringConstraints(max_length=4_000, pattern=r"^[A-Za-z0-9_-]+$")]


class ManifestPublisher(Model):
    """A body that the node publishes for; made from its organisation record, which is the truth."""

    name: Title = Field(description="What it is called.", examples=["Exampleshire County Council"])
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_LIST)] = Field(
        description="Its codes in registers; the first names it as a publisher.",
        examples=[[{"scheme": "GB-LAE", "id": "EXA"}]],
    )
    id_prefix: Prefix = Field(
        description="What all ids of its records begin with.",
        examples=["https://moot.exampleshire.example/id/GB-LAE-EXA/"],
    )
    relation: Opt[Relation] = Field(None, description="Whether it runs this node itself.", examples=["own"])
    type: Opt[Word] = Field(None, description="What sort of body it is.", examples=["county"])
    region: Opt[Word] = Field(None, description="The region that it lies in.", examples=["Wessex"])
    nation: Opt[Word] = Field(None, description="The nation that it lies in.", examples=["England"])
    gss: Opt[Gss] = Field(None, description="The GSS code of its area.", examples=["E10000099"])
    url: Opt[Url] = Field(None, description="Its web site.")
    location: Opt[Location] = Field(None, description="Where to put it on a map.")
    office: Opt[OrganisationRef] = Field(None, description="The office that it belongs to.")
    predecessors: Opt[Many[OrganisationRef]] = Field(None, description="The organisations that it took over from.")
    successors: Opt[Many[Successor]] = Field(None, description="The organisations that take over from it, and when.")

    @property
    def publisher_id(self) -> str:
        """The publisher id, such as `GB-LAE-EXA`. Raises `Invalid` where the first identifier cannot be one."""
        return publisher_id(self.identifiers[0].scheme, self.identifiers[0].id)


class Tombstones(Model):
    """How long tombstones are kept."""

    policy: Word = Field(description="persistent: for ever; expiring: for a number of days.", examples=["persistent"])
    days: Opt[Count] = Field(None, description="How many days, never under 365.", examples=[365])


class Feed(Model):
    """A change feed of the node."""

    url: Url = Field(
        description="Its first page, without a number.", examples=["https://moot.exampleshire.example/v1/changes"]
    )
    protocol: Literal["rpde"] = Field(description="OpenActive Realtime Paged Data Exchange.", examples=["rpde"])
    version: Opt[Word] = Field(None, description="Of that protocol.", examples=["1.0"])
    ordering: Literal["changeNumber"] = Field(description="How its items are ordered.", examples=["changeNumber"])
    kinds: Opt[Many[KindName]] = Field(None, description="The kinds of records in it.", examples=[["contract"]])
    tombstones: Opt[Tombstones] = Field(None, description="How long tombstones are kept.")
    min_poll_seconds: Opt[Count] = Field(None, description="How long to wait between two visits.", examples=[300])
    layout: Opt[Literal["files"]] = Field(None, description="files: its pages are plain files.")


class BulkFile(Model):
    """All records of a kind in one file, complete up to a change number."""

    kind: KindName = Field(description="The kind of its records.", examples=["contract"])
    format: Word = Field(description="The format, as `format=` names it.", examples=["ndjson"])
    media_type: Opt[Word] = Field(None, description="Its media type.", examples=["application/x-ndjson"])
    url: Url = Field(
        description="Where it is.", examples=["https://moot.exampleshire.example/v1/bulk/contracts.ndjson"]
    )
    change_number: Opt[Count] = Field(None, description="Complete up to this change.", examples=[1454])
    count: Opt[Count] = Field(None, description="How many records.", examples=[312])
    bytes: Opt[Count] = Field(None, description="How large.", examples=[401223])
    sha256: Opt[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(
        None, description="Its SHA-256, in lower-case hex."
    )


class Endorsement(Model):
    """A signature by an older key over this one."""

    kid: Word = Field(description="The older key.", examples=["2026-1"])
    sig: Base64Url = Field(description="Its signature over the canonical JWK.")


class Key(Model):
    """A public key that signs the node's records, as a JWK."""

    kty: Literal["OKP"] = Field(description="The key's family.", examples=["OKP"])
    crv: Literal["Ed25519"] = Field(description="The curve.", examples=["Ed25519"])
    kid: Word = Field(description="The key's name.", examples=["2026-1"])
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")] = Field(
        description="The public key, 32 bytes in base64url."
    )
    use: Opt[Literal["sig"]] = Field(None, description="What it is for.", examples=["sig"])
    exp: Opt[Moment] = Field(None, description="When it was retired.")
    revoked: Opt[Moment] = Field(None, description="Since when it verifies nothing.")
    reason: Opt[Text] = Field(None, description="Why it was revoked.")
    endorsement: Opt[Endorsement] = Field(None, description="The word of an older key for this one.")


class Software(Model):
    """What the node runs."""

    name: Word = Field(description="Its name.", examples=["folkmoot"])
    version: Opt[Word] = Field(None, description="Its version.", examples=["0.1.0"])


class Webhook(Model):
    """Where the node's people want to be told of problems (Standard Webhooks)."""

    url: Url = Field(description="It takes POST.", examples=["https://moot.exampleshire.example/hooks/folkmoot"])


class WebhookKeys(Model):
    """With what an aggregator signs the webhooks that it sends."""

    public_keys: Annotated[list[Word], Field(min_length=1, max_length=MAX_LIST)] = Field(
        description="Ed25519 public keys as Standard Webhooks writes them; a signature by any of them is good.",
        examples=[["whpk_MCowBQYDK2VwAyEA"]],
    )


class Manifest(Model):
    """What a node says about itself."""

    folkmoot: Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{1,4}$")] = Field(
        description="Version of the protocol.", examples=["1.0"]
    )
    role: Role = Field(description="Whether it publishes for itself alone.", examples=["node"])
    id: Url = Field(
        description="The manifest's own address: the node's identity everywhere.",
        examples=["https://moot.exampleshire.example/.well-known/folkmoot"],
    )
    epoch: Opt[Epoch] = Field(None, description="Changes when the log was made anew.", examples=["k3v9x2"])
    publishers: Annotated[list[ManifestPublisher], Field(min_length=1, max_length=10_000)] = Field(
        description="The bodies that it publishes for."
    )
    feeds: Annotated[list[Feed], Field(min_length=1, max_length=MAX_LIST)] = Field(description="Its change feeds.")
    contact: Opt[Contact] = Field(None, description="The team that runs it.")
    license: Opt[Url] = Field(
        None,
        description="The licence of the data.",
        examples=["https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"],
    )
    languages: Opt[Many[Language]] = Field(None, description="The languages of the data.", examples=[["en"]])
    update_frequency: Opt[Word] = Field(
        None, description="How often it promises to look after the data.", examples=["P1D"]
    )
    bulk: Opt[Many[BulkFile]] = Field(None, description="Whole kinds as files.")
    openapi: Opt[Url] = Field(None, description="The description of its API.")
    keys: Opt[Many[Key]] = Field(None, description="The keys that sign its records, retired ones too.")
    software: Opt[Software] = Field(None, description="What it runs.")
    members: Opt[Url] = Field(None, description="An aggregator's list of the nodes that it crawls.")
    webhook: Opt[Webhook] = Field(None, description="Where aggregators tell of problems that they find here.")
    webhooks: Opt[WebhookKeys] = Field(None, description="With what an aggregator signs its webhooks.")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Check a manifest that came from elsewhere. Raises `Invalid` with one fault a place."""
        check_json(data, limit=MAX_MANIFEST)
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise invalid(error) from error

    def foreign_prefixes(self) -> list[str]:
        """Prefixes that do not lie on the manifest's own origin: taken only where an operator grants them."""
        return [p.id_prefix for p in self.publishers if not same_origin(p.id_prefix, self.id)]
