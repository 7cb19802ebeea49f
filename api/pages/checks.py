"""Hold a node to the rules, for people: a form, and the page on which what was found stands. No script is needed."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import checks
from api.bodies import need
from api.deps import Here, Read
from api.pages import view
from api.pages.nodes import Aggregator
from api.services import Services
from api.strict import strict_router
from federation import examining
from schema.errors import Invalid

router = strict_router(include_in_schema=False)
FORM = "application/x-www-form-urlencoded"
PATIENCE, LOOK = 6.0, 0.25
"""Seconds for which the page of a check waits for its end, and between two looks: most are done by then."""


async def sent(request: Request) -> tuple[str, bool]:
    """The address in the form, and whether the node is to be taken as an aggregator."""
    need(request, FORM, {})
    async with request.form(max_files=0, max_fields=4) as form:
        return str(form.get("url", ""))[:2000], "aggregator" in form


Sent = Annotated[tuple[str, bool], Depends(sent)]


@router.get("/check")
def form(request: Request, session: Read, here: Aggregator) -> HTMLResponse:
    """Ask for the address of a node."""
    return _form(request, here, session, "", "")


@router.post("/check")
def ask(request: Request, asked: Sent, here: Aggregator, session: Read) -> Response:
    """Take the address, and lead to the page of the check."""
    typed, aggregator = asked
    try:
        url = examining.address(typed)
    except Invalid as error:
        fault = error.faults[0]
        return _form(request, here, session, typed, f"{fault.message} Give {fault.expected}.", status=422)
    made = checks.ask(request, here, url, aggregator=aggregator)
    return RedirectResponse(f"/check/{made}", 303)


async def awaited(here: Here, check: str) -> dict[str, Any]:
    """How a check stands; after some seconds at most, or as soon as it is done. Raises `NotFound`."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        told = await asyncio.to_thread(_look, here, check)
        if told["report"] is not None or asyncio.get_running_loop().time() > until:
            return told
        await asyncio.sleep(LOOK)


def _look(here: Services, check: str) -> dict[str, Any]:
    with here.database.present() as session:
        return examining.status(session, check)


Awaited = Annotated[dict[str, Any], Depends(awaited)]


@router.get("/check/{check}")
def found(request: Request, told: Awaited, session: Read, here: Aggregator) -> HTMLResponse:
    """What each rule found, or that the look is not done yet."""
    report = told["report"]
    broken = [] if report is None else [rule for rule in report["rules"] if not rule["kept"]]
    title = _title(told)
    page = view.render(request, here, session, "checked.html", title=title, told=told, report=report, broken=broken)
    page.headers["Cache-Control"] = "no-store"
    return page


def _title(told: Mapping[str, Any]) -> str:
    if told["report"] is None:
        return "The node is being looked at"
    if told["report"].get("unseen"):
        return "The node was not looked at"
    if told["node"]:
        return "This node is known here already"
    return "The node can join" if told["report"]["passed"] else "The node cannot join yet"


def _form(request: Request, here: Services, session: Any, typed: str, error: str, *, status: int = 200) -> HTMLResponse:
    title = "Check a node" if not error else "Error: check a node"
    return view.render(request, here, session, "check.html", status=status, title=title, typed=typed, error=error)
