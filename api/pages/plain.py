"""Pages that ask for nothing but the site's own words: how to join, accessibility, privacy; and our own files."""

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from api.deps import Here, Read
from api.etags import tag, unchanged
from api.pages import view
from api.strict import strict_router

router = strict_router(include_in_schema=False)


@router.get("/accessibility")
def accessibility(request: Request, session: Read, here: Here) -> HTMLResponse:
    """The accessibility statement."""
    return view.render(request, here, session, "accessibility.html", title="Accessibility statement")


@router.get("/privacy")
def privacy(request: Request, session: Read, here: Here) -> HTMLResponse:
    """What happens to data about people."""
    return view.render(request, here, session, "privacy.html", title="Privacy")


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """A file of ours: the stylesheet, the icon."""
    if name not in view.STATIC:
        raise HTTPException(404)
    body = view.static(name)
    headers = {"ETag": tag(body), "Cache-Control": "public, max-age=86400"}
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=view.STATIC[name])
