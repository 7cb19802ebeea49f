"""What went wrong outside of the program, in one sentence: files, the database, its migrations.

An error is known by the module of its class: a command that needs no database does not wait for its library.
"""

from __future__ import annotations

from schema.errors import FolkmootError

_DATABASE = ("sqlalchemy.", "sqlite3", "psycopg")
_UNKNOWN = ("ArgumentError", "NoSuchModuleError")


def sentence(error: BaseException) -> str | None:
    """What to tell a person; None for an error that is a fault of the program, whose traceback is wanted."""
    if isinstance(error, BaseExceptionGroup):  # of tasks that met one outage together
        told = [sentence(one) for one in error.exceptions]
        return None if None in told else told[0]
    if isinstance(error, FolkmootError):
        return error.detail
    if _of(error, _DATABASE):
        return _database(error)
    if _of(error, ("alembic.util",)):
        return f"The database's tables could not be changed: {_short(error)}."
    if isinstance(error, OSError):
        return _file(error)
    return None


def _of(error: BaseException, modules: tuple[str, ...]) -> bool:
    return any(kind.__module__.startswith(modules) for kind in type(error).__mro__)


def _file(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}." if error.filename else f"{what}."


def _database(error: BaseException) -> str:
    if type(error).__name__ in _UNKNOWN:
        return (
            "FOLKMOOT_DATABASE_URL is no address of a database; expected sqlite:///PATH or postgresql://USER@HOST/NAME."
        )
    return f"The database {_where()} cannot be used: {_short(getattr(error, 'orig', None) or error)}."


def _where() -> str:
    """The database's file, or its host and name: never the password, which may hold what ends it in other addresses."""
    from sqlalchemy.engine import make_url

    from folkmoot.settings import load

    url = make_url(load().database)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.database or url.username} at {url.host or 'this machine'}{port}"


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(". ")
