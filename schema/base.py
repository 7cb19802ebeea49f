"""The grammar that all records share: strict types, bounds on every text and list, unknown members kept."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

from schema.errors import Invalid
from schema.identifiers import MAX_REFERENCE, canonical_reference

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NUMBER = 2**53 - 1
MAX_TITLE = 500
MAX_TEXT = 20_000
MAX_URL = 2_000
MAX_LINK = 4_000
MAX_LIST = 1_000

T = TypeVar("T")


class Model(BaseModel):
    """Anything in a record: strict, camelCase on the wire, unknown members kept and passed on."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        allow_inf_nan=False,
        regex_engine="rust-regex",
        protected_namespaces=(),
        defer_build=True,  # a model is built when a record is first held against it: a server may never do so
    )

    def wire(self) -> dict[str, Any]:
        """Give the members as they stand in JSON, unknown ones included, absent ones left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Record(Model):
    """One thing published. `kind` is its type, as the feed names it."""

    kind: ClassVar[str] = ""

    @property
    def label(self) -> str:
        """What a person would call it: its title, its name, else its reference."""
        for member in ("title", "name", "reference"):
            value = getattr(self, member, None)
            if isinstance(value, str):
                return value
        return ""


class Unknown(Record):
    """A record of a kind that this version does not know: kept and passed on, not indexed."""


class Present:
    """Lets the member be left out but not be null: absence has one spelling."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: dict[str, Any] = dict(handler(source))
        if schema["type"] != "nullable":
            raise TypeError(f"Opt wraps an optional type, not {source}")
        inner: CoreSchema = schema["schema"]
        return inner


Opt = Annotated[T | None, Present()]


def complain(error: Invalid) -> PydanticCustomError:
    """Hand a fault on to pydantic, which knows where it stands. `at` is the pointer below that place."""
    fault = error.faults[0]
    context = {"sentence": fault.message, "at": fault.pointer, "found": fault.found, "expected": fault.expected}
    return PydanticCustomError("folkmoot", "{sentence}", context)


def _reference(value: str) -> str:
    try:
        canonical_reference(value)
    except Invalid as error:
        raise complain(error) from error
    return value


def integral(value: Any) -> Any:
    """Read 1451.0 as the integer that JSON Schema says it is."""
    return int(value) if type(value) is float and value.is_integer() else value


_URL = r"^https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?#][^\x00-\x20\x7f<>\"\\]*)?$"


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        context = {"sentence": "There is no such time.", "expected": "a time such as 2026-11-02T09:00:00Z", "at": ""}
        raise PydanticCustomError("folkmoot", "{sentence}", context) from error
    return value


LINE = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE, pattern=LINE)]
"""One line that names something."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
"""A short code or label."""
Epoch = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
"""What tells one making of a log from another."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=LINES)]
"""Prose: the only texts that may hold tabs and line breaks."""
Reference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_REFERENCE, pattern=LINE),
    Field(json_schema_extra={"not": {"enum": [".", ".."]}}),
    AfterValidator(_reference),
]
"""The publisher's own reference, from which the id is made."""
Url = Annotated[str, StringConstraints(max_length=MAX_URL, pattern=_URL), Field(json_schema_extra={"format": "uri"})]
"""A page on the web: http or https, with a host."""
RecordLink = Annotated[
    str, StringConstraints(max_length=MAX_LINK, pattern=_URL), Field(json_schema_extra={"format": "uri"})
]
"""The id of another record. An id may be longer than a page's address, for its reference is percent-encoded."""
PublisherLink = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LINK, pattern=LINE)]
"""A publisher id such as GB-LAE-EXA (a council that is yet to come has no record), or the id of its record."""
Scheme = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,39}$")]
"""The name of a register of organisations."""
Email = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}$")
]
"""A mailbox of a team or a role, never of a person."""
Gss = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{8}$")]
"""A GSS code: a place, never an organisation."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""
Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$")]
"""A BCP 47 language tag."""
Money = Annotated[float, Field(ge=-1e15, le=1e15)]
"""An amount. A negative one is told as a warning by the import, not refused here."""
Count = Annotated[int, Field(ge=0, le=MAX_NUMBER), BeforeValidator(integral)]
"""How many."""
Date = date
"""A calendar date, ISO 8601."""
Moment = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z$"),
    Field(json_schema_extra={"format": "date-time"}),
    AfterValidator(_moment),
]
"""A time in UTC, with Z."""

Many = Annotated[list[T], Field(max_length=MAX_LIST)]
"""A list, bounded."""
