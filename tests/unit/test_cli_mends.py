"""What an operator meets at the command line when something is not as it should be: a sentence, and nothing lost."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from folkmoot import cli, serving
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


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nobody's fault but ours is not hidden behind a sentence."""

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
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
