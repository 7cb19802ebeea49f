"""Who asks: a bearer token, checked before a body is read or a writer is let in."""

from typing import Annotated

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.deps import Here
from api.limits import STANDINGS, TOKENS, Limits
from api.services import Services
from federation import tokens
from federation.database import DatabaseFault
from federation.tokens import Grant
from schema.errors import BadToken, Unauthorised

log = structlog.get_logger("folkmoot.auth")

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of this node (`folkmoot token create`): for one publisher and the kinds that it names.",
)


def caller(
    request: Request, here: Here, sent: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Grant:
    """What the bearer may do, as often as a token may. Raises `Unauthorised`, `Hurried`.

    Reads in a session of its own, ended before the route begins, and notes the day of a use that only reads.
    """
    if sent is None:
        raise Unauthorised("Send a token: 'Authorization: Bearer fmt_...'.")
    try:
        with here.database.present() as session:
            grant = tokens.check(session, sent.credentials, here.now())
    except BadToken as error:
        log.warning("token refused", why=error.detail)
        raise
    request.scope.get(TOKENS, []).append(grant.token_id)
    limits: Limits = request.app.state.limits
    standing = limits.token(grant.token_id)
    if standing is not None:
        request.scope.get(STANDINGS, []).append(standing)
        standing.check()
    if request.method == "GET":  # who writes is noted with what is written
        _note(here, grant)
    return grant


def _note(here: Services, grant: Grant) -> None:
    """Remember that a token was used today to read. What was asked is answered though that cannot be written."""
    now = here.now()
    if tokens.unnoted(grant, now):
        try:
            with here.database.write() as session:
                tokens.used(session, grant, now)
        except DatabaseFault as error:
            log.warning("use of a token cannot be noted", token=grant.token_id, error=str(error.__cause__ or error))


# Stands first among a route's parameters: FastAPI solves them in order, so that who has no token holds nothing up.
Caller = Annotated[Grant, Security(caller)]
