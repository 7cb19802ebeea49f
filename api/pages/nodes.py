"""The nodes that an aggregator visits: how each is, and what its people should mend."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse

from api.badge import told
from api.deps import Here, Read
from api.pages import trust, view, words
from api.pages.advice import advised
from api.pages.cells import Cell
from api.pages.layout import Row
from api.services import Services
from api.strict import strict_router
from federation import ping, status
from federation.told import to_decide
from schema.errors import Invalid, NotFound
from schema.identifiers import publisher_id


def aggregator(here: Here) -> Services:
    """The services of an aggregator. Raises `NotFound` on a node, which has no such page."""
    if here.role != "aggregator":
        raise NotFound("This page stands on aggregators; this server is a node.")
    return here


Aggregator = Annotated[Services, Depends(aggregator)]
router = strict_router(include_in_schema=False)
_LISTED = 500
_SHOWN = 100


@router.get("/nodes")
def nodes(request: Request, session: Read, here: Aggregator) -> HTMLResponse:
    """Every node with its state and its last good visit."""
    found = status.brief(session, limit=_LISTED, now=here.now())
    found.sort(key=lambda one: (one["name"] or one["key"]).casefold())
    return view.render(request, here, session, "nodes.html", title="Where the data comes from", list=found)


@router.get("/nodes/{key}")
def node(request: Request, session: Read, here: Aggregator, key: str) -> HTMLResponse:
    """One node: visits, counts, and each problem with what to do about it."""
    found = status.one(session, key, now=here.now())
    contact = found["manifest"].get("contact") or {}
    return view.render(
        request,
        here,
        session,
        "node.html",
        title=f"{found['name'] or found['key']}: how its visits went",
        node=found,
        rows=_rows(found),
        parts=_parts(found),
        signatures=trust.signatures(found["signatures"]),
        keys=trust.keys(found["keys"]),
        badge=told(found),
        ping=f"{here.public_url}/v1/nodes/{words.segment(found['key'])}/ping",
        publishers=[(_key(one), one.get("name", "")) for one in found["publishers"] if _key(one)],
        problems=advised(found["problems"][:_SHOWN]),
        total=sum(found["problemCounts"].values()),
        failed=_failure(found["lastReport"]),
        waiting=to_decide(found["problems"]),
        mail=words.mailto(contact.get("email"), f"Your node {found['key']}"),
    )


@router.post("/nodes/{key}/visit")
def visit(request: Request, here: Aggregator, key: str) -> RedirectResponse:
    """Let the node be visited now, as its ping does (`POST /v1/nodes/{key}/ping`), and lead back to its page."""
    ping.ping(here.database, key, turn=request.app.state.pinging.take)
    return RedirectResponse(f"/nodes/{words.segment(key)}", 303)


@router.get("/join")
def join(request: Request, session: Read, here: Aggregator) -> HTMLResponse:
    """How a council comes to be found here."""
    return view.render(request, here, session, "join.html", title="How to join")


def _rows(found: Mapping[str, Any]) -> list[Row]:
    manifest = words.href(found["id"])
    rows = [
        ("Address", Cell(words.host(found["id"]), href=manifest)),
        ("Last visit", _time(found["lastVisit"])),
        ("Last good visit", _time(found["lastGoodVisit"])),
        ("Next visit", replace(_time(found["nextVisit"], "Not planned"), note=_NEXT.get(found["state"], ""))),
        ("Latest record", _time(found["freshness"])),
        ("Changes not taken yet", Cell("Not known" if found["behind"] is None else f"{found['behind']:,}")),
        (
            "Answers in",
            Cell("Not known" if found["latencyMs"] is None else words.plural(found["latencyMs"], "millisecond")),
        ),
        ("Carries others' records", Cell("Yes, it is an aggregator" if found["role"] == "aggregator" else "No")),
        ("Visits that went well", Cell(f"{found['visits']['good']:,} of {found['visits']['all']:,}")),
    ]
    if found["lastReport"]:
        rows.append(("What the last visit came to", Cell(_report(found["lastReport"]))))
    if found["webhook"]:
        rows.append(("Webhook", Cell(words.code(found["webhook"]["state"]), note=found["webhook"]["lastAnswer"] or "")))
    return [Row(label, [cell]) for label, cell in rows]


_NEXT = {"held": "It is asked again whether it is as before."}
_PARTS: Mapping[str, tuple[str, str]] = {
    "accepted": ("In order", "Of all that it published, what could be taken."),
    "availability": ("Visits that went well", "The latest count most."),
    "completeness": ("Complete", "Of the facts that readers look for first, those that its records give."),
    "freshness": ("Up to date", "The promised time, as a share of the time since its last change."),
    "released": ("Settled", "Records that do not wait for a decision about their removal."),
}


def _parts(found: Mapping[str, Any]) -> list[Row]:
    shares = found["qualityParts"]
    more = {"freshness": f" {_promise(found['freshnessPromised'])}"}
    rows = []
    for name, (label, meaning) in _PARTS.items():
        share = "Not known yet" if shares[name] is None else words.share(shares[name])
        rows.append(Row(label, [Cell(share, note=meaning + more.get(name, ""))]))
    return rows


def _promise(promised: str | None) -> str:
    said = words.every(promised or "")
    if not said:
        return "Nothing is promised."
    return f"Promised: {said}." if said != promised else f"Promised, in its own words: {said}."


def _failure(report: Mapping[str, Any] | None) -> str:
    """Why the last visit failed; nothing where it did not."""
    return str(report.get("error") or "It gave no reason.") if report and report["outcome"] == "failed" else ""


def _report(report: Mapping[str, Any]) -> str:
    if report["outcome"] == "failed":
        return f"It failed. {_failure(report)}".strip()
    counts = (("created", "new"), ("updated", "changed"), ("deleted", "taken away"), ("refused", "refused"))
    said = ", ".join(f"{report[name]:,} {word}" for name, word in counts)
    return f"{words.plural(report['pages'], 'page')}: {said}"


def _time(found: str | None, otherwise: str = "None yet") -> Cell:
    return Cell(words.moment(found), moment=found) if found else Cell(otherwise)


def _key(publisher: Mapping[str, Any]) -> str:
    try:
        first = publisher["identifiers"][0]
        return publisher_id(first["scheme"], first["id"])
    except (Invalid, KeyError, IndexError, TypeError):
        return ""
