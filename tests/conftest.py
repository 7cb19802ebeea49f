"""What every test may ask for: `database` on SQLite and PostgreSQL, `now`, the real files, and the guards."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import structlog

from tests import postgres, proof, sockets
from tests.absent import absent
from tests.proving import pytest_collection_modifyitems, pytest_runtest_makereport  # noqa: F401 - pytest finds them

if TYPE_CHECKING:
    from federation.database import Database

MEMORY, ROOM = Path("/dev/shm"), 3 * 2**30  # noqa: S108 - made with mkdtemp, like all of ours
RUN = "FOLKMOOT_TEST_RUN"  # the run's own folder, handed from the controller to its workers
FOR_TESTS = ("FOLKMOOT_TEST_", "FOLKMOOT_PROVE_")

hypothesis.settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("house")

_numbers = count()


_configure = structlog.configure


def _configure_for_now(**told: Any) -> None:
    """Let no logger keep what one test configured: a command that runs in this process sets the log for good."""
    told["cache_logger_on_first_use"] = False
    _configure(**told)


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's folder once, in the process that starts the workers; forget an operator's settings."""
    for name in tuple(os.environ):
        if name.startswith("FOLKMOOT_") and not name.startswith(FOR_TESTS):
            del os.environ[name]
    structlog.configure = _configure_for_now  # type: ignore[assignment]
    # Left to itself, structlog draws each traceback with all its locals, which takes many seconds.
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    if not hasattr(config, "workerinput"):
        if _memory_will_do():
            os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None
        os.environ[RUN] = tempfile.mkdtemp(prefix="folkmoot-")
        # A run that is told to end (a CI that has lost patience) still stops what it started.
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Measure no coverage where the same lines are walked thousands of times: tracing would be half of the time."""
    law = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    if law or item.get_closest_marker("proof"):
        item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: no search for garbage needs to look at it again."""
    gc.collect()
    gc.freeze()


def _memory_will_do() -> bool:
    """Whether what the run writes may lie in memory: there is plenty, and nobody asked otherwise.

    A process that is killed leaves the same files there as on a disk, and the power goes only where a test makes it
    (`tests/proofs/power.py`). `make prove` writes more, and to the disk.
    """
    asked = "TMPDIR" in os.environ or proof.size() != "tenth"
    if asked or not os.access(MEMORY, os.W_OK) or not MEMORY.is_mount():
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server that the run started and leave nothing behind."""
    if hasattr(config, "workerinput") or RUN not in os.environ:
        return
    run = Path(os.environ.pop(RUN))
    if os.environ.get("FOLKMOOT_TEST_PG") and (run / "migrated").exists():
        server = postgres.server_url(run)
        for name in postgres.databases(server, _prefix(run)):
            postgres.drop(server, name)
    postgres.stop(run)
    shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        sockets.install(patch)
        yield


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """What a test writes its log with ends with the test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def now() -> datetime:
    """Return the moment at which tests take place: time is an argument everywhere."""
    return datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """Return the folder that all workers of this run share."""
    return Path(os.environ[RUN])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real registers, or skip: they are other people's and not in the repository."""
    folder = os.environ.get("FOLKMOOT_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real files are absent: FOLKMOOT_TEST_DATA names no folder")
    return Path(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Return which of the two databases this test runs on."""
    return str(request.param)


@pytest.fixture
def database_url(engine_name: str, run_folder: Path, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a fresh database, migrated to the head by the real migrations."""
    if engine_name == "sqlite":
        yield _sqlite_copy(run_folder, tmp_path)
        return
    server = _server(run_folder)
    name = _fresh_name(run_folder)
    yield postgres.create(server, name, _postgres_template(server, run_folder))
    postgres.drop(server, name)


@pytest.fixture
def empty_url(engine_name: str, run_folder: Path, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database in which nothing has been created yet."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = _server(run_folder)
    name = _fresh_name(run_folder)
    yield postgres.create(server, name)
    postgres.drop(server, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a `Database`, fresh and migrated; each test that asks runs on SQLite and on PostgreSQL."""
    from federation.database import Database

    opened = Database(database_url)
    yield opened
    opened.dispose()


def _server(run: Path) -> str:
    try:
        return postgres.server_url(run)
    except postgres.Unavailable as reason:
        absent(str(reason))


def _prefix(run: Path) -> str:
    return run.name.replace("-", "_").lower()


def _fresh_name(run: Path) -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"{_prefix(run)}_{worker}_{next(_numbers)}"


def _migrate(url: str) -> None:
    import migrations

    migrations.upgrade(url)


def _sqlite_copy(run: Path, folder: Path) -> str:
    template, target = run / "template.db", folder / "folkmoot.db"
    with postgres.locked(run / "sqlite.lock"):
        if not (run / "migrated.sqlite").exists():
            _migrate(f"sqlite:///{template}")
            (run / "migrated.sqlite").touch()
    with closing(sqlite3.connect(template)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return f"sqlite:///{target}"


def _postgres_template(server: str, run: Path) -> str:
    name = f"{_prefix(run)}_template"
    with postgres.locked(run / "template.lock"):
        if not (run / "migrated").exists():
            _migrate(postgres.create(server, name))
            (run / "migrated").touch()
    return name
