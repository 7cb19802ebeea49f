"""The address of an index in a search engine, as the operator writes it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from schema.errors import Misconfigured

EXPECTED = "https://[NAME:PASSWORD@]HOST:PORT[,HOST:PORT...]/INDEX[?shards=3&replicas=1&ca=FILE]"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_MOST = {"shards": 1_000, "replicas": 9}


@dataclass(frozen=True, slots=True)
class Address:
    """Where an index is: the servers, each (host, port), and the name that its own indices begin with.

    `replicas` is how many copies there are beside the first, as far as there are servers to hold them; `ca` names a
    file of certificates to trust.
    """

    hosts: tuple[tuple[str, int], ...]
    name: str
    secure: bool = True
    account: tuple[str, str] | None = None
    shards: int = 3
    replicas: int = 1
    ca: str = ""

    @property
    def told(self) -> str:
        """The address as it may be shown: without account."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{','.join(f'{host}:{port}' for host, port in self.hosts)}/{self.name}"


def read(url: str) -> Address:
    """Read FOLKMOOT_INDEX_URL. Raises `Misconfigured`, without repeating a password."""
    try:
        return _read(url)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"FOLKMOOT_INDEX_URL cannot be read; expected {EXPECTED}.") from error


def _read(url: str) -> Address:
    parts = urlsplit(url)
    account, _, servers = parts.netloc.rpartition("@")
    name = parts.path.strip("/")
    if parts.scheme not in ("http", "https") or parts.fragment or not _NAME.fullmatch(name):
        raise ValueError(parts.scheme)
    user, _, password = account.partition(":")
    default = 443 if parts.scheme == "https" else 9200
    return Address(
        hosts=tuple(_server(server, default) for server in servers.split(",")),
        name=name,
        secure=parts.scheme == "https",
        account=(unquote(user), unquote(password)) if account else None,
        **_options(parts.query),
    )


def _server(text: str, default: int) -> tuple[str, int]:
    found = urlsplit(f"//{text}")
    if not found.hostname:
        raise ValueError(text)
    return found.hostname, found.port or default


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        if name in options:
            raise ValueError(name)
        if name == "ca" and value:
            options[name] = value
        elif 0 <= (number := int(value)) <= _MOST.get(name, -1) and (number or name == "replicas"):
            options[name] = number
        else:
            raise ValueError(name)
    return options
