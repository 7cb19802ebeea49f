"""One supplier across councils: who buys from it, and when its contracts end."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse

from api import queries
from api.deps import Here, Read
from api.pages import asking, finding, view, words
from api.pages.search import downloads
from api.params import Asked
from api.strict import strict_router
from federation import lists
from federation.forms import name_key, spelling
from schema.errors import NotFound

router = strict_router(include_in_schema=False)
_SHOWN = "50"


@router.get("/suppliers/{key:path}")
def supplier(request: Request, session: Read, here: Here, key: str) -> HTMLResponse:
    """A supplier by its registered number or its name, as the search knows it. Raises `NotFound`."""
    asked = Asked(supplier=[key], sort="-end", limit=_SHOWN, facets=["publisher"])
    found = lists.find(session, here.index, queries.query(asked, ["contract"]))
    if not found.hits.count:
        raise NotFound(f"No contract here names the supplier '{key[:200]}'.")
    facets = found.hits.facets
    name = spelling(name for one in found.items for name in _names(one.data, key)) or key
    buyers = words.plural(len(facets["publisher"].items), "organisation", "organisations")
    more = "more than " if facets["publisher"].other else ""
    address = asking.Address("/search", [("kind", "contract"), ("supplier", key), ("sort", "-end")])
    return view.render(
        request,
        here,
        session,
        "supplier.html",
        title=f"{name}: contracts with councils",
        name=name,
        key=key,
        lede=f"{words.plural(found.hits.count, 'contract')} with {more}{buyers}, as their registers tell it.",
        councils=facets["publisher"].items,
        items=finding.entries(session, found.items),
        downloads=downloads(address, ["contract"]),
    )


def _names(data: Mapping[str, Any], key: str) -> Iterator[str]:
    """What a contract calls the supplier of this key."""
    suppliers = data.get("suppliers")
    for one in suppliers if isinstance(suppliers, list) else ():
        name = one.get("name") if isinstance(one, Mapping) else None
        if isinstance(name, str) and key in (view.supplier_key(one), name_key(name)):
            yield name
