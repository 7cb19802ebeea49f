"""POST /v1/imports: taken at once, done by a worker, told at its own address; nothing is lost by a restart."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.testing import capture_logs

from api.app import create_app
from exchange import children
from federation import importer, jobs, log, publishers, register, tokens
from federation.database import Database, WriteSession, clock, table
from federation.importer import Importer
from schema.entry import Entry
from schema.tables import Job
from tests.integration.register.conftest import as_csv, contracts
from tests.integration.writes.conftest import OTHER, OTHERTON, Moot
from tests.services import NODE, NOW, PUBLISHER, client, make_services

ASK = f"/v1/imports?kind=contract&publisher={PUBLISHER}"
CSV = "text/csv; charset=utf-8"


@pytest.fixture
def moot(database: Database, tmp_path: Path) -> Moot:
    """A node that publishes for two councils; its worker turns when a test tells it to."""
    services = make_services(database, tmp_path)
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=OTHERTON, now=NOW)
    return Moot(services, client(create_app(services)))


def _turn(moot: Moot, **how: Any) -> bool:
    return importer.turn(moot.services.database, node=moot.services.node, now=NOW, **how)


def _ask(moot: Moot, token: str, rows: Any, more: str = "", to: str = PUBLISHER, **headers: str) -> str:
    """Ask for an import. Gives its address."""
    body = rows if isinstance(rows, bytes) else as_csv(rows)
    taken = moot.call("POST", ASK.replace(PUBLISHER, to) + more, token, body, **{"Content_Type": CSV, **headers})
    assert taken.status_code == 202, taken.text
    assert taken.json()["status"] == taken.headers["location"]
    return str(taken.headers["location"])


def _told(moot: Moot, token: str, place: str) -> dict[str, Any]:
    said = moot.call("GET", place, token)
    assert said.status_code == 200, said.text
    told: dict[str, Any] = said.json()
    return told


def test_an_import_is_taken_done_and_told(moot: Moot) -> None:
    """202 with an address that says queued, then done with the report of protocol section 7."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    queued = _told(moot, token, place)
    assert (queued["state"], queued["kind"], queued["publisher"], queued["dryRun"]) == (
        "queued",
        "contract",
        PUBLISHER,
        False,
    )
    assert _turn(moot)
    done = _told(moot, token, place)
    assert (done["state"], done["report"]["created"], done["report"]["accepted"]) == ("done", 3, 3)
    assert moot.http.get(f"{NODE}/id/{PUBLISHER}/contract/C000".removeprefix(NODE)).status_code == 200
    assert not _turn(moot)


def test_the_file_comes_as_a_body_or_as_a_form(moot: Moot) -> None:
    """A form's part named `file` is read as the body is; a form without it is 400."""
    token = moot.token()
    sent = {"Authorization": f"Bearer {token}"}
    taken = moot.http.post(ASK, files={"file": ("register.csv", as_csv(contracts(2)), "text/csv")}, headers=sent)
    assert taken.status_code == 202
    assert _turn(moot)
    assert _told(moot, token, taken.headers["location"])["report"]["created"] == 2
    assert moot.http.post(ASK, files={"other": ("x.csv", b"x", "text/csv")}, headers=sent).status_code == 400


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([{"reference": "C1", "title": ""}], "refused"),
        ([], "held"),
        (b"\x00\x01", "failed"),
        (b'reference,title\n"C1,cut', "failed"),
    ],
)
def test_what_does_not_land_says_why(moot: Moot, rows: Any, state: str) -> None:
    """Refused rows, held removals and unreadable files are told with a sentence, and change nothing."""
    token, before = moot.token(), moot.latest()
    place = _ask(moot, token, rows)
    assert _turn(moot)
    told = _told(moot, token, place)
    assert told["state"] == state
    assert told["error"]
    assert moot.latest() == before


