"""What is uploaded to a server is read in a child process, whatever its format: the child dies alone."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pytest

from exchange import candidates, children, drafts, reading_apart, reading_child
from exchange.children import Stopped
from exchange.reading import Parsed, named, parse
from exchange.reading_apart import ReaderBroken, parse_apart
from schema.errors import Malformed
from tests.unit.exchange.making import EXA, csv_of, read, read_rows, row, xlsx_of

ROWS = [
    row(),
    row(),
    row(ContractReference="EXA-2", EndDate="TBC", OrganisationLabel="Otherton"),
    row(ContractReference="EXA-2", ContractTitle="Bins", OrganisationLabel="Otherton"),
    row(ContractReference="EXA-3", ContractTitle=""),
    row(ContractReference="", ContractTitle="Caf\u00e9 \u2013 \u00a31m lease"),
]
CELLS = [list(ROWS[0]), *(list(cells.values()) for cells in ROWS[:2])]
JSON = [{"reference": "A", "title": "Lawns"}, {"reference": "B"}, {"title": "Bins", "local": {"a": [1.5, None]}}, 3]
FILES = {
    "lga": csv_of(ROWS).encode("cp1252"),
    "plain": b"reference,title,endDate\r\nA,Lawns,2027-03-31\r\nA,Bins,\r\n,Roads,TBC\r\n\r\nB,,\r\n",
    "xlsx": xlsx_of({"Register": CELLS, "Notes": [["x"]]}),
    "json": json.dumps(JSON).encode(),
    "ndjson": b"\n".join(json.dumps(one).encode() for one in JSON),
}


def _apart(body: bytes, **more: Any) -> Parsed:
    return parse_apart(body, **{"filename": "register", "kind": "contract", "publisher": EXA, **more})


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_read_apart_is_the_same_register(name: str) -> None:
    """Records, refused rows, problems and counts are those of a reading in this process, whatever the format."""
    here, there = (
        named(one(FILES[name], filename="register", kind="contract", publisher=EXA), None)
        for one in (parse, parse_apart)
    )
    assert (here.format, here.layout, here.ignored_sheets) == (there.format, there.layout, there.ignored_sheets)
    assert here.report == there.report
    assert here.refused == there.refused
    assert [(r.id, r.reference, r.rows, r.buyers, r.body) for r in here.records] == [
        (r.id, r.reference, r.rows, r.buyers, r.body) for r in there.records
    ]
    assert here.report.accepted


@pytest.mark.parametrize(
    ("body", "more", "sentence"),
    [
        (b"%PDF-1.7", {}, "This is a PDF"),
        (b'[{"reference": "A", ', {}, "breaks off"),
        (b"x,y\r\n1,2\r\n", {}, "No header"),
        (b"title\r\nx\r\n", {"kind": "nothing"}, "not a kind"),
        (b"title\r\nx\r\n", {"format": "pdf"}, "format"),
        (b"PK\x03\x04", {}, "damaged"),
    ],
)
def test_what_is_refused_is_refused_in_the_same_words(body: bytes, more: dict[str, str], sentence: str) -> None:
    """The sentence that the child found comes back."""
    with pytest.raises(Malformed, match=sentence):
        _apart(body, **more)


@pytest.mark.parametrize("piece", [b"{},", b"[],"])
def test_a_flood_of_objects_is_refused_by_their_number(piece: bytes) -> None:
    """More records than are read are refused, before anything is made of them."""
    with pytest.raises(Malformed, match="more than 500000 records"):
        _apart(b"[" + piece * 600_000 + b"{}]")


def test_a_file_that_would_fill_the_memory_kills_only_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes that become gigabytes of objects: the child dies of it, and the reader says so."""
    monkeypatch.setattr(reading_apart, "MEMORY", 100_000_000)
    with pytest.raises(Malformed, match="more memory"):
        _apart(b"[" + b"[]," * 1_500_000 + b"{}]")


