"""The parts that several kinds share: who, how much, where to ask, where to read on."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schema.base import (
    LINE,
    Currency,
    Date,
    Email,
    Many,
    Model,
    Money,
    Opt,
    PublisherLink,
    Scheme,
    Text,
    Title,
    Url,
    Word,
    complain,
)
from schema.errors import Invalid
from schema.identifiers import identifier_key, normalise_identifier


class Identifier(Model):
    """A register and the number in it. Two organisations are the same when these are, never by name."""

    scheme: Scheme = Field(
        description="The register, by its org-id list code; any other scheme is accepted.",
        examples=["GB-COH", "GB-LAE"],
    )
    id: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)] = Field(
        description="The number or code in that register.", examples=["01234567", "EXA"]
    )
    legal_name: Opt[Title] = Field(None, description="The name as it stands in the register.")
    uri: Opt[Url] = Field(None, description="A page about it in the register.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            normalise_identifier(self.scheme, self.id)
        except Invalid as error:
            raise complain(error) from error
        return self

    @property
    def key(self) -> str:
        """The one string for this organisation, such as `GB-COH-01234567`."""
        return identifier_key(self.scheme, self.id)


class OrganisationRef(Model):
    """An organisation, mentioned."""

    name: Opt[Title] = Field(None, description="Its name.", examples=["Exampleshire County Council"])
    identifiers: Opt[Many[Identifier]] = Field(None, description="Its numbers in registers.")
    id: Opt[PublisherLink] = Field(
        None, description="Its publisher id, or the id of its own record.", examples=["GB-LAE-EXA"]
    )
    url: Opt[Url] = Field(None, description="Its web site, or the page that identifies it.")


class Partner(OrganisationRef):
    """An organisation that works on it too."""

    role: Opt[Title] = Field(None, description="What it does there.", examples=["lead", "funder"])


class Contact(Model):
    """A team or a role and its mailbox. Never a person: names of people are not published."""

    name: Opt[Title] = Field(None, description="The team or role.", examples=["Digital team"])
    email: Opt[Email] = Field(None, description="A shared mailbox.", examples=["digital@exampleshire.example"])
    url: Opt[Url] = Field(None, description="A page with a form or an address.")


class Link(Model):
    """A page to read on at."""

    rel: Opt[Word] = Field(
        None, description="What the page is to this record.", examples=["blog", "repository", "service"]
    )
    url: Url = Field(description="Its address.", examples=["https://www.exampleshire.example/digital/planning"])
    title: Opt[Title] = Field(None, description="What to call it.")


class Benefit(Model):
    """What it brings, expected or realised."""

    kind: Opt[Word] = Field(None, description="What sort of benefit.", examples=["saving", "time", "quality"])
    amount: Opt[Money] = Field(None, description="How much, where it can be told in money.", examples=[40000])
    currency: Opt[Currency] = Field(None, description="ISO 4217 code of the amount.", examples=["GBP"])
    realised: Opt[bool] = Field(None, description="Whether it has come about, rather than being hoped for.")
    evidence: Opt[Text] = Field(None, description="How one knows: a sentence or an address.")


class Framework(Model):
    """The framework agreement that the contract was called off from."""

    id: Opt[Title] = Field(None, description="Its reference.", examples=["RM6263"])
    name: Opt[Title] = Field(None, description="Its name.", examples=["Digital Specialists and Programmes"])


class Withheld(Model):
    """A member that is left out on purpose."""

    field: Title = Field(description="The member, as a path of names.", examples=["value.amount"])
    reason: Text = Field(description="Why it is left out.", examples=["Commercially confidential (FOIA section 43)"])
    until: Opt[Date] = Field(None, description="When it will be published.", examples=["2027-04-01"])
