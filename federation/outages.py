"""A database that is away, full or read-only for a while: told from a fault of ours, and told once.

An outage is nobody's fault but the machine's: the work that met it is done again when it is over. What the database
refuses for what was asked of it (a broken constraint, a value that it cannot hold) is a fault of ours instead.
"""

from __future__ import annotations

import errno
import sqlite3
import time

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

log = structlog.get_logger("folkmoot.crawl")
_KINDS = (OperationalError, InternalError, InterfaceError, NoConnection)
_NAMES = frozenset(("OperationalError", "InternalError", "InterfaceError"))
_DRIVERS = ("sqlite3", "psycopg")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_DISK_FULL = "53100"  # PostgreSQL, appendix A
_PROGRAM_LIMIT = "54"  # PostgreSQL, appendix A, class of SQLSTATE


def is_outage(error: BaseException) -> bool:
    """Whether the database cannot serve for now: no connection, no room, read-only, locked for too long.

    Workers that met it together are in one group.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_outage, error.exceptions))
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    raised = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if getattr(raised, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # what was asked is at fault, such as a table that is not there; SQLite calls that operational too
    if str(getattr(raised, "sqlstate", None)).startswith(_PROGRAM_LIMIT):
        return False  # likewise: a row that no page of PostgreSQL holds
    return isinstance(error, _KINDS) or any(kind.__name__ in _NAMES for kind in _of_driver(raised))


def is_full(error: BaseException) -> bool:
    """Whether the disk takes no file, full or read-only: then no folder for temporary files is found either.

    The database's own disk is full too where the database says so.
    """
    if isinstance(error, OSError):
        return error.errno in _FULL or (error.errno == errno.ENOENT and "temporary directory" in str(error))
    raised = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    full = getattr(raised, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return full or getattr(raised, "sqlstate", None) == _DISK_FULL


def is_fault(error: BaseException) -> bool:
    """Whether this comes of the database at all, an outage or not."""
    return isinstance(error, SQLAlchemyError) or bool(_of_driver(error))


def _of_driver(error: BaseException) -> list[type]:
    """The driver's own classes: where rows go by its COPY or its cursor, SQLAlchemy does not stand between."""
    return [kind for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in _DRIVERS]


def sentence(error: BaseException) -> str:
    """What the driver says, in its first line; of a group, what its first says."""
    if isinstance(error, BaseExceptionGroup):
        return sentence(error.exceptions[0])
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(". ")


class Outage:
    """Whether the crawl of this process waits for the database: its beginning and its end are told once each."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._told = ""

    def met(self, error: BaseException) -> None:
        """Say why the crawl waits, unless that was said already."""
        self._since = time.monotonic() if self._since is None else self._since
        told = sentence(error)
        if told != self._told:
            self._told = told
            log.error("the database does not serve; the crawl waits and tries again", error=told)

    def over(self) -> None:
        """Say that the crawl goes on, where it waited."""
        if self._since is not None:
            log.warning("the database serves again; the crawl goes on", seconds=round(time.monotonic() - self._since))
            self._since, self._told = None, ""