def test_a_file_that_takes_the_processor_for_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one that would be read for minutes."""
    monkeypatch.setattr(reading_apart, "CPU_SECONDS", 1)
    rows = [{"reference": f"R{n}", "title": "x"} for n in range(100_000)]
    with pytest.raises(Malformed, match="took longer"):
        _apart(csv_of(rows).encode())


def test_a_file_of_which_too_much_would_be_said_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the child writes is bounded too."""
    monkeypatch.setattr(reading_apart, "OUTPUT", 100)
    monkeypatch.setattr(reading_apart, "OUTPUT_A_BYTE", 0)
    with pytest.raises(Malformed, match="more memory"):
        _apart(FILES["lga"])


def _run_of(code: int, said: bytes = b"", sentence: bytes = b"") -> Any:
    def run(_given: IO[bytes], out: IO[bytes], told: IO[bytes], _stopping: object) -> int:
        out.write(said)
        told.write(sentence)
        return code

    return run


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        (-signal.SIGXCPU, Malformed, "took longer"),
        (-signal.SIGKILL, Malformed, "more memory"),
        (-signal.SIGSEGV, Malformed, "more memory"),
        (children.TOO_LARGE, Malformed, "more memory"),
        (children.UNREADABLE, Malformed, "^No good$"),
        (children.NO_ROOM, OSError, "disk"),
        (1, ReaderBroken, "No good"),
        (0, ReaderBroken, "read all"),
    ],
)
def test_however_a_child_ends_it_is_told_for_what_it_is(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], sentence: str
) -> None:
    """A file at fault is Malformed; a full disk and a fault of ours are not the file's."""
    monkeypatch.setattr(reading_apart, "_run", _run_of(code, sentence=b"No good"))
    with pytest.raises(error, match=sentence):
        _apart(b"title\r\nx\r\n")


def test_a_file_that_takes_too_long_by_the_clock_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that only waits does not wait for ever."""
    monkeypatch.setattr(reading_apart, "WALL_SECONDS", 0.001)
    with pytest.raises(Malformed, match="took longer"):
        _apart(FILES["lga"])


def test_a_server_that_is_stopped_reads_no_further() -> None:
    """Neither file nor reader is at fault then."""
    with pytest.raises(Stopped):
        _apart(FILES["lga"], stopping=lambda: True)


LEAVES = """
import os, pathlib, subprocess, sys, time
here = pathlib.Path(__file__).parent
(here / "begun").write_text(str(subprocess.Popen(["sleep", "60"]).pid))
(here / "begun").rename(here / "inner")
"""
DIES = "import os, signal\nos.kill(os.getpid(), signal.{})\n"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (DIES.format("SIGTERM"), -signal.SIGTERM),
        (DIES.format("SIGKILL"), -signal.SIGKILL),
        ("import sys\nsys.exit(3)\n", 3),
    ],
)
def test_a_child_of_what_nobody_stops_ends_by_its_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, code: int
) -> None:
    """By SIGTERM too, at the command line, where nothing waits for another try."""
    assert _run_program(monkeypatch, tmp_path, program) == code


def test_a_child_that_is_stopped_with_its_server_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who stops a service sends the signal to all its processes, and the server learns of it last: minutes later."""
    with pytest.raises(Stopped):
        _run_program(monkeypatch, tmp_path, DIES.format("SIGTERM"), stopping=lambda: False)


def test_a_workbook_whose_reader_is_told_to_end_needs_too_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nobody is stopped, as at the command line, it is a sentence, never `Stopped`."""
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange" / "workbook_child.py").write_text(DIES.format("SIGTERM"))
    monkeypatch.setattr(children, "_ROOT", tmp_path)
    with pytest.raises(Malformed, match="more memory"):
        parse(FILES["xlsx"], filename="x.xlsx", kind="contract", publisher=EXA)


@pytest.mark.parametrize(
    ("end", "code"),
    [("time.sleep(60)", -signal.SIGXCPU), (DIES.format("SIGKILL"), -signal.SIGKILL), ("sys.exit(3)\n", 3)],
)
def test_a_child_that_ends_takes_its_own_children_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str, code: int
) -> None:
    """A workbook's reader does not go on when the reader of the upload is ended, or has died by itself."""
    assert _run_program(monkeypatch, tmp_path, LEAVES + end, seconds=2.0, group=True) == code
    _wait_until_it_is_gone(int((tmp_path / "inner").read_text()))


