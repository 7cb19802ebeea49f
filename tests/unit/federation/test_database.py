"""Which databases are spoken to, and by which driver."""

from __future__ import annotations

import pytest

from federation.database import Database, driver_url
from schema.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///data/folkmoot.db", "sqlite:///data/folkmoot.db"),
        ("sqlite+pysqlite:////var/folkmoot.db", "sqlite:////var/folkmoot.db"),
        ("postgresql://moot:secret@db.example/moot", "postgresql+psycopg://moot:secret@db.example/moot"),
        ("postgresql+psycopg2://db.example/moot", "postgresql+psycopg://db.example/moot"),
    ],
)
def test_a_database_is_spoken_to_by_our_driver(url: str, driver: str) -> None:
    """Whatever driver a URL names, ours is taken, and the password stays in it."""
    assert driver_url(url) == driver


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    """An SQLite database that lies in no file would be another one for each connection."""
    with pytest.raises(Misconfigured) as refused:
        Database(url)
    assert refused.value.detail == "FOLKMOOT_DATABASE_URL names no file: an SQLite database lives in one."


@pytest.mark.parametrize(("url", "named"), [("mysql://db.example/moot", "mysql"), ("oracle+cx://x", "oracle+cx")])
def test_a_database_that_we_do_not_speak_is_refused(url: str, named: str) -> None:
    """The setting and the databases that are spoken are named; the rest of the URL, with its password, is not."""
    with pytest.raises(Misconfigured) as refused:
        driver_url(url.replace("//", "//moot:secret@"))
    told = f"FOLKMOOT_DATABASE_URL speaks of '{named}'; expected sqlite:///... or postgresql://..."
    assert refused.value.detail == told


@pytest.mark.parametrize("password", ["se@cret", "se@cret/x", "se@cret:x", "se@cret?x", "s@e@c"])
def test_an_address_that_a_password_breaks_is_refused_unseen(password: str) -> None:
    """An @ ends a password wherever it stands, and what follows would be told as a host; so none of it is told."""
    with pytest.raises(Misconfigured) as refused:
        driver_url(f"postgresql://moot:{password}@db.example/moot")
    told = "FOLKMOOT_DATABASE_URL cannot be read: a port is a number, and @ in a password is %40."
    assert refused.value.detail == told
    assert refused.value.__context__ is None


@pytest.mark.parametrize("url", ["sqlite:////var/moot@home.db", "postgresql://db.example/moot?application_name=a@b"])
def test_an_at_sign_elsewhere_is_no_fault(url: str) -> None:
    """A file's name may have an @, and so may what follows the name of the database."""
    assert driver_url(url)
