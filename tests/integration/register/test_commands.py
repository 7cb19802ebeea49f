"""`folkmoot import`, `check`, `export` and `token`: what they print, what they change, how they exit."""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import xlsxwriter  # type: ignore[import-untyped]

from federation import tokens
from tests.integration.register.conftest import Office, as_csv, contracts
from tests.services import NODE, NOW, PREFIX, PUBLISHER

# The commands are the same on both databases, and what they do there is proved beside: one is enough here.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])
COUNTS = ("accepted", "refused", "empty", "merged", "warned", "created", "updated", "deleted", "unchanged")
FAULT = ("row", "column", "field", "value", "expected", "message", "severity", "code")


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object that it printed, and nothing beside it."""
        told: dict[str, Any] = orjson.loads(self.out)
        return told


Run = Callable[..., Said]


@pytest.fixture
def run(
    office: Office,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Run:
    """Run the command line on Exampleshire's node, as `folkmoot ...` does."""
    from folkmoot import cli

    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path), "PUBLIC_URL": NODE}.items():
        monkeypatch.setenv(f"FOLKMOOT_{name}", value)

    def go(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["folkmoot", *words])
        capsysbinary.readouterr()
        try:
            cli.run()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
        printed = capsysbinary.readouterr()
        return Said(int(code), printed.out.decode(), printed.err.decode())

    return go


def _file(folder: Path, rows: Any, name: str = "register.csv") -> str:
    path = folder / name
    path.write_bytes(rows if isinstance(rows, bytes) else as_csv(rows))
    return str(path)


