"""A node's status as a feed: the same rows as its page and its JSON, for readers of Atom and JSON Feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from api.pages.advice import advised
from api.pages.view import STATES, site
from api.services import Services
from exchange import feeds
from federation.database import ReadSession


def feed(here: Services, session: ReadSession, item: Mapping[str, Any], form: str) -> bytes:
    """The status of a node as Atom or as JSON Feed: figures at the head, an entry for what is to mend or went.

    `item` is the node without its manifest: what that says can be had at the node.

    A state that is not active is an entry too: whoever subscribes is told of what to mend and of what went.
    """
    page = f"{here.public_url}/nodes/{quote(item['key'], safe='')}"
    name = item["name"] or item["key"]
    made = feeds.Feed(
        title=f"{name}: what to mend, and what went",
        url=f"{here.public_url}/v1/nodes/{quote(item['key'], safe='')}?format={form}",
        home=page,
        site=site(here, session).name,
        license=here.license,
        updated=_updated(item) or here.now(),
        about=_about(item),
        figures={"node": {member: value for member, value in item.items() if member not in ("problems", "withdrawn")}},
    )
    entries = [
        *_state(item, page),
        *(_entry(one, name, page) for one in advised(item["problems"])),
        *(_gone(one, name) for one in item["withdrawn"]),
    ]
    if form != "atom":
        return feeds.json_feed(made, entries)
    from exchange.atom import atom  # noqa: PLC0415 - XML is for few readers: a start does not wait for it

    return atom(made, entries)


def _about(item: Mapping[str, Any]) -> str:
    visits = (("last visit", "lastVisit"), ("last good visit", "lastGoodVisit"), ("next visit", "nextVisit"))
    told = [f"{what} {item[member]}" for what, member in visits if item[member]]
    counts = (("shown", "records"), ("accepted", "accepted"), ("refused", "refused"), ("taken away", "deleted"))
    told += [f"{item[member]:,} {what}" for what, member in counts]
    told += [f"{item['held']:,} removals held"] if item["held"] else []
    told += [f"{item['behind']:,} changes behind"] if item["behind"] else []
    told += [f"{sum(item['problemCounts'].values()):,} problems"] if any(item["problemCounts"].values()) else []
    told += [f"{item['failedInARow']:,} visits failed in a row"] if item["failedInARow"] else []
    told += [f"served from the last good copy since {item['staleSince']}"] if item["staleSince"] else []
    told += [f"signatures {item['signature']}"]
    told += [f"quality {item['quality']:.2f} ({_parts(item)})"] if item["quality"] is not None else []
    told += [
        f"{item['visits']['good']:,} of {item['visits']['all']:,} visits good",
        f"{item['visits']['pages']:,} pages read",
    ]
    told += [f"a page in {item['latencyMs']:,} ms"] if item["latencyMs"] is not None else []
    told += [f"updates promised every {item['freshnessPromised']}"] if item["freshnessPromised"] else []
    told += [f"latest change {item['freshness']}"] if item["freshness"] else []
    told += [f"webhook {item['webhook']['state']}"] if item["webhook"] else []
    return f"{item['state'].capitalize()}: {', '.join(told)}."


def _updated(item: Mapping[str, Any]) -> datetime | None:
    """When the last visit ended, or a record went since: held removals are released between visits."""
    gone = item["withdrawn"][0]["at"] if item["withdrawn"] else None
    return max((datetime.fromisoformat(one) for one in (item["lastVisit"], gone) if one), default=None)


def _parts(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in item["qualityParts"].items() if share is not None)


def _gone(record: Mapping[str, Any], name: str) -> feeds.Entry:
    moved = f" It is {record['movedTo']} now." if "movedTo" in record else ""
    return feeds.Entry(
        id=f"{record['id']}#withdrawn-{record['reason']}",  # not the time: a node that signs all anew says all anew
        title=f"taken away: {record['kind']}, {record['id']}",
        text=f"The node took this record away: {record['reason']}.{moved}",
        author=name,
        tag="withdrawn",
        published=record["at"],
        updated=datetime.fromisoformat(record["at"]),
        record=orjson.dumps(record),
    )


def _state(item: Mapping[str, Any], page: str) -> Sequence[feeds.Entry]:
    if item["state"] == "active":
        return ()
    since = item["staleSince"] or item["lastVisit"] or ""
    record = {name: item[name] for name in ("key", "state", "staleSince", "lastVisit", "lastGoodVisit")}
    told = f"{item['name'] or item['key']} is {item['state']}"
    says = " ".join([f"{told}.", STATES.get(item["state"], "")]).strip()
    when = _time(since) or datetime(1970, 1, 1, tzinfo=UTC)
    id_ = f"{page}#state-{item['state']}-{(item['staleSince'] or '')[:19]}".rstrip("-")
    stamp = since or "1970-01-01T00:00:00Z"
    return (feeds.Entry(id_, told, says, item["name"], item["state"], stamp, when, orjson.dumps(record)),)


def _entry(problem: Mapping[str, Any], name: str, page: str) -> feeds.Entry:
    about = problem["recordId"] or "the feed"
    return feeds.Entry(
        id=f"{page}#{problem['anchor']}",
        title=f"{problem['severity']}: {problem['rule']}, {about}",
        text=f"{problem['message']} {problem['pointer']} {problem['advice']}".replace("  ", " "),
        author=name,
        tag=problem["rule"],
        published=problem["firstSeen"],
        updated=datetime.fromisoformat(problem["lastSeen"]),
        record=orjson.dumps(problem),
    )


def _time(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment) if moment else None
