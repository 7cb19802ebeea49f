"""What the routes work with, built by `folkmoot/wiring.py` and handed to `create_app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from api.counts import Counts
from federation.database import Database
from federation.follow import Follower
from federation.index import Index
from federation.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route can ask for.

    `now` gives the time in UTC; `follower` keeps `index` up to date; bulk files are kept under `data_dir`. Beyond
    `max_lag_seconds` behind the log a server says that it is not ready; 0 is never. `figures` is the folder in which
    the processes of a server count together. `a_minute` is how often one address and one token may ask (0: as often as
    they like), `proxies` are the networks whose word on the address of a client is taken. `tenant` is the hold on
    `data_dir`, where others may have the same; `counts` is where the processes of a server count who asks how often.
    """

    role: Literal["node", "aggregator"]
    public_url: str
    version: str
    database: Database
    index: Index
    follower: Follower
    now: Callable[[], datetime]
    license: str
    data_dir: Path
    title: str = ""
    contact_name: str = ""
    contact_email: str = ""
    webhook: str = ""
    update_frequency: str = "P1D"
    min_poll_seconds: int = 300
    languages: tuple[str, ...] = ("en",)
    max_upload_bytes: int = 50_000_000
    max_lag_seconds: float = 0.0
    figures: Path | None = None
    a_minute: int = 0
    proxies: tuple[str, ...] = ()
    tenant: Tenant | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def node(self) -> str:
        """This node's own id: the URL of its manifest."""
        return self.public_url + "/.well-known/folkmoot"