CASES = [
    ("done", contracts(3), [], 0),
    ("warned", [{"reference": "C1", "title": "Bins", "endDate": "TBC"}], [], 0),
    ("refused", [{"reference": "C1", "title": ""}], [], 1),
    ("good rows", [*contracts(2), {"reference": "C1", "title": ""}], ["--accept-good-rows"], 0),
    ("unreadable", b"\x00\x01\x02", [], 2),
    ("cut off", b'reference,title\nC1,"cut', [], 2),
    ("empty", [], [], 3),
    ("confirmed", [], ["--confirm-removals"], 0),
    ("unknown kind", contracts(1), ["--kind", "nothing"], 2),
    ("unknown publisher", contracts(1), ["--publisher", "GB-LAE-NOBODY"], 2),
    ("unknown format", contracts(1), ["--format", "pdf"], 2),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_exit_codes_and_the_object_in_every_case(
    run: Run, tmp_path: Path, case: tuple[str, Any, list[str], int]
) -> None:
    """0 done, 1 rows refused, 2 unreadable or usage, 3 held; the object has its nine counts, problems, and an error.

    A dry run ends as the real run does.
    """
    _, rows, options, code = case
    for dry in (["--dry-run"], []):
        said = run("import", _file(tmp_path, rows), "--kind", "contract", "--json", *options, *dry)
        assert said.code == code, said
        told = said.json
        assert tuple(told)[:10] == (*COUNTS, "problems")
        assert set(told) - {*COUNTS, "problems"} == ({"error"} if code else set())
        assert all(tuple(fault) == FAULT for fault in told["problems"])
        assert not said.err


def test_a_missing_file_is_unusable(run: Run) -> None:
    """A file that is not there is 2, told as the object where a program reads it."""
    said = run("import", "absent.csv", "--kind", "contract", "--json")
    assert (said.code, "absent.csv" in said.json["error"]) == (2, True)
    said = run("import", "absent.csv", "--kind", "contract")
    assert (said.code, said.out, "absent.csv" in said.err) == (2, "", True)


def test_the_problems_never_overwrite_the_register(run: Run, tmp_path: Path) -> None:
    """--faults-csv with the register's own name is 2, and the register stays as it is."""
    file = _file(tmp_path, [{"reference": "C1", "title": "Bins"}])
    before = Path(file).read_bytes()
    said = run("import", file, "--kind", "contract", "--faults-csv", file, "--json")
    assert (said.code, Path(file).read_bytes()) == (2, before)


def test_a_person_is_told_in_lines(run: Run, tmp_path: Path) -> None:
    """Away from a terminal each fault is a line with row, column, value and expectation, errors first."""
    rows = [{"reference": "C1", "title": "Bins", "endDate": "TBC"}, {"reference": "C\x1b[31m", "title": ""}]
    said = run("import", _file(tmp_path, rows), "--kind", "contract")
    lines = said.out.splitlines()
    assert lines[0].startswith("error: row 3")
    assert any(line.startswith("warning: row 2, column 'endDate', value 'TBC', expected ") for line in lines)
    assert "2 rows: 1 accepted (1 with a warning), 1 refused, 0 empty, 0 merged" in lines
    assert "refused" in said.err
    assert "\x1b" not in said.out + said.err


def test_columns_that_a_layout_does_not_have_are_one_line(run: Run, office: Office, tmp_path: Path) -> None:
    """Thirty unknown columns are told in one line of bounded length; the report names each, as the protocol has it."""
    from rich.console import Console

    from folkmoot import telling

    names = [f"Our own column {number}" for number in range(30)]
    body = _with_columns(*names, "Officer's phone")
    register = _file(tmp_path, body)
    told = [line for line in run("import", register, "--kind", "contract").out.splitlines() if "layout" in line]
    many, alone = told
    assert many.startswith("warning: row 1, 30 columns 'Our own column 0', 'Our own column 1', ")
    assert many.endswith(
        "(--faults-csv FILE names them all): Not part of the layout: the cells are kept under 'local'."
    )
    assert len(many) < 500
    assert alone.startswith("warning: row 1, column 'Officer's phone': Not part of the layout, and may be personal")
    problems = run("check", register, "--kind", "contract", "--json").json["problems"]
    assert [one["column"] for one in problems] == [*names, "Officer's phone"]
    screen = io.StringIO()
    telling.tell_problems(office.bring(body).report, Console(file=screen, force_terminal=True, width=160))
    assert screen.getvalue().count("warning") == 2


def test_the_names_that_a_line_lists_are_bounded_each_and_together(run: Run, tmp_path: Path) -> None:
    """A header as long as a page is cut short where it is listed, and does not hide the others."""
    page = "y" * 5_000
    said = run("check", _file(tmp_path, _with_columns("Notes", page)), "--kind", "contract").out
    assert said.startswith(f"warning: row 1, 2 columns 'Notes', '{page[:39]}…': Not part of the layout")
    many = _with_columns(*(f"{number}{page}" for number in range(100)))
    assert "' and 94 more (--faults-csv" in run("check", _file(tmp_path, many), "--kind", "contract").out


def _with_columns(*names: str) -> bytes:
    """Write a register of one contract, with columns of the council's own."""
    header = ("reference", "title", *names)
    return as_csv([{**dict.fromkeys(header, "x"), "title": "Bins"}], header)


def test_cells_of_one_column_of_which_the_same_is_said_are_one_line(run: Run, tmp_path: Path) -> None:
    """Formulas without their results are told in a line a column, with the rows; the report has each cell."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["reference", "title", "value.amount"])
        for place in range(1, 9):
            sheet.write_row(place, 0, [f"C{place}", "Bins", f"=1000*{place}"])
    body = io.BytesIO()
    with zipfile.ZipFile(out) as made, zipfile.ZipFile(body, "w") as bare:
        for name in made.namelist():
            bare.writestr(name, made.read(name).replace(b"</f><v>0</v>", b"</f>"))
    register = _file(tmp_path, body.getvalue(), "register.xlsx")
    (line,) = [line for line in run("check", register, "--kind", "contract").out.splitlines() if "formula" in line]
    assert line.startswith("warning: rows 2, 3, 4, 5, 6 and 3 more, column 'value.amount', expected a value: A formula")
    problems = run("check", register, "--kind", "contract", "--json").json["problems"]
    assert [(one["row"], one["code"]) for one in problems] == [(row, "no-result") for row in range(2, 10)]


def test_a_dry_run_that_would_be_held_prints_what_would_go(run: Run, tmp_path: Path) -> None:
    """Whoever is to confirm removals sees each of them, and by which option."""
    assert run("import", _file(tmp_path, contracts(30)), "--kind", "contract").code == 0
    said = run("import", _file(tmp_path, contracts(3)), "--kind", "contract", "--dry-run")
    assert said.code == 3
    assert sum(line.startswith("- ") for line in said.out.splitlines()) == 27
    assert "A dry run: nothing was changed." in said.out
    assert "--confirm-removals" in said.err
    assert run("import", _file(tmp_path, contracts(30)), "--kind", "contract").out.endswith("30 unchanged\n")


def test_a_dry_run_prints_the_difference(run: Run, office: Office, tmp_path: Path) -> None:
    """Each record that would be created, updated (member by member) or deleted is a line; nothing changes."""
    office.bring(contracts(3))
    before = office.latest()
    rows = [{"reference": "C000", "title": "Renewed"}, *contracts(2)[1:], {"reference": "NEW", "title": "New"}]
    said = run("import", _file(tmp_path, rows), "--kind", "contract", "--dry-run")
    assert said.code == 0
    assert f"+ {PREFIX}contract/NEW  New" in said.out
    assert f"~ {PREFIX}contract/C000  Renewed" in said.out
    assert '    title: "Contract 0" -> "Renewed"' in said.out
    assert f"- {PREFIX}contract/C002  Contract 2" in said.out
    assert office.latest() == before


def test_the_problems_open_beside_the_file(run: Run, tmp_path: Path) -> None:
    """--faults-csv writes every problem as CSV that a spreadsheet reads, without a cell that it would run."""
    rows = [{"reference": "C1", "title": "Bins", "endDate": "=1+1"}]
    out = tmp_path / "faults.csv"
    assert run("import", _file(tmp_path, rows), "--kind", "contract", "--faults-csv", str(out)).code == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    (fault,) = csv.DictReader(io.StringIO(out.read_text("utf-8-sig")))
    assert tuple(fault) == FAULT
    assert (fault["row"], fault["column"], fault["value"]) == ("2", "endDate", "'=1+1")


def test_where_the_problems_go_is_tried_first(run: Run, office: Office, tmp_path: Path) -> None:
    """A faults file that cannot be written is told before anything is imported."""
    before = office.latest()
    file = _file(tmp_path, contracts(1))
    said = run("import", file, "--kind", "contract", "--faults-csv", str(tmp_path / "no" / "folder.csv"))
    assert (said.code, office.latest()) == (2, before)


def test_check_changes_nothing_and_needs_no_node(run: Run, office: Office, tmp_path: Path, monkeypatch: Any) -> None:
    """`check` tells what an import would say of the file itself, without opening a database."""
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    good, bad = contracts(2), [{"reference": "C1", "title": ""}]
    said = run("check", _file(tmp_path, good), "--kind", "contract", "--json")
    assert (said.code, said.json["accepted"], said.json["created"]) == (0, 2, 0)
    assert run("check", _file(tmp_path, bad), "--kind", "contract").code == 1
    assert run("check", _file(tmp_path, good)).code == 2
    assert run("check", "absent.csv", "--kind", "contract").code == 2
    assert run("check", _file(tmp_path, b"\x00"), "--kind", "contract", "--json").json["error"]
    assert office.live() == {}


def test_check_knows_an_address_from_a_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check URL` holds a node to the rules; one that does not answer is 2."""
    monkeypatch.setenv("FOLKMOOT_ALLOW_PRIVATE", "1")
    assert run("check", "http://127.0.0.1:1/").code == 2


@pytest.mark.parametrize("form", ["csv", "ndjson", "json", "lga"])
def test_what_is_exported_is_imported_as_no_change(run: Run, office: Office, tmp_path: Path, form: str) -> None:
    """A file that `export` wrote, imported again, changes nothing."""
    office.bring([*contracts(5, endDate="2030-01-31"), {"reference": "Ä 1/2", "title": "=Sum"}])
    out = tmp_path / f"contracts.{form}"
    assert run("export", "contract", "--format", form, "--out", str(out)).code == 0
    said = run("import", str(out), "--kind", "contract", "--json", *(["--format", "lga"] if form == "lga" else []))
    assert (said.code, said.json["unchanged"], said.json["problems"]) == (0, 6, [])
    printed = run("export", "contract", "--format", form)
    assert printed.out.encode() == out.read_bytes()


def test_the_lga_export_has_the_columns_of_the_lga(run: Run, office: Office) -> None:
    """The LGA's register is of contracts: its 38 columns, a row a contract; other kinds have none."""
    office.bring(contracts(2))
    rows = list(csv.reader(io.StringIO(run("export", "contract", "--format", "lga").out)))
    assert [len(row) for row in rows] == [38, 38, 38]
    assert run("export", "tool", "--format", "lga").code == 2
    assert run("export", "nothing").code == 2
    assert run("export", "contract", "--format", "pdf").code == 2


def test_an_export_of_one_publisher(run: Run, office: Office) -> None:
    """--publisher keeps to one publisher, and a name that nobody has is an error, not an empty file."""
    office.bring(contracts(2))
    assert run("export", "contract", "--format", "ndjson", "--publisher", PUBLISHER).out.count("\n") == 2
    said = run("export", "contract", "--publisher", "GB-LAE-NOBODY")
    assert (said.code, said.out) == (2, "")


def test_tokens_from_the_command_line(run: Run, office: Office) -> None:
    """A token is printed once and works; the list does not show it; after `revoke` it is dead."""
    said = run(
        "token", "create", "--publisher", PUBLISHER, "--name", "register", "--kinds", "contract, tool", "--days", "9000"
    )
    assert said.code == 2
    said = run("token", "create", "--publisher", PUBLISHER, "--name", "register", "--kinds", "contract, tool")
    secret = said.out.strip()
    with office.database.read() as session:
        grant = tokens.check(session, secret, NOW)
    assert grant.kinds == frozenset({"contract", "tool"})
    listed = run("token", "list").out
    assert secret not in listed
    assert "register" in listed
    assert run("token", "revoke", "1").code == 0
    assert "revoked" in run("token", "list").out
    assert run("token", "revoke", "1").code == 2
    assert run("token", "revoke", "2").code == 2


def test_a_table_is_shown_on_a_terminal(office: Office) -> None:
    """On a terminal the faults are a table, long lists cut short, and what a cell holds cannot steer the terminal."""
    from rich.console import Console

    from folkmoot import telling

    bad = [{"reference": f"C{turn}", "title": f"Bins {turn}", "endDate": "T\x9bBC"} for turn in range(60)]
    report = office.bring(bad).report
    screen = io.StringIO()
    telling.tell_problems(report, Console(file=screen, force_terminal=True, width=160, color_system=None))
    shown = screen.getvalue()
    assert "endDate" in shown
    assert "... and 10 more" in shown
    assert "\x9b" not in shown
