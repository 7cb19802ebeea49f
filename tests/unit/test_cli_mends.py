"""What an operator meets at the command line when something is not as it should be: a sentence, and nothing lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from folkmoot import cli, serving, settings
from folkmoot.demo.processes import DemoFailed, Server
from folkmoot.words import counted
from schema.errors import Misconfigured

REGISTER = "reference,title\nEXA-1,Planning system\n"


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in a folder of its own, as `folkmoot ...` does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", "https://moot.exampleshire.example")

    def go(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["folkmoot", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.run()
        told = capfd.readouterr()
        return Said(int(ended.value.code or 0), told.out, told.err)

    return go


def test_the_list_of_problems_never_takes_the_place_of_the_register(run: Run, tmp_path: Path) -> None:
    """`--faults-csv` refuses the register itself, by any of its names, and leaves it as it is."""
    register = tmp_path / "register.csv"
    register.write_text(REGISTER)
    (tmp_path / "other.csv").hardlink_to(register)
    for name in ("register.csv", "./register.csv", "other.csv"):
        said = run("check", "register.csv", "--kind", "contract", "--faults-csv", name)
        assert said.code == 2
        assert "the register itself" in said.err
    assert register.read_text() == REGISTER


def test_the_list_of_problems_stays_until_there_is_a_new_one(run: Run, tmp_path: Path) -> None:
    """A check that fails leaves the list of before; one that works replaces it and leaves nothing beside it."""
    faults = tmp_path / "faults.csv"
    faults.write_text("before")
    (tmp_path / "broken.csv").write_text("no,register\n1,2\n")
    assert run("check", "broken.csv", "--kind", "contract", "--faults-csv", "faults.csv").code == 2
    assert faults.read_text() == "before"
    (tmp_path / "register.csv").write_text(REGISTER)
    assert run("check", "register.csv", "--kind", "contract", "--faults-csv", "faults.csv").code == 0
    assert faults.read_text() != "before"
    assert not list(tmp_path.glob("*.part"))


def test_a_place_that_cannot_be_written_is_told_before_the_work(run: Run, tmp_path: Path) -> None:
    """`--faults-csv` and `export --out` to a folder or into no folder: a sentence, exit code 2, nothing left."""
    (tmp_path / "register.csv").write_text(REGISTER)
    (tmp_path / "place").mkdir()
    for target, words in (("place", "is a folder"), ("nowhere/f.csv", "there is no folder nowhere")):
        for command in (
            ("check", "register.csv", "--kind", "contract", "--faults-csv", target),
            ("export", "contract", "--out", target),
        ):
            said = run(*command)
            assert said.code == 2
            assert words in said.err
            assert said.err.count("\n") == 1
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("check", "none.csv", "--kind", "contract"), "There is no file none.csv."),
        (("import", "none.csv", "--kind", "contract"), "There is no file none.csv."),
        (("check", ".", "--kind", "contract"), ". is a folder; name a register's file."),
        (("migrate", "foo"), "The database's tables could not be changed"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(run: Run, words: tuple[str, ...], told: str) -> None:
    """A missing file, a folder for a file, an unknown revision: exit code 2 and one line, without a class or number."""
    said = run(*words)
    assert said.code == 2
    assert told in said.err
    assert "Errno" not in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://moot:hush@127.0.0.1:1/moot", "The database moot at 127.0.0.1:1 cannot be used"),
        ("sqlite:///damaged.db", "The database damaged.db cannot be used: file is not a database."),
        ("rubbish", "FOLKMOOT_DATABASE_URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    """Host or file and the cause, never the password, in one line with exit code 2."""
    (tmp_path / "damaged.db").write_bytes(b"This was never a database. " * 400)
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", url)
    said = run("publisher", "list")
    assert said.code == 2
    assert told in said.err
    assert "hush" not in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("between", ["/", "@", ":", "%40", "?", "#", "/x?y#z:", "@b/", "@b:", "@b?"])
def test_no_piece_of_an_awkward_password_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    """Whatever a password holds and however it splits the address, one line says what is wrong and has none of it."""
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", f"postgresql://moot:hush{between}hisst@127.0.0.1:1/moot")
    said = run("publisher", "list")
    assert said.code == 2
    assert "The database moot at 127.0.0.1:1 cannot" in said.err or "FOLKMOOT_DATABASE_URL cannot be read" in said.err
    assert "hush" not in said.err
    assert "hisst" not in said.err
    assert said.err.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nobody's fault but ours is not hidden behind a sentence."""

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "command_line", lambda _word: broken)
    with pytest.raises(ZeroDivisionError):
        cli.run()