def test_the_options_are_those_of_the_command(moot: Moot) -> None:
    """Dry run, partial, accepting good rows and confirming removals do through the API what they do elsewhere."""
    token = moot.token()
    for rows, more in [
        (contracts(30), ""),
        (contracts(1), "&dryRun=true&confirmRemovals=true"),
        (contracts(1), "&partial=true"),
        ([*contracts(1), {"reference": "X", "title": ""}], "&acceptGoodRows=true&confirmRemovals=true"),
    ]:
        place = _ask(moot, token, rows, more)
        _turn(moot)
        reports = _told(moot, token, place)
        assert reports["state"] == "done", reports
        deleted = reports["report"]["deleted"]
        assert deleted == (29 if "confirm" in more else 0)
    assert moot.latest() == 2 + 30 + 29


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"kind=nothing&publisher={PUBLISHER}", 422),
        (f"kind=contract&publisher={PUBLISHER}&format=pdf", 422),
        (f"kind=contract&publisher={PUBLISHER}&dryrun=1", 422),
        (f"publisher={PUBLISHER}", 422),
        (f"kind=contract&publisher={PUBLISHER}&partial=maybe", 422),
    ],
)
def test_a_question_that_cannot_be_read_queues_nothing(moot: Moot, query: str, status: int) -> None:
    """Unknown kinds, formats and parameters are 422."""
    said = moot.call("POST", f"/v1/imports?{query}", moot.token(), as_csv(contracts(1)), Content_Type=CSV)
    assert said.status_code == status
    assert not _turn(moot)


def test_an_import_is_told_to_its_publisher_alone(moot: Moot) -> None:
    """Another publisher's token, and one of another kind, find nothing there; nobody without a token does."""
    place = _ask(moot, moot.token(), contracts(1))
    assert moot.call("GET", place, moot.token(OTHER)).status_code == 404
    assert moot.call("GET", place, moot.token(kinds=["tool"])).status_code == 404
    assert moot.call("GET", f"{NODE}/v1/imports/none", moot.token()).status_code == 404
    assert moot.call("GET", place, None).status_code == 401


def test_one_key_asks_for_one_import(moot: Moot) -> None:
    """A repeated POST with one Idempotency-Key names the same import."""
    token = moot.token()
    places = {_ask(moot, token, contracts(1), Idempotency_Key="one") for _ in range(2)}
    assert len(places) == 1


def test_a_queue_has_an_end(moot: Moot) -> None:
    """One publisher has at most 20 imports waiting; the next is 503 until one is done, and nobody else's is."""
    token = moot.token()
    for _ in range(jobs.MOST_WAITING):
        _ask(moot, token, contracts(1))
    assert moot.call("POST", ASK, token, as_csv(contracts(1)), Content_Type=CSV).status_code == 503
    elsewhere = ASK.replace(PUBLISHER, OTHER)
    assert moot.call("POST", elsewhere, moot.token(OTHER), as_csv(contracts(1)), Content_Type=CSV).status_code == 202
    for _ in range(2):  # one of the two may be the other publisher's: all were asked for at one moment
        assert _turn(moot)
    _ask(moot, token, contracts(1))


def test_an_upload_above_the_cap_is_refused(moot: Moot) -> None:
    """A file larger than the setting allows is 413."""
    body = b"reference,title\n" + b"x" * 50_200_000
    assert moot.call("POST", ASK, moot.token(), body, Content_Type=CSV).status_code == 413


def test_what_a_killed_worker_left_is_taken_up(moot: Moot) -> None:
    """A claimed job stays with its worker while the lease lasts, and is done by another once it has run out."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    database = moot.services.database
    with database.write() as session:
        killed = jobs.claim(session)
    assert killed is not None
    assert not _turn(moot)
    assert _told(moot, token, place)["state"] == "running"
    _expire(database)
    assert _turn(moot)
    assert _told(moot, token, place)["state"] == "done"
    before = moot.latest()
    importer._work(
        database, killed, moot.services.node, NOW
    )  # the first worker was only slow: it must change nothing now
    assert moot.latest() == before
    assert _told(moot, token, place)["report"]["created"] == 3


def test_a_job_that_ends_its_server_is_given_up(moot: Moot) -> None:
    """After three starts whose worker vanished the import fails, not before; it is told no more than is known."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    for vanished in range(jobs.TRIES):
        with moot.services.database.write() as session:
            held = jobs.claim(session)
        assert held is not None
        assert held.tries == vanished
        _expire(moot.services.database)
    assert _turn(moot)
    told = _told(moot, token, place)
    assert (told["state"], told["error"][:57]) == (
        "failed",
        "This import was begun 3 times, and each time the server o",
    )
    assert "The file may be the reason or not" in told["error"]


