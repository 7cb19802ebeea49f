"""Start a server: one application, one process, the index following the log beside it."""

from __future__ import annotations

import uvicorn

from api.app import create_app
from federation import publishers
from federation.database import Database
from folkmoot import wiring
from folkmoot.logs import configure
from folkmoot.settings import Settings
from schema.errors import Misconfigured


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises `Misconfigured` where there is nothing to serve or another public URL."""
    configure(settings)
    base = wiring.database(settings)
    ready(settings, base)
    app = create_app(wiring.services(settings, base), background=wiring.background(settings, base))
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, server_header=False, access_log=False)
    base.dispose()


def ready(settings: Settings, base: Database) -> None:
    """Raise unless there is a publisher, and the public URL is the one that was published under."""
    url = publishers.check_public_url(settings.public_url)
    with base.read() as session:
        if not publishers.every(session):
            raise Misconfigured(
                "There is no publisher yet, and a feed is never empty. Add one first: "
                'folkmoot publisher add GB-LAE-EXA --name "Exampleshire County Council"'
            )
        known = publishers.recall(session, "publicUrl")
        if known != url:
            raise publishers.moved(str(known), url)