def test_a_taken_port_and_an_unknown_host_are_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` binds its port first, and says in one sentence which one it could not have."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"Port {port} of 127.0.0.1 is taken"):
            serving.bound("127.0.0.1", port)
    for one in serving.bound("127.0.0.1", port):
        one.close()
    with pytest.raises(Misconfigured, match="which is no address of this machine"):
        serving.bound("192.0.2.1", port)

    def unknown(*_asked: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Misconfigured, match="FOLKMOOT_HOST is 'moot"):
        serving.bound("moot.example", port)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LICENSE", "OGL", "FOLKMOOT_LICENSE is 'OGL'; expected the address of a licence"),
        ("CONTACT_EMAIL", "digital team", "FOLKMOOT_CONTACT_EMAIL is 'digital team'; expected a mailbox"),
        ("UPDATE_FREQUENCY", "daily", "FOLKMOOT_UPDATE_FREQUENCY is 'daily'; expected an ISO 8601 duration"),
        ("UPDATE_FREQUENCY", "P", "expected an ISO 8601 duration"),
        ("UPDATE_FREQUENCY", "P1DT", "expected an ISO 8601 duration"),
        ("LANGUAGES", "English!", "expected BCP 47 tags joined by commas"),
        ("LANGUAGES", "en,", "expected BCP 47 tags joined by commas"),
        ("PORT", "http", "FOLKMOOT_PORT is 'http'; expected a whole number."),
        ("PORT", "70000", "FOLKMOOT_PORT is '70000'; expected 65535 or less."),
        ("ROLE", "nod", "FOLKMOOT_ROLE is 'nod'; expected 'node' or 'aggregator'."),
        ("CRAWL_INSIDE", "perhaps", "FOLKMOOT_CRAWL_INSIDE is 'perhaps'; expected true or false."),
    ],
)
def test_a_setting_that_breaks_the_manifest_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, told: str
) -> None:
    """The sentence names the variable, what it says and what was expected; no words of a library."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"FOLKMOOT_{name}", value)
    with pytest.raises(Misconfigured) as found:
        settings.load()
    assert told in found.value.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UPDATE_FREQUENCY", "P1Y2M3W4DT5H6M7S"),
        ("UPDATE_FREQUENCY", "PT12H"),
        ("LANGUAGES", "en, cy"),
        ("CONTACT_EMAIL", ""),
        ("LICENSE", "https://licence.example/1"),
    ],
)
def test_what_the_manifest_allows_is_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    """Durations of every unit, several languages, no mailbox, another licence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"FOLKMOOT_{name}", value)
    assert getattr(settings.load(), name.lower()) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port = 'http'", "folkmoot.toml: port is 'http'; expected a whole number."),
        ("publik_url = 'https://hush.example'", "folkmoot.toml: there is no setting 'publik_url' (near: public_url)."),
        ("port 8000", "folkmoot.toml is not TOML: "),
    ],
)
def test_a_fault_of_the_file_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, told: str
) -> None:
    """A bad value, an unknown key with the one it resembles, and a file that is not TOML."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folkmoot.toml").write_text(text)
    with pytest.raises(Misconfigured) as found:
        settings.load()
    assert told in found.value.detail
    assert "hush" not in found.value.detail


def test_a_misspelt_variable_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning names the setting that it resembles, comes once, and leaves the tests' own variables alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "_warned", set())
    monkeypatch.setenv("FOLKMOOT_PUBLIK_URL", "https://moot.example")
    monkeypatch.setenv("FOLKMOOT_TEST_ANYTHING", "1")
    settings.load()
    settings.load()
    warning = "FOLKMOOT_PUBLIK_URL is no setting, and is not read (near: FOLKMOOT_PUBLIC_URL)."
    assert capsys.readouterr().err == f"folkmoot: warning: {warning}\n"


def test_a_publisher_is_changed_and_the_change_is_published(run: Run) -> None:
    """`publisher set` changes the record and the relation, appends only what differs, and refuses what is unknown."""
    assert run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire", "--region", "Wessex").code == 0
    said = run("publisher", "set", "GB-LAE-EXA", "--name", "Exampleshire County Council", "--region", "")
    assert (said.code, said.out) == (0, "GB-LAE-EXA is changed.\n")
    assert run("publisher", "set", "GB-LAE-EXA", "--relation", "hosted").out == "GB-LAE-EXA is changed.\n"
    assert "nothing is changed" in run("publisher", "set", "GB-LAE-EXA", "--relation", "hosted").out
    listed = run("publisher", "list").out.splitlines()
    assert listed[0].startswith("id\tname\trelation")
    assert listed[1].startswith("GB-LAE-EXA\tExampleshire County Council\thosted\t")
    exported = run("export", "organisation", "--format", "ndjson").out
    assert '"name":"Exampleshire County Council"' in exported
    assert "Wessex" not in exported
    for words, told in (
        (("GB-LAE-NOT", "--name", "Nobody"), "GB-LAE-NOT is no publisher of this node"),
        (("GB-LAE-EXA", "--relation", "owned"), "The relation is 'owned'; expected own, hosted, unofficial."),
        (("GB-LAE-EXA", "--name", ""), "name"),
        (("GB-LAE-EXA", "--gss", "nowhere"), "gss"),
        (("GB-LAE-EXA",), "Say what to change"),
    ):
        said = run("publisher", "set", *words)
        assert said.code == 2, words
        assert told in said.err
    assert run("export", "organisation", "--format", "ndjson").out == exported


def test_an_unknown_relation_is_refused_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    """The manifest knows three relations: another one makes no publisher, and not even a database."""
    said = run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire", "--relation", "owned")
    assert said.code == 2
    assert "expected own, hosted, unofficial" in said.err
    assert not (tmp_path / "data").exists()


def test_ids_under_this_machines_address_are_warned_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FOLKMOOT_PUBLIC_URL the first publication says what every id begins with; with it, nothing."""
    assert run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire").err == ""
    monkeypatch.delenv("FOLKMOOT_PUBLIC_URL")
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", "other")
    said = run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire")
    assert said.code == 0
    assert "FOLKMOOT_PUBLIC_URL is not set, so every id begins with http://127.0.0.1:8000 for ever" in said.err


DEMO = """
import signal, subprocess, sys, time
from folkmoot.demo import processes, run

# A test run in the background, or under nohup, hands down signals that are ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

def publish(folder, servers, today, say):
    server = run.Server("Exampleshire", "node", folder)
    server.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    servers.append(server)
    print(server.process.pid, folder, flush=True)
    time.sleep(600)

run._publish = publish
run.run(check=False, say=print)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_demo_ends_its_servers_whatever_ends_it(number: signal.Signals) -> None:
    """TERM, a closed terminal and Ctrl-C: no server stays behind, and no folder."""
    with subprocess.Popen([sys.executable, "-c", DEMO], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        server, folder = demo.stdout.readline().split()
        demo.send_signal(number)
        try:
            assert demo.wait(timeout=30) == 0
        finally:
            demo.kill()
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(server), 0)


def test_a_server_is_not_started_while_the_demo_ends(tmp_path: Path) -> None:
    """A worker that is still importing when the demo is told to end starts nothing after it."""
    server = Server("Exampleshire", "node", tmp_path, ending=True)
    for work in (server.start, lambda: server.run("--version")):
        with pytest.raises(DemoFailed, match="is ending"):
            work()
    assert server.process is None


def test_a_check_tells_what_it_read_and_no_changes(run: Run, tmp_path: Path) -> None:
    """A check changes nothing, so it counts no changes; one is one record; an empty file is told to be held."""
    (tmp_path / "register.csv").write_text(REGISTER)
    said = run("check", "register.csv", "--kind", "contract")
    assert said.code == 0
    assert "1 record, layout" in said.out
    assert "1 row: 1 accepted" in said.out
    assert "unchanged" not in said.out
    (tmp_path / "empty.csv").write_text(REGISTER.splitlines()[0] + "\n")
    said = run("check", "empty.csv", "--kind", "contract")
    assert said.code == 0
    assert "The file holds no record: an import would hold it" in said.out


def test_the_doctor_tells_one_cause_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is told once, in plain words; what needs it is not looked at."""
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", "postgresql://moot:hush@127.0.0.1:1/moot")
    said = run("doctor")
    assert said.code == 1
    assert said.out.count("The database moot at 127.0.0.1:1 cannot be used") == 1
    waiting = [line for line in said.out.splitlines() if line.endswith(": not looked at: it needs the database.")]
    assert [line[6:].partition(":")[0] for line in waiting] == ["publishers", "public URL", "data folder", "index"]
    assert "hush" not in said.out
    assert "psycopg" not in said.out


def test_the_list_of_nodes_has_a_header(run: Run) -> None:
    """Plain output names its columns in the first line, also where there is no node yet."""
    assert run("node", "list").out.startswith("key\tname\trole\tstate\t")


@pytest.mark.parametrize(("number", "words"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages")])
def test_one_is_not_many(number: int, words: str) -> None:
    """One page is no `1 pages`."""
    assert counted(number, "page") == words