def test_a_server_that_is_stopped_gives_its_job_back(moot: Moot) -> None:
    """A clean stop amid the reading counts against nobody: the job waits with its file, and is begun anew at once."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    for _ in range(jobs.TRIES + 1):
        assert _turn(moot, stopping=lambda: True)
        assert _state(moot, token, place) == "queued"
    assert _turn(moot)
    assert _told(moot, token, place)["report"]["created"] == 3


def test_a_worker_that_is_stopped_ends_soon(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Importer.run` waits for no file that is still being read: its child is ended, and the job given back."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    monkeypatch.setattr(children, "_ROOT", _sleeping(moot.services.data_dir))
    _serve(moot, partial(_wait_until, moot, token, place, "running"))
    assert _state(moot, token, place) == "queued"
    with moot.services.database.write() as session:
        held = jobs.claim(session)
    assert held is not None
    assert (held.tries, held.file.body) == (0, as_csv(contracts(3)))


def _sleeping(folder: Path) -> Path:
    """Where the reader of files sleeps for a minute."""
    (folder / "exchange").mkdir()
    (folder / "exchange" / "reading_child.py").write_text("import time\ntime.sleep(60)\n")
    return folder


def _wait_until(moot: Moot, token: str, place: str, state: str) -> None:
    for _ in range(500):
        if _state(moot, token, place) == state:
            return
        time.sleep(0.02)
    pytest.fail(f"it is never {state}")


def _importer(moot: Moot) -> Importer:
    return Importer(moot.services.database, node=moot.services.node, now=lambda: NOW, every=0.01)


def _serve(moot: Moot, until: Callable[[], object]) -> None:
    """Let the worker run until something has come, and then be stopped."""

    async def serve() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(_importer(moot).run(stop))
        await asyncio.to_thread(until)
        stop.set()
        await asyncio.wait_for(task, 10)

    asyncio.run(serve())


AWAY = OperationalError("INSERT", None, sqlite3.OperationalError("unable to open database file"))
NO_PAGE = sqlite3.OperationalError("database or disk is full")
NO_PAGE.sqlite_errorcode = sqlite3.SQLITE_FULL
FULL = OperationalError("INSERT", None, NO_PAGE)
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["published", "log.lock", "log.append"])
def test_t16_an_outage_leaves_the_job_waiting(moot: Moot, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Wherever an import meets a database that does not serve, its file is kept and the start counts for nothing."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    with monkeypatch.context() as patch:
        patch.setattr(f"federation.register.{where}", _raising(AWAY))
        for _ in range(jobs.TRIES + 1):
            with pytest.raises(OperationalError):
                _turn(moot, owner="me")
            assert _state(moot, token, place) == "running"
    assert not _turn(moot), "nobody else takes it while its worker is there"
    assert _turn(moot, owner="me")
    assert _told(moot, token, place)["report"]["created"] == 3


def test_t16_a_full_disk_counts_against_the_file_that_may_fill_it(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that meets one waits for whoever has room; the third time it fails, and says that there is none here."""
    token = moot.token()
    places = [_ask(moot, token, contracts(turn + 1), "&partial=true") for turn in range(2)]
    _at(moot.services.database, places)
    with monkeypatch.context() as patch:
        patch.setattr("exchange.reading_apart._run", lambda *_: children.NO_ROOM)
        for state in ("queued", "queued", "failed"):
            with pytest.raises(OSError, match="disk for temporary files is full"):
                _turn(moot, owner="me")
            assert [_state(moot, token, place) for place in places] == [state, "queued"]
    assert "no room on this server" in _told(moot, token, places[0])["error"]
    assert _turn(moot, owner="another")
    assert _told(moot, token, places[1])["report"]["created"] == 2


