"""What the operator can set, and the one place that reads the environment.

Each setting is the variable `FOLKMOOT_` + its name in capitals, or a line in `folkmoot.toml`; the variable wins.
"""

import os
import re
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from folkmoot.settings_faults import FILE, strays, told
from schema.base import Email, Language, Title, Url
from schema.errors import Misconfigured

OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
_DURATION = re.compile(
    r"P(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+W)?(?:[0-9]+D)?"
    r"(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?"
)
_warned: set[str] = set()
_FIGURES = "PROMETHEUS_MULTIPROC_DIR"


def _hold(value: str, kind: Any, expected: str) -> str:
    """Hold a text to what the manifest demands of it: a node that breaks the protocol is not to start."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(expected) from error
    return value


class Settings(BaseSettings):
    """All settings, read once at the start."""

    model_config = SettingsConfigDict(env_prefix="FOLKMOOT_", toml_file=FILE, extra="forbid", frozen=True)

    role: Literal["node", "aggregator"] = Field("node", description="What this server is: a node or an aggregator.")
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="The address that others see, an origin without a path. Published ids begin with it for ever.",
    )
    data_dir: Path = Field(
        Path("folkmoot-data"),
        description="The folder of the SQLite file and of the search index. Servers with different databases never "
        "share one.",
    )
    database_url: str = Field(
        "", description="sqlite:///PATH or postgresql://...; empty is the file folkmoot.db in the data folder."
    )
    read_database_url: str = Field(
        "", description="A replica of a PostgreSQL database, from which requests are answered; empty is the database."
    )
    index_url: str = Field(
        "",
        description="https://[NAME:PASSWORD@]HOST:PORT[,...]/INDEX of an OpenSearch cluster that holds the search "
        "index (docs/opensearch.md); empty is the index in the data folder.",
    )
    host: str = Field("127.0.0.1", description="The address that the server listens on.")
    port: int = Field(8000, ge=0, le=65535, description="The port that the server listens on.")
    serve_workers: int = Field(1, ge=1, le=64, description="How many processes serve at that port.")
    max_lag_seconds: float = Field(
        0, ge=0, description="How far behind the log a server may be and still be ready; 0 is however far."
    )
    title: str = Field("", description="What the site calls itself; empty is the name of its first publisher.")
    contact_name: str = Field("", description="Who answers for this server: a team or role, never a person.")
    contact_email: str = Field("", description="The role mailbox that the manifest and the pages give.")
    webhook: str = Field(
        "", description="Where aggregators tell of problems that they find at this server, as an https address."
    )
    ping: str = Field(
        "", description="Where to tell aggregators of new changes: their /v1/nodes/KEY/ping, joined by commas."
    )
    license: str = Field(OGL, description="The licence of all that is published, as a URL.")
    update_frequency: str = Field("P1D", description="How often the publishers promise to update (ISO 8601 duration).")
    min_poll_seconds: int = Field(300, ge=1, description="How often crawlers may visit this server's feed.")
    sign: bool = Field(True, description="Whether a node that has published nothing yet is given a key and signs all.")
    languages: str = Field("en", description="The languages published in, as BCP 47 tags joined by commas.")
    crawl_inside: bool = Field(False, description="Whether the serving process of an aggregator crawls too.")
    crawl_every: int = Field(
        300, ge=1, description="Seconds between visits to a feed that does not name its own minimum (minPollSeconds)."
    )
    crawl_workers: int = Field(8, ge=1, le=64, description="How many feeds one process visits at a time.")
    crawl_connections: int = Field(
        64, ge=1, le=1000, description="How many connections to nodes one process has open at a time."
    )
    crawl_gap: float = Field(
        0.2,
        ge=0,
        description="Seconds between two requests to one host, whoever asks; 0 where private addresses are allowed.",
    )
    crawl_ports: str = Field(
        "", description="Ports that nodes may be read at beside 443, joined by commas, such as 8443."
    )
    crawl_ca: str = Field(
        "", description="A file of certificates (PEM) trusted beside the system's, such as that of your own authority."
    )
    lease_seconds: int = Field(60, ge=5, description="How long a worker holds a feed before others may take it over.")
    allow_private: bool = Field(
        False, description="Permit private and loopback addresses, http and any port (tests, demos, intranets)."
    )
    max_upload_mb: int = Field(50, ge=1, le=1000, description="The largest file that POST /v1/imports takes, in MB.")
    rate_limit: str = Field(
        "6000",
        description="How many requests a minute one address, and one token, may make of one server; off is no limit.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of your own proxies, joined by commas: what they say in X-Forwarded-For is "
        "taken for the address of the client. Without it, private addresses are not limited.",
    )
    log_format: Literal["text", "json"] = Field("text", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level logged.")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("license")
    @classmethod
    def _licence(cls, value: str) -> str:
        return _hold(value, Url, f"the address of a licence, such as {OGL}")

    @field_validator("webhook")
    @classmethod
    def _hook(cls, value: str) -> str:
        return value and _hold(value, Url, "an address, such as https://moot.exampleshire.example/hooks/folkmoot")

    @field_validator("ping")
    @classmethod
    def _pings(cls, value: str) -> str:
        for one in filter(None, value.split(",")):
            _hold(one.strip(), Url, "addresses such as https://moot.wessex.example/v1/nodes/KEY/ping, joined by commas")
        return value

    @field_validator("contact_name")
    @classmethod
    def _team(cls, value: str) -> str:
        return value and _hold(value, Title, "one line, such as Digital team")

    @field_validator("contact_email")
    @classmethod
    def _mailbox(cls, value: str) -> str:
        return value and _hold(value, Email, "a mailbox, such as digital@exampleshire.example")

    @field_validator("update_frequency")
    @classmethod
    def _duration(cls, value: str) -> str:
        if not _DURATION.fullmatch(value):
            raise ValueError("an ISO 8601 duration, such as P1D for every day or P1M for every month")
        return value

    @field_validator("languages")
    @classmethod
    def _tags(cls, value: str) -> str:
        for tag in value.split(","):
            _hold(tag.strip(), Language, "BCP 47 tags joined by commas, such as en,cy")
        return value

    @field_validator("crawl_ports")
    @classmethod
    def _ports(cls, value: str) -> str:
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() and 0 < int(part[:6]) <= 65_535 for part in parts):
            raise ValueError("ports joined by commas, such as 8443,9443")
        return value

    @property
    def ports(self) -> frozenset[int]:
        """The ports of `crawl_ports`."""
        return frozenset(int(part) for part in self.crawl_ports.split(",") if part.strip())

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, value: str) -> str:
        if value != "off" and not re.fullmatch(r"[1-9][0-9]{0,8}", value, re.ASCII):
            raise ValueError("off, or a whole number of requests a minute, such as 6000")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            return ",".join(str(ip_network(part.strip())) for part in value.split(",") if part.strip())
        except ValueError as error:
            raise ValueError("addresses and networks joined by commas, such as 10.0.0.5,192.168.1.0/24") from error

    @property
    def a_minute(self) -> int:
        """How many requests a minute one address or token may make; 0 for no limit."""
        return 0 if self.rate_limit == "off" else int(self.rate_limit)

    @property
    def database(self) -> str:
        """The database's URL, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'folkmoot.db'}"

    def serving(self, role: Literal["node", "aggregator"], workers: int | None) -> "Settings":
        """The settings of a server in this role, with so many processes where the command line says so."""
        return self.model_copy(update={"role": role, "serve_workers": workers or self.serve_workers})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then `folkmoot.toml`."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load() -> Settings:
    """Read the settings. Raises `Misconfigured` with the variable or the line, what it says and what was expected.

    A variable that is no setting is warned of, once, on standard error.
    """
    known = Settings.model_fields.keys()
    for sentence in strays(os.environ, known):
        if sentence not in _warned:
            _warned.add(sentence)
            sys.stderr.write(f"folkmoot: warning: {sentence}\n")
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        faults = (told(found, os.environ, known) for found in error.errors())
        raise Misconfigured(". ".join(faults) + ".") from error
    except OSError as error:
        raise Misconfigured(f"{FILE} cannot be read: {error.strerror or error}.") from error


def share_figures(folder: str) -> None:
    """Let the processes that are started from here on count requests together, in a folder (prometheus-client)."""
    os.environ[_FIGURES] = folder


def shared_figures() -> Path | None:
    """The folder in which this process and its siblings count; None where it serves alone."""
    folder = os.environ.get(_FIGURES)
    return Path(folder) if folder else None


def inherited() -> dict[str, str]:
    """The environment less our own variables: what a server of the demo is started with before its own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FOLKMOOT_")}
