"""Hold any node to the rules: asked for here, done by a worker, read at its own address (protocol section 6)."""

from math import ceil
from typing import Annotated, Any

import orjson
from fastapi import Path, Request
from pydantic import ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from starlette.responses import Response

from api.bodies import JSON, JsonBody
from api.deps import Current, Here
from api.limits import Limits
from api.services import Services
from api.shapes import Shape
from api.strict import strict_router
from federation import examining
from schema.errors import Fault, Hurried, Invalid, Malformed
from schema.faults import invalid

router = strict_router(tags=["Nodes"])
AN_HOUR = 30
"""How many checks one address may ask for within an hour."""
AN_ADDRESS = 2
"""How many that one address asked for may wait at a time: the queue is there for all."""
A_WHILE = 30
_WHEN: JsonDict = {"format": "date-time"}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_MANY: dict[int | str, dict[str, Any]] = {
    429: {
        "description": "Many nodes wait to be looked at, or too many were asked for within the hour.",
        "content": _PROBLEM,
    }
}


class CheckAsked(Shape):
    """The node that is to be looked at."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    url: str = Field(
        max_length=examining.MAX_URL,
        pattern=examining.ADDRESS,
        description="The node's address, or that of its manifest.",
        examples=["https://moot.exampleshire.example"],
    )
    aggregator: bool = Field(False, description="Whether it is to be taken as an aggregator, with others' records.")


class CheckTaken(Shape):
    """Where to ask how it goes."""

    id: str
    state: str = Field(examples=["queued"])
    status: str = Field(description="The address of the check.", json_schema_extra={"format": "uri"})


class RuleFound(Shape):
    """What one rule found."""

    rule: str = Field(examples=["id-prefix"])
    severity: str = Field(description="error or warning.", examples=["error"])
    gate: bool = Field(description="Whether a node that breaks it is kept out.")
    kept: bool
    found: str = Field(description="What is wrong; empty where the rule is kept.")
    standard: str = Field(examples=["OpenActive RPDE 1.0"])
    section: str = Field(examples=["Paging, core concept"])
    advice: str = Field(description="What to do about a breach.")


class PlaceFound(Shape):
    """One place at which a rule is broken."""

    rule: str
    severity: str
    pointer: str = Field(description="A JSON pointer into the item, the page or the manifest.")
    recordId: str | None = Field(description="The record's id; its beginning, where it is long.")  # noqa: N815 - the wire's
    message: str
    advice: str


class CheckReport(Shape):
    """What was read and what each rule found that could be asked."""

    url: str
    key: str | None
    name: str | None
    role: str | None
    publishers: list[str] = Field(description="The first hundred of those whose prefixes are good.")
    publisherCount: int = Field(description="How many there are in all.")  # noqa: N815
    pagesRead: int  # noqa: N815
    itemsRead: int  # noqa: N815
    passed: bool = Field(description="Whether it was looked at, and no rule is broken that keeps a node out.")
    unseen: str = Field("", description="Why nothing was looked at, and no rule is told of; else empty.")
    rules: list[RuleFound]
    problems: list[PlaceFound] = Field(description="The first hundred places, fewer where they are long.")
    problemCount: int = Field(description="How many there are in all.")  # noqa: N815


class CheckStatus(Shape):
    """How a check goes."""

    id: str
    state: str = Field(description="queued, running or done.", examples=["done"])
    url: str
    aggregator: bool
    created: str = Field(json_schema_extra=_WHEN)
    started: str = Field("", json_schema_extra=_WHEN)
    finished: str = Field("", json_schema_extra=_WHEN)
    report: CheckReport | None
    node: str | None = Field(description="The key of the node, where it is among those that are crawled here.")


_BODY: dict[str, Any] = {"required": True, "content": {JSON: {"schema": CheckAsked.model_json_schema()}}}


@router.post(
    "/v1/check",
    status_code=202,
    operation_id="createCheck",
    summary="Hold a node to the rules",
    response_class=Response,
    responses={202: {"model": CheckTaken, "description": "Taken. `Location` and `status` are where to ask."}, **_MANY},
    openapi_extra={"requestBody": _BODY},
)
def create_check(request: Request, body: JsonBody, here: Here) -> Response:
    """Take the address of a node, to be held to every rule by a worker. Anybody may ask; nothing of it is published.

    The same address is looked at once a minute at most: who asks again is given the check that was just made. One
    client may ask for 30 new ones within an hour, and for two at a time.
    """
    asked = _asked(body)
    url = examining.address(asked.url)
    made = ask(request, here, url, aggregator=asked.aggregator)
    url = f"{here.public_url}/v1/check/{made}"
    told = {"id": made, "state": "queued", "status": url}
    return Response(orjson.dumps(told), 202, {"Location": url, "Cache-Control": "no-store"}, JSON)


@router.get(
    "/v1/check/{id}",
    operation_id="getCheck",
    summary="Ask how a check goes",
    response_class=Response,
    responses={200: {"model": CheckStatus, "description": "Its state, and its report once it is done."}},
)
def get_check(
    id: Annotated[str, Path(max_length=40, description="The check's id.")],  # noqa: A002  the protocol's own word
    session: Current,
) -> Response:
    """Give what each rule found, with the section of the standard that asks for it, and what to do."""
    told = examining.status(session, id)
    wait = {} if "finished" in told else {"Retry-After": "1"}
    return Response(orjson.dumps(told), headers={"Cache-Control": "no-store", **wait}, media_type=JSON)


def ask(request: Request, here: Services, url: str, *, aggregator: bool) -> str:
    """The id of a check of this address: the last one where it is not a minute old, else a new one.

    Whoever writes waits, in a thread of the server, until others have written: so what can be said without writing is,
    and of those who must write all but a few are told to come back. Raises `Hurried`, and `Busy`.
    """
    now, state, looks = here.now(), request.app.state, request.app.state.looks
    known = state.askers.known()
    with here.database.present() as reading:
        found = examining.recent(reading, url, aggregator=aggregator, now=now)
        over = known - set(examining.unfinished(reading, now))
    if found is not None:
        return found
    who = looks.who(request.scope) if looks.most else None
    with state.askers.one_more(who, AN_ADDRESS, A_WHILE, over=over) as named, state.asking.take():
        _count(request)
        with here.database.write() as session:
            made = examining.ask(session, url, aggregator=aggregator, now=now)
        named.append(made)
    return made


def _count(request: Request) -> None:
    """Count a new check against who asks for it. Raises `Hurried`: each is a few requests to somebody else's server."""
    looks: Limits = request.app.state.looks
    standing = looks.address(request.scope)
    if standing is not None and standing.refused:
        told = f"{AN_HOUR} checks within an hour were asked for from this address."
        wait = f"Ask for the next in {ceil(standing.seconds / 60)} min."
        raise Hurried(standing.policy, standing.seconds, f"{told} {wait}")


def _asked(body: bytes) -> CheckAsked:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Invalid([Fault("", "It is not an object.", None, "an object with url")])
    try:
        return CheckAsked.model_validate(found)
    except ValidationError as error:
        raise invalid(error) from error