def test_t16_a_full_database_counts_likewise(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file too large for the database's disk is not tried for ever, nor does it keep other councils waiting."""
    token = moot.token()
    places = [_ask(moot, token, contracts(turn + 1), "&partial=true") for turn in range(2)]
    _at(moot.services.database, places)
    with monkeypatch.context() as patch:
        patch.setattr("federation.register.log.append", _raising(FULL))
        for state in ("queued", "queued", "failed"):
            with pytest.raises(OperationalError):
                _turn(moot, owner="me")
            assert [_state(moot, token, place) for place in places] == [state, "queued"]
    assert "no room on this server" in _told(moot, token, places[0])["error"]
    assert _turn(moot, owner="me")
    assert _told(moot, token, places[1])["report"]["created"] == 2


def _later(seconds: float) -> Callable[[], bool]:
    """Say after a while that the server stops; the reader is over before."""
    until: list[float] = []

    def stopping() -> bool:
        until[:] = until or [time.monotonic() + seconds]
        return time.monotonic() > until[0]

    return stopping


def test_a_reader_that_is_told_to_end_alone_counts_against_the_file(
    moot: Moot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Three times, then the import fails with a sentence; but not where its server is told to stop a moment later."""
    (tmp_path / "exchange").mkdir()
    program = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    (tmp_path / "exchange" / "reading_child.py").write_text(program)
    monkeypatch.setattr(children, "_ROOT", tmp_path)
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    for _ in range(jobs.TRIES + 1):
        assert _turn(moot, stopping=_later(0.5))
    assert _state(moot, token, place) == "queued"
    monkeypatch.setattr(importer, "SOON_SECONDS", 0.1)
    for _ in range(jobs.TRIES):
        assert _turn(moot)
        assert _state(moot, token, place) == "queued"
    assert _turn(moot)
    assert _state(moot, token, place) == "failed"
    assert "was begun 3 times" in _told(moot, token, place)["error"]


def test_t16_a_full_disk_is_left_alone_for_a_while(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Importer.run` says once that the disk is full, waits longer than for a database, and does what waited."""
    monkeypatch.setattr(importer, "FAULT_SECONDS", 0.0)
    monkeypatch.setattr(importer, "FULL_SECONDS", 0.3)
    token, met = moot.token(), list[float]()
    place = _ask(moot, token, contracts(3))
    published = register.published

    def full_twice(*given: Any) -> Any:
        met.append(time.monotonic())
        if len(met) < jobs.TRIES:
            raise NO_SPACE
        return published(*given)

    monkeypatch.setattr(register, "published", full_twice)
    with capture_logs() as logs:
        _serve(moot, partial(_wait_until, moot, token, place, "done"))
    assert _told(moot, token, place)["report"]["created"] == 3
    assert min(met[1] - met[0], met[2] - met[1]) >= 0.3
    assert [line["error"] for line in logs if "imports wait" in line["event"]] == [str(NO_SPACE)]


def test_t16_an_outage_at_the_very_end_does_an_import_once(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be committed is rolled back with the end of its job, and done again as a whole."""
    token = moot.token()
    place, before = _ask(moot, token, contracts(3)), moot.latest()
    finish = jobs.finish

    def broken(*given: Any) -> None:
        finish(*given)
        raise AWAY

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "finish", broken)
        with pytest.raises(OperationalError):
            _turn(moot, owner="me")
    assert moot.latest() == before
    assert _turn(moot, owner="me")
    assert (moot.latest(), _state(moot, token, place)) == (before + 3, "done")


def test_t16_a_refusal_that_cannot_be_written_down_is_found_again(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read, told to a database that is away, waits and is told when it is back."""
    token = moot.token()
    place = _ask(moot, token, b"\x00\x01")
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "finish", _raising(AWAY))
        with pytest.raises(OperationalError):
            _turn(moot, owner="me")
    assert _turn(moot, owner="me")
    told = _told(moot, token, place)
    assert (told["state"], "NUL" in told["error"]) == ("failed", True)


def test_t16_a_connection_that_is_cut_amid_an_import_is_an_outage(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL that is restarted ends every connection: the import is done when it serves again."""
    database = moot.services.database
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no connections to cut")
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    lock = log.lock

    def cut(session: WriteSession) -> int:
        mine = session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one()
        with database.read() as another:
            another.connection().execute(text("SELECT pg_terminate_backend(:mine)"), {"mine": mine})
        return lock(session)

    with monkeypatch.context() as patch:
        patch.setattr(log, "lock", cut)
        with pytest.raises(DBAPIError):
            _turn(moot, owner="me")
    assert _turn(moot, owner="me")
    assert _told(moot, token, place)["report"]["created"] == 3


def test_t16_the_worker_waits_for_the_database(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Importer.run` outlives an outage, says once why imports wait, and does them when it is over."""
    monkeypatch.setattr(importer, "FAULT_SECONDS", 0.01)
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    whole, left = log.lock, [3]

    def lock(session: WriteSession) -> int:
        left[0] -= 1
        if left[0] >= 0:
            raise AWAY
        return whole(session)

    monkeypatch.setattr(log, "lock", lock)
    with capture_logs() as logs:
        _serve(moot, partial(_wait_until, moot, token, place, "done"))
    assert _told(moot, token, place)["report"]["created"] == 3
    assert [line["error"] for line in logs if "imports wait" in line["event"]] == ["unable to open database file"]


@pytest.mark.parametrize("over", [True, False])
def test_t16_a_worker_that_is_stopped_in_an_outage_ends(
    moot: Moot, monkeypatch: pytest.MonkeyPatch, *, over: bool
) -> None:
    """It gives its job back where the database serves by then; where it does not, the lease runs out."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    met = threading.Event()

    def lock(_session: WriteSession) -> int:
        met.set()
        raise AWAY

    monkeypatch.setattr(log, "lock", lock)
    if not over:
        monkeypatch.setattr(importer, "_give_back", _raising(AWAY))
    _serve(moot, partial(met.wait, 20))
    assert met.is_set()
    assert _state(moot, token, place) == ("queued" if over else "running")


def test_t16_what_an_outage_broke_off_comes_before_all_others(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker ends what it holds first, whoever's turn it is: else its lease would run out meanwhile."""
    token, other = moot.token(), moot.token(OTHER)
    mine, theirs = _ask(moot, token, contracts(3)), _ask(moot, other, contracts(3), to=OTHER)
    _at(moot.services.database, [mine, theirs])
    with monkeypatch.context() as patch:
        patch.setattr(log, "lock", _raising(AWAY))
        with pytest.raises(OperationalError):
            _turn(moot, owner="me")
    for states in (("done", "queued"), ("done", "done")):
        assert _turn(moot, owner="me")
        assert (_state(moot, token, mine), _state(moot, other, theirs)) == states


def test_a_worker_that_is_stopped_holds_nothing(moot: Moot) -> None:
    """Whatever it did last, it gives back what it holds, uncounted."""
    token, worker, stop = moot.token(), _importer(moot), asyncio.Event()
    place = _ask(moot, token, contracts(3))
    with moot.services.database.write() as session:
        assert jobs.claim(session, worker._owner)
    stop.set()
    asyncio.run(worker.run(stop))
    assert _state(moot, token, place) == "queued"
    with moot.services.database.write() as session:
        held = jobs.claim(session)
    assert held is not None
    assert held.tries == 0


def _raising(error: Exception) -> Any:
    def broken(*_: object, **__: object) -> None:
        raise error

    return broken


def test_publishers_take_turns(moot: Moot) -> None:
    """However many files of one council wait, another's first is begun next; of one council, the oldest is first."""
    token, other = moot.token(), moot.token(OTHER)
    mine = [_ask(moot, token, contracts(turn + 1), "&partial=true") for turn in range(3)]
    theirs = [_ask(moot, other, contracts(turn + 1), "&partial=true", to=OTHER) for turn in range(2)]
    waiting = {place: one for one, places in ((token, mine), (other, theirs)) for place in places}
    _at(moot.services.database, [*mine, *theirs])
    ended: list[str] = []
    while _turn(moot):
        done = [place for place, one in waiting.items() if _state(moot, one, place) == "done"]
        ended += [place for place in done if place not in ended]
    assert ended == [mine[0], theirs[0], mine[1], theirs[1], mine[2]]


def _at(database: Database, places: list[str]) -> None:
    """Let imports have been asked for in this order."""
    with database.write() as session:
        for step, place in enumerate(places):
            asked = update(table(Job)).where(table(Job).c.id == place.rpartition("/")[2])
            session.connection().execute(asked.values(created=NOW + timedelta(seconds=step)))


@pytest.mark.parametrize("name", ["%00", "a%00b"])
def test_no_import_has_a_nul_in_its_name(moot: Moot, name: str) -> None:
    """An id that no database takes in a question is unknown, like any other."""
    assert moot.call("GET", f"/v1/imports/{name}", moot.token()).status_code == 404


def test_what_is_uploaded_is_read_in_a_child_process(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its format: nothing of it is parsed where requests are served, and a child that dies fails its job."""
    monkeypatch.setattr("exchange.reading.opened", _raising(AssertionError("it is read in the server")))
    token = moot.token()
    bodies = [
        b"reference,title\nC-1,Care\n",
        b'[{"reference": "C-1", "title": "Care"}]',
        b'{"reference":"C-1","title":"Care"}\n',
    ]
    for body in bodies:
        place = _ask(moot, token, body)
        assert _turn(moot)
        assert _state(moot, token, place) == "done"
    monkeypatch.setattr("exchange.reading_apart._run", lambda *_: children.TOO_LARGE)
    place = _ask(moot, token, bodies[0])
    assert _turn(moot)
    told = _told(moot, token, place)
    assert (told["state"], "more memory" in told["error"]) == ("failed", True)


def test_a_revoked_token_imports_nothing_more(moot: Moot) -> None:
    """What a token asked for before it was revoked, and was not done yet, is not done any more."""
    token = moot.token()
    place = _ask(moot, token, contracts(3))
    with moot.services.database.write() as session:
        tokens.revoke(session, 1, NOW)
    before = moot.latest()
    assert _turn(moot)
    assert moot.latest() == before
    told = _told(moot, moot.token(), place)
    assert (told["state"], "revoked" in told["error"]) == ("failed", True)


@pytest.mark.parametrize("fault", [ZeroDivisionError("secret"), OSError(errno.EFBIG, "secret")])
def test_a_fault_of_ours_is_told_and_raised(moot: Moot, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """What we did not foresee fails the job with a sentence that shows nothing, and reaches the log."""
    token = moot.token()
    place = _ask(moot, token, contracts(1))
    monkeypatch.setattr(register, "run", _raising(fault))
    with pytest.raises(type(fault)):
        _turn(moot)
    told = _told(moot, token, place)
    assert (told["state"], "secret" in told["error"]) == ("failed", False)


def test_the_file_is_not_kept(moot: Moot) -> None:
    """When the import has ended its file is gone from the database; after 30 days the job is too."""
    token = moot.token()
    place = _ask(moot, token, contracts(1))
    _turn(moot)
    with moot.services.database.read() as session:
        assert session.connection().execute(text("SELECT body FROM job")).scalars().all() == [None]
    with moot.services.database.write() as session:
        jobs_old = update(table(Job)).values(finished=NOW - timedelta(days=31))
        session.connection().execute(jobs_old)
    _ask(moot, token, contracts(2))
    assert moot.call("GET", place, token).status_code == 404


def test_workers_share_the_queue(moot: Moot) -> None:
    """Four workers at once do six imports, each once."""
    token = moot.token()
    places = [_ask(moot, token, contracts(turn + 1), "&partial=true") for turn in range(6)]
    with ThreadPoolExecutor(4) as pool:
        while any(pool.map(lambda _: _turn(moot), range(4))):
            pass
    reports = [_told(moot, token, place) for place in places]
    assert {told["state"] for told in reports} == {"done"}
    assert sum(told["report"]["created"] for told in reports) == 6
    assert moot.latest() == 2 + 6


def test_the_worker_beside_the_server_does_what_is_asked(moot: Moot) -> None:
    """`Importer.run` does queued imports until it is told to stop."""
    token = moot.token()
    place = _ask(moot, token, contracts(2))
    _serve(moot, partial(_wait_until, moot, token, place, "done"))
    assert _state(moot, token, place) == "done"


def test_a_lease_is_renewed_for_as_long_as_the_import_lasts(moot: Moot, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that takes longer than its lease keeps it, so that nobody else begins it; afterwards it runs out."""
    monkeypatch.setattr(importer, "RENEW", 0.02)
    _ask(moot, moot.token(), contracts(1))
    database = moot.services.database
    with database.write() as session:
        held = jobs.claim(session)
    assert held is not None
    _expire(database)
    with database.read() as session:
        assert jobs.waiting(session)
    with importer._renewed(database, held):
        for _look in range(500):
            with database.read() as session:
                if not jobs.waiting(session):
                    break
            time.sleep(0.02)
        assert not _turn(moot), "it is somebody's again"
    assert "import-lease" not in {thread.name for thread in threading.enumerate()}
    _expire(database)
    assert _turn(moot)


def test_what_imports_hold_of_a_person_is_forgotten(moot: Moot) -> None:
    """When a record goes as personal data, reports of its kind lose what their cells held, those of others do not."""
    token = moot.token()
    contract = _ask(
        moot, token, [{"reference": "C1", "title": "Care"}, {"reference": "C2", "title": "X", "endDate": "Jo"}]
    )
    skill = "/v1/imports?kind=skill&publisher=" + PUBLISHER
    body = b"reference,name,level\nS1,,Jo\n"
    other = moot.call("POST", skill, token, body, Content_Type=CSV).headers["location"]
    assert _turn(moot)
    assert _turn(moot)
    before = [_told(moot, token, place)["report"]["problems"] for place in (contract, other)]
    assert [problem["value"] for problem in before[0]] == ["Jo"]
    with moot.services.database.write() as session:
        jobs.erase(session, PUBLISHER, "contract", now=NOW)
    after = [_told(moot, token, place)["report"]["problems"] for place in (contract, other)]
    assert after == [[problem | {"value": ""} for problem in before[0]], before[1]]


@pytest.mark.parametrize(
    ("body", "wish"),
    [
        (b"C-1,Care of Jo Invented,2026-01-01\nC-2,Roads,2026-01-01\n", ""),
        (b"ContractReference,ContractTitle,Supplier,Supplier\nC-1,Care,Jo Invented,Acme Ltd\n", "&dryRun=true"),
    ],
    ids=["without a header", "two columns of one name"],
)
def test_no_report_of_an_import_quotes_a_person(moot: Moot, body: bytes, wish: str) -> None:
    """What is said of a file by its first cells, or by another column's cell, goes as the cells themselves do."""
    token = moot.token()
    where = f"/v1/imports?kind=contract&publisher={PUBLISHER}{wish}"
    place = moot.call("POST", where, token, body, Content_Type=CSV).headers["location"]
    assert _turn(moot)
    assert "Jo Invented" in orjson.dumps(_told(moot, token, place)).decode()
    with moot.services.database.write() as session:
        jobs.erase(session, PUBLISHER, "contract", now=NOW)
    assert "Jo Invented" not in orjson.dumps(_told(moot, token, place)).decode()


@pytest.mark.parametrize(
    "body",
    [
        b"reference,title\nC-1,Care for Jo Invented\nC-2,Roads\n",
        b"title,suppliers.0.name,startDate\nCare,Jo Invented,2026-01-01\nRoads,Acme Ltd,2026-01-01\n",
        b"reference,title,startDate\nC-1,Care for Jo Invented,2026-01-01\nC-1,Roads,2026-02-01\n",
    ],
    ids=["reference", "derived", "suffix"],
)
def test_a_file_that_waits_does_not_publish_what_is_withdrawn(moot: Moot, body: bytes) -> None:
    """An import that waits when a record of its kind goes as personal data fails, and says why and what to do."""
    token = moot.token()
    _ask(moot, token, body)
    assert _turn(moot)
    place = _ask(moot, token, body)
    record = _withdraw(moot, token)
    assert not _turn(moot)
    told = _told(moot, token, place)
    assert (told["state"], told["finished"]) == ("failed", told["created"])
    assert told["error"].startswith("A record was withdrawn as personal data")
    assert told["error"].endswith("take it out there and send the file again.")
    assert [entry.id for entry in _contracts(moot.services.database) if entry.data is None] == [record]


def test_a_file_that_is_being_read_does_not_publish_what_is_withdrawn(moot: Moot) -> None:
    """The worker that has such a file in hand has lost it: what it did is rolled back, and nobody takes it up again."""
    token, database = moot.token(), moot.services.database
    body = b"reference,title\nC-1,Care for Jo Invented\nC-2,Roads\n"
    _ask(moot, token, body)
    assert _turn(moot)
    place = _ask(moot, token, body)
    with database.write() as session:
        held = jobs.claim(session)
    assert held is not None
    record = _withdraw(moot, token)
    importer._work(database, held, moot.services.node, NOW)
    _expire(database)
    assert not _turn(moot)
    assert _state(moot, token, place) == "failed"
    assert [entry.id for entry in _contracts(database) if entry.data is None] == [record]


def _withdraw(moot: Moot, token: str) -> str:
    """Withdraw the contract that names a person. Gives its id."""
    (record,) = [entry.id for entry in _contracts(moot.services.database) if b"Jo Invented" in (entry.data or b"")]
    tag = moot.http.get(record, headers={"Accept": "application/json"}).headers["etag"]
    assert moot.call("DELETE", f"{record}?reason=personal-data", token, If_Match=tag).status_code == 204
    return record


def _contracts(database: Database) -> list[Entry]:
    with database.read() as session:
        return log.after(session, 0, kind="contract")


def _state(moot: Moot, token: str, place: str) -> str:
    return str(_told(moot, token, place)["state"])


def _expire(database: Database) -> None:
    with database.write() as session:
        gone = clock(session) - timedelta(seconds=1)
        session.connection().execute(update(table(Job)).values(leased_until=gone))
