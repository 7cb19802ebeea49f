"""What a route may ask for. A GET can only ask for `Read`; `Write` commits before the reply is sent."""

from collections.abc import Iterator
from typing import Annotated

import structlog
from fastapi import Depends, Request

from api.problems import name_of
from api.services import Services
from federation import outages, tokens
from federation.database import ReadSession, WriteSession
from federation.tokens import OutOfReach

log = structlog.get_logger("folkmoot.http")


async def services(request: Request) -> Services:
    """The services that `create_app` was given. Asynchronous, for FastAPI gives all else a thread for each call."""
    found: Services = request.app.state.services
    return found


Here = Annotated[Services, Depends(services)]


def read_session(here: Here) -> Iterator[ReadSession]:
    """A session that cannot write."""
    with here.database.read() as session:
        yield session


def current_session(here: Here) -> Iterator[ReadSession]:
    """A session that cannot write, for what the asker may have written a moment ago: never of a replica."""
    with here.database.present() as session:
        yield session


def write_session(request: Request, here: Here) -> Iterator[WriteSession]:
    """One request, one transaction: committed when the route returns, rolled back when it raises.

    That a token reached too far is noted in one of its own.
    """
    try:
        with here.database.write() as session:
            yield session
    except OutOfReach as error:
        _note(request, here, error)
        raise
    here.follower.nudge()


def _note(request: Request, here: Services, error: OutOfReach) -> None:
    """Note that a token reached too far. Where the database takes no note the asker is told the same."""
    try:
        with here.database.write() as session:
            tokens.barred(session, error, here.now(), request=name_of(request.scope))
    except Exception as fault:
        if not outages.is_fault(fault):
            raise
        log.warning(
            "a token that reached too far is not noted", token=error.grant.token_id, error=outages.sentence(fault)
        )


# scope="function": by default FastAPI would commit after the reply, and a failed commit would still answer 201.
Read = Annotated[ReadSession, Depends(read_session, scope="function")]
Current = Annotated[ReadSession, Depends(current_session, scope="function")]
Write = Annotated[WriteSession, Depends(write_session, scope="function")]