def test_a_child_that_is_stopped_takes_its_own_children_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So it is when the server is."""
    inner = tmp_path / "inner"
    with pytest.raises(Stopped):
        _run_program(monkeypatch, tmp_path, f"{LEAVES}time.sleep(60)\n", group=True, stopping=inner.exists)
    _wait_until_it_is_gone(int(inner.read_text()))


READS = """
import sys
from exchange import children
with open(sys.argv[2], "wb") as out:
    children.run(sys.argv[1], sys.stdin.buffer, out, out, seconds=60, group=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
@pytest.mark.parametrize("module", ["exchange.reading_child", "exchange.workbook_child"])
def test_a_child_ends_with_a_server_that_is_killed(module: str, tmp_path: Path) -> None:
    """Nobody waits for what it reads, and the server that is started next reads the same file."""
    given, kept = os.pipe()
    with os.fdopen(given, "rb") as file, os.fdopen(kept, "wb", buffering=0) as sent:
        command = [sys.executable, "-c", READS, module, str(tmp_path / "out")]
        with subprocess.Popen(command, stdin=file, cwd=Path(children.__file__).parents[1]) as server:
            sent.write(b"{")
            _until_it_is_read(file)
            [child] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            assert _runs(int(child))  # for as long as something may come
            server.kill()
        _wait_until_it_is_gone(int(child))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_a_child_that_is_late_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose server was killed while it started, before it could ask the system for that, does not begin."""
    program = "from exchange import children; children.end_with_parent(); print('it reads')"
    monkeypatch.setenv("PYTHONPATH", str(Path(children.__file__).parents[1]))
    ended = subprocess.run([sys.executable, "-c", program, "0"], check=False, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (signal.SIGTERM, b"")


def _until_it_is_read(pipe: IO[bytes]) -> None:
    """Wait until somebody has taken out of a pipe what was put into it."""
    for _ in range(600):
        if not any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))):
            return
        time.sleep(0.05)
    pytest.fail("nobody reads")


def _run_program(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str, **how: Any) -> int:
    """Run a program as a child. Gives its code."""
    (folder / "poor.py").write_text(program)
    monkeypatch.setattr(children, "_ROOT", folder)
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as told:
        return children.run("poor", given, out, told, **{"seconds": 60.0, **how})


def _wait_until_it_is_gone(inner: int) -> None:
    for _ in range(100):
        if not _runs(inner):
            return
        time.sleep(0.05)
    pytest.fail("it still runs")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class _Pipe:
    def __init__(self, body: bytes = b"") -> None:
        self.buffer = io.BytesIO(body)


def _asked(body: bytes) -> _Pipe:
    about = {"id": EXA.id, "name": EXA.name, "id_prefix": EXA.id_prefix}
    limits = {"memory": 1000, "seconds": 100, "output": 10}
    asked = {"filename": "x", "kind": "contract", "format": None, "publisher": about, "limits": limits}
    return _Pipe(json.dumps(asked).encode() + b"\n" + body)


def _confined(monkeypatch: pytest.MonkeyPatch, body: bytes) -> tuple[_Pipe, dict[int, tuple[int, int]]]:
    """Let `main` read a body, its limits only noted. Gives what it writes, and the limits."""
    out, limits = _Pipe(), dict[int, tuple[int, int]]()
    for name, pipe in (("stdin", _asked(body)), ("stdout", out), ("stderr", _Pipe())):
        monkeypatch.setattr(f"sys.{name}", pipe)
    monkeypatch.setattr("gc.disable", lambda: None)
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    return out, limits


def test_the_child_sets_its_limits_before_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory, processor time, output and core are bounded; the answer ends with an end."""
    out, limits = _confined(monkeypatch, FILES["plain"])
    assert reading_child.main() == 0
    said = [json.loads(line) for line in out.buffer.getvalue().splitlines()]
    assert [one if isinstance(one, str) else "head" if isinstance(one, dict) else one[0] for one in said] == [
        "head", "ready", "ready", "ready", "refused", "problem", "problem", "end",
    ]  # fmt: skip
    assert limits == {
        resource.RLIMIT_AS: (1000, 1000),
        resource.RLIMIT_CPU: (100, 105),
        resource.RLIMIT_FSIZE: (10, 10),
        resource.RLIMIT_CORE: (0, 0),
    }


def test_limits_that_the_system_has_set_lower_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child never asks for more than its server may have."""
    limits: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (50, 50))
    children.confine(memory=1000, seconds=10, output=20)
    assert limits[resource.RLIMIT_AS] == (50, 50)
    assert limits[resource.RLIMIT_CPU] == (10, 15)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), children.TOO_LARGE),
        (OSError(errno.EFBIG, "too large"), children.TOO_LARGE),
        (OSError(errno.ENOSPC, "full"), children.NO_ROOM),
        (Malformed("It is wrong."), children.UNREADABLE),
    ],
)
def test_the_child_says_how_it_ended(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    """By its code."""
    _confined(monkeypatch, b"x")
    monkeypatch.setattr("exchange.reading.parse", _raising(error))
    assert reading_child.main() == code


def test_a_fault_of_ours_in_the_child_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the interpreter ends with a code of its own, and the log of the server has the end of what it says."""
    _confined(monkeypatch, b"x")
    monkeypatch.setattr("exchange.reading.parse", _raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        reading_child.main()


def _raising(error: Exception) -> Any:
    def broken(*_: object, **__: object) -> Parsed:
        raise error

    return broken


def test_a_library_without_memory_says_so_in_its_own_words() -> None:
    """What lies behind its error counts."""
    told = SystemError("returned a result with an exception set")
    told.__cause__ = MemoryError()
    assert children.ending(told) == children.TOO_LARGE
    assert children.ending(SystemError()) == 0


def test_the_server_holds_no_bodies() -> None:
    """What the child found goes to the spool line by line: of each row the server holds little but its reference."""
    found = _apart(csv_of([row(ContractReference=f"E{n}") for n in range(200)]).encode())
    assert len(found.ready) == 200
    assert not any(ready.body for ready in found.ready)
    assert {len(found.spool.get(ready.number)) > 50 for ready in found.ready} == {True}


def test_more_than_can_be_told_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report has an end: a file with more faults than that is refused as a whole."""
    monkeypatch.setattr(drafts, "MOST_PROBLEMS", 3)
    rows = [row(ContractReference=f"E{n}", EndDate="TBC") for n in range(4)]
    assert len(read_rows(rows[:3]).report.problems) == 3
    with pytest.raises(Malformed, match="more wrong with the file than can be told: over 3"):
        read_rows(rows)


def test_more_records_than_are_read_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of notices may hold many: they are counted too."""
    monkeypatch.setattr(candidates, "MOST_ROWS", 2)
    awards = "".join(f",releases/0/awards/{n}/title" for n in range(3))
    header = f"releases/0/ocid,releases/0/tender/id{awards}\r\n"
    assert len(read(header + "ocds-1,T1,a,b,\r\n").records) == 2
    with pytest.raises(Malformed, match="more than 2 records"):
        read(header + "ocds-1,T1,a,b,c\r\n")


def test_rows_can_be_named_again() -> None:
    """Naming leaves what was parsed as it is: by what is published then, the same rows get the ids of then."""
    two = [row(ContractReference="R", ContractTitle=title) for title in ("Bins", "Roads")]
    parsed = parse(csv_of(two).encode(), filename="x.csv", kind="contract", publisher=EXA)
    first = named(parsed, None)
    bare = f"{EXA.id_prefix}contract/R"
    assert all(record.id.startswith(f"{bare}~") for record in first.records)
    again = named(parsed, {bare: first.records[1].data})
    assert [record.id for record in again.records] == [first.records[0].id, bare]
    assert [record.id for record in named(parsed, None).records] == [record.id for record in first.records]
    assert named(parsed, None).report == first.report
