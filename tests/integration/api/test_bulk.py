"""Whole kinds as files: complete up to a change number, named in the manifest with size and digest."""

from __future__ import annotations

import asyncio
import csv
import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from federation import apart, bulk, bulk_child, keeper, log, publishers
from federation.apart import Broken
from federation.bulk import BulkFiles
from federation.database import Database, Reading
from federation.keeper import Keeper
from schema.entry import Entry
from schema.errors import Busy
from tests.contract.world import publish, withdraw
from tests.integration.api.conftest import Site
from tests.services import NODE, NOW, PREFIX, make_services
from tests.waiting import until

ROOT = Path(__file__).parents[3]

CONTRACTS = [
    {
        "reference": f"C-{number}",
        "title": "=SUM(A1)" if number == 1 else f"Contract {number}",
        "suppliers": [{"name": "Acme Ltd"}, {"name": "Brook Ltd"}],
        "value": {"amount": 1000 + number, "currency": "GBP"},
        "startDate": "2026-04-01",
    }
    for number in range(3)
]


def test_ndjson_holds_every_live_record_as_a_list_item(site: Site) -> None:
    """A line is a list item; what was withdrawn is not there."""
    site.publish("contract", *CONTRACTS)
    site.withdraw("C-2")
    answer = site.client.get("/v1/bulk/contracts.ndjson")
    items = [orjson.loads(line) for line in answer.content.splitlines()]
    assert [item["id"] for item in items] == [f"{PREFIX}contract/C-0", f"{PREFIX}contract/C-1"]
    assert {"id", "kind", "data", "origin"} == set(items[0])
    assert answer.headers["folkmoot-change-number"] == "5"
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_csv_has_a_row_a_record_with_dotted_columns(site: Site) -> None:
    """Nested members stand in columns of their path, and no cell is run as a formula."""
    site.publish("contract", *CONTRACTS)
    answer = site.client.get("/v1/bulk/contracts.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["value.amount"] for row in rows] == ["1000", "1001", "1002"]
    assert rows[1]["title"] == "'=SUM(A1)"
    assert rows[0]["suppliers.1.name"] == "Brook Ltd"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="contracts.csv"' in answer.headers["content-disposition"]


def test_the_lga_register_has_its_columns_verbatim(site: Site) -> None:
    """The LGA file has 38 columns and a row for each contract and supplier."""
    site.publish("contract", *CONTRACTS)
    rows = list(csv.reader(io.StringIO(site.client.get("/v1/bulk/contracts-lga.csv").text)))
    assert len(rows[0]) == 38
    assert {"ContractReference", "SupplierName", "CharityCommissionNumber"} <= set(rows[0])
    assert len(rows) == 1 + 3 * 2


def test_the_lga_register_says_whose_each_contract_is(site: Site) -> None:
    """Its columns of the organisation hold the buyer, and where none is named the contract's own publisher."""
    mine, theirs = {"reference": "C-1", "title": "Bins"}, [{"name": "Wessex Office", "url": "https://wessex.example"}]
    site.publish("contract", mine, {"reference": "C-2", "title": "Lawns", "buyers": theirs})
    other = {"name": "Sampleton Borough Council", "identifiers": [{"scheme": "GB-LAE", "id": "SMP"}]}
    draft = log.Draft(f"{NODE}/id/GB-LAE-SMP/contract/S-1", "contract", "GB-LAE-SMP", orjson.dumps(mine))
    with site.services.database.write() as session:
        publishers.add(session, public_url=NODE, organisation=other, now=NOW)
        log.append(session, [draft], node=f"{NODE}/.well-known/folkmoot", now=NOW)
    rows = csv.DictReader(io.StringIO(site.client.get("/v1/bulk/contracts-lga.csv").text))
    assert [(row["OrganisationLabel"], row["OrganisationURI"]) for row in rows] == [
        ("Exampleshire County Council", f"{PREFIX}organisation/GB-LAE-EXA"),
        ("Wessex Office", "https://wessex.example"),
        ("Sampleton Borough Council", f"{NODE}/id/GB-LAE-SMP/organisation/GB-LAE-SMP"),
    ]


def test_the_manifest_tells_size_count_and_digest_of_what_stands(site: Site) -> None:
    """An entry of bulk[] is true of the very bytes that its URL gives."""
    site.publish("contract", *CONTRACTS)
    assert site.client.get("/.well-known/folkmoot").json()["bulk"] == []
    for name in ("contracts.ndjson", "contracts.csv", "contracts-lga.csv"):
        site.client.get(f"/v1/bulk/{name}")
    entries = site.client.get("/.well-known/folkmoot").json()["bulk"]
    assert [entry["format"] for entry in entries] == ["ndjson", "csv", "lga"]
    for entry in entries:
        body = site.client.get(entry["url"].removeprefix(NODE)).content
        assert entry["bytes"] == len(body)
        assert entry["sha256"] == hashlib.sha256(body).hexdigest()
        assert (entry["kind"], entry["count"], entry["changeNumber"]) == ("contract", 3, 4)


def test_a_file_is_written_again_only_when_the_log_has_moved(site: Site) -> None:
    """The same file is given, by its tag, until something changes; then a new one at once."""
    site.publish("contract", *CONTRACTS)
    first = site.client.get("/v1/bulk/contracts.ndjson")
    stored = list((site.services.data_dir / "bulk").glob("*-contracts.ndjson"))
    again = site.client.get("/v1/bulk/contracts.ndjson", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert list((site.services.data_dir / "bulk").glob("*-contracts.ndjson")) == stored
    site.withdraw("C-0")
    assert site.client.get("/v1/bulk/contracts.ndjson").headers["folkmoot-change-number"] == "5"


def test_a_download_can_be_resumed(site: Site) -> None:
    """A range of a file is given as 206, and only of the same version."""
    site.publish("contract", *CONTRACTS)
    whole = site.client.get("/v1/bulk/contracts.ndjson")
    part = site.client.get(
        "/v1/bulk/contracts.ndjson", headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]}
    )
    assert part.status_code == 206
    assert part.content == whole.content[10:]


@pytest.mark.parametrize(
    "asked", ["lines=0-9", "bytes=5-2", "abc", "bytes=", "bytes=-", "bytes=0-4,x", "bytes=0-4,6-5", "bytes=+1-2"]
)
def test_what_is_no_range_is_ignored(site: Site, asked: str) -> None:
    """A Range of another unit, or one of which a part is no range, is answered with the whole file (RFC 9110, 14.2)."""
    site.publish("contract", *CONTRACTS)
    whole = site.client.get("/v1/bulk/contracts.ndjson")
    answer = site.client.get("/v1/bulk/contracts.ndjson", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, whole.content)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    "asked", ["bytes={size}-", "bytes={size}-{size}", "bytes=-0", "bytes=999999-,-0", "bytes=9{nines}-"]
)
def test_a_range_beyond_the_end_is_a_problem(site: Site, asked: str) -> None:
    """416 is a problem as all others are, and Content-Range says how long the file is; of another version it is 200."""
    site.publish("contract", *CONTRACTS)
    whole = site.client.get("/v1/bulk/contracts.ndjson")
    sent = {"Range": asked.format(size=len(whole.content), nines="9" * 30)}
    answer = site.client.get("/v1/bulk/contracts.ndjson", headers=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (416, "application/problem+json")
    assert answer.json()["type"] == f"{NODE}/problems/range-not-satisfiable"
    assert answer.headers["content-range"] == f"bytes */{len(whole.content)}"
    same = site.client.get("/v1/bulk/contracts.ndjson", headers={**sent, "If-Range": whole.headers["etag"]})
    other = site.client.get("/v1/bulk/contracts.ndjson", headers={**sent, "If-Range": '"another"'})
    assert (same.status_code, other.status_code, other.content) == (416, 200, whole.content)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-4", slice(0, 5)),
        ("BYTES=3-999999999999999999999999", slice(3, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=999999-, 2-5 ,", slice(2, 6)),
        ("bytes=2-5,4-9", slice(2, 10)),
    ],
)
def test_a_range_that_the_file_has_is_given(site: Site, asked: str, part: slice) -> None:
    """Of several ranges those that the file has are given; HEAD knows none."""
    site.publish("contract", *CONTRACTS)
    whole = site.client.get("/v1/bulk/contracts.ndjson").content
    answer = site.client.get("/v1/bulk/contracts.ndjson", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, whole[part])
    assert site.client.head("/v1/bulk/contracts.ndjson", headers={"Range": asked}).status_code == 200


@pytest.mark.parametrize("name", ["contracts.xml", "buses.csv", "..%2Ffolkmoot.db", "contracts"])
def test_a_file_that_is_none_is_not_found(site: Site, name: str) -> None:
    """Only the listed files can be had, and no path leads out of the folder."""
    answer = site.client.get(f"/v1/bulk/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_file_can_be_had_of_an_empty_kind(site: Site) -> None:
    """A kind without records is an empty file, or a header alone."""
    for name in bulk.SHAPES:
        assert site.client.get(f"/v1/bulk/{name}").status_code == 200, name


def test_a_costly_file_is_given_for_a_while_but_never_with_what_was_erased(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that took long is not written for each change; a personal-data tombstone is never waited for."""
    make_services(database, tmp_path)
    publish(database, {"contract": CONTRACTS})
    times = [NOW]
    files = BulkFiles(database, tmp_path / "bulk", lambda: times[0])
    monkeypatch.setattr(bulk, "CHEAP_SECONDS", -1.0)
    monkeypatch.setattr(bulk, "PATIENCE", 1e9)
    first = files.current("contracts.ndjson")
    withdraw(database, "C-0", "error")
    assert files.current("contracts.ndjson") == first
    withdraw(database, "C-1", "personal-data")
    second = files.current("contracts.ndjson")
    assert (second.change_number, second.count) == (6, 1)
    withdraw(database, "C-2", "error")
    assert files.current("contracts.ndjson") == second
    times[0] += timedelta(days=36_500)
    assert files.current("contracts.ndjson").count == 0


def test_what_was_withdrawn_is_not_given_for_as_long_as_what_is_new(database: Database, tmp_path: Path) -> None:
    """A file that took a minute is given for twenty beside what is new, and for one with what was withdrawn since."""
    make_services(database, tmp_path)
    publish(database, {"contract": CONTRACTS[:2]})
    times = [NOW]
    files = BulkFiles(database, tmp_path / "bulk", lambda: times[0])
    first = files.current("contracts.ndjson")
    note = tmp_path / "bulk" / "contracts.ndjson.json"
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | {"seconds": 60.0}))
    publish(database, {"contract": CONTRACTS[2:], "tool": [{"reference": "T-1", "name": "Plotwise"}]})
    withdraw(database, "T-1", "error", kind="tool")
    times[0] += timedelta(seconds=61)
    assert files.current("contracts.ndjson").file == first.file, "no contract was withdrawn"
    withdraw(database, "C-0", "error")
    times[0] -= timedelta(seconds=30)
    assert files.current("contracts.ndjson").file == first.file, "who withdraws often keeps nobody busy with it"
    times[0] += timedelta(seconds=30)
    second = files.current("contracts.ndjson")
    assert b"/C-0" not in files.path(second).read_bytes()
    assert second.count == 2
    assert files.path(first).exists()
    files.purge()
    assert files.path(first).exists(), "somebody may be about to open it"
    for written in (first, second):
        os.utime(files.path(written), (time.time() - 700, time.time() - 700))
    files.purge()
    assert not files.path(first).exists()
    assert files.path(second).exists()


def test_a_large_file_is_written_by_another_process_and_is_the_same(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process of its own writes is byte for byte what this one would, on both databases, and is told alike."""
    make_services(database, tmp_path)
    publish(database, {"contract": CONTRACTS})
    here, there = (BulkFiles(database, tmp_path / name, lambda: NOW) for name in ("here", "there"))
    small = {name: here.current(name) for name in bulk.SHAPES}
    monkeypatch.setattr(bulk, "LARGE", 0)
    monkeypatch.setattr(bulk, "cut_file", _not_here)
    for name in ("contracts.ndjson", "contracts.csv"):
        made = there.current(name)
        assert replace(made, seconds=0.0) == replace(small[name], seconds=0.0)
        assert there.path(made).read_bytes() == here.path(small[name]).read_bytes()
    withdraw(database, "C-0", "personal-data")
    assert there.current("contracts.ndjson").count == 2
    assert not list((tmp_path / "there").glob("*.part"))


def test_a_file_is_large_by_what_it_holds_now(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A register that was small when its file was last written, and is not any more, is not written here either."""
    make_services(database, tmp_path)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    monkeypatch.setattr(bulk, "LARGE", 2)
    elsewhere: list[str] = []
    monkeypatch.setattr(files, "_cut_apart", lambda shape: _noted(elsewhere, database, tmp_path / "bulk", shape))
    files.current("contracts.ndjson")
    assert elsewhere == []
    publish(database, {"contract": CONTRACTS})
    assert files.current("contracts.ndjson").count == 3
    files.current("tools.ndjson")
    publish(database, {"tool": [{"reference": "T-1", "name": "Plotwise"}]})
    files.current("tools.ndjson")  # one change since its last file, which was empty
    assert elsewhere == ["contracts.ndjson", "tools.ndjson"]


def _noted(elsewhere: list[str], base: Database, folder: Path, shape: bulk.Shape) -> bulk.Cut:
    elsewhere.append(shape.name)
    return bulk.cut_file(base, folder, shape)


def test_what_a_killed_writer_left_is_taken_away(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part to which nothing was written for an hour goes with the next file or purge; one being written stays."""
    make_services(database, tmp_path)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    files.current("contracts.csv")
    old, young = (tmp_path / "bulk" / f"contracts.csv.{number}.part" for number in (1, 2))
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 4_000, time.time() - 4_000))
    publish(database, {"contract": CONTRACTS})
    files.current("contracts.csv")
    assert not old.exists()
    other = tmp_path / "bulk" / "tools.csv.3.part"
    other.write_bytes(b"half")
    os.utime(other, (time.time() - 4_000, time.time() - 4_000))
    files.purge()
    assert not other.exists()
    assert young.exists()


def _not_here(*_given: object) -> None:
    raise AssertionError("written in this process")


def test_a_process_that_fails_says_what_went_wrong(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file cannot be written, the error has the end of what the process said, and no file stands."""
    make_services(database, tmp_path)
    publish(database, {"contract": CONTRACTS})
    monkeypatch.setattr(bulk, "LARGE", 0)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(Broken, match="bulk_child ended with 1"):
        files.current("contracts.ndjson")
    assert files.listed() == []


def test_a_server_that_stops_does_not_wait_for_a_large_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that writes it is ended, nothing of it is left, and the file before it stands."""
    make_services(database, tmp_path)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    before = files.current("organisations.ndjson")
    publish(database, {"contract": CONTRACTS})
    monkeypatch.setattr(bulk, "LARGE", 0)
    monkeypatch.setattr(apart, "_ROOT", _slow(tmp_path / "slow"))

    async def stopped() -> float:
        stop = asyncio.Event()
        task = asyncio.create_task(Keeper(files).run(stop))
        await asyncio.to_thread(_begun, tmp_path / "bulk")
        began = time.monotonic()
        stop.set()
        await task
        return time.monotonic() - began

    assert asyncio.run(asyncio.wait_for(stopped(), 60)) < 10
    assert [written for _, written in files.listed()] == [before]
    assert not list((tmp_path / "bulk").glob("*.part"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="threads are counted by /proc, which Linux has")
def test_a_process_that_writes_ends_with_a_server_that_is_killed() -> None:
    """Nobody waits for its file, and the server that is started next writes it again."""
    program = (
        "import time\nfrom federation import apart\n"
        "child = apart.started('federation.bulk_child', stdin=0)\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    given, kept = os.pipe()  # it waits for its order for as long as one may come
    with os.fdopen(given, "rb") as order, os.fdopen(kept, "wb"):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=order, stdout=subprocess.PIPE, cwd=ROOT) as server:
            assert server.stdout is not None
            child = int(server.stdout.readline())
            until(lambda: _tasks(child) > 1)  # it has begun to look whether its server is there
            server.kill()
        until(lambda: _tasks(child) == 0)


def _tasks(pid: int) -> int:
    """How many threads a process has; none where it has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return 0 if state[0] == "Z" else int(state[17])


def _begun(folder: Path) -> None:
    while not list(folder.glob("*.part")):
        time.sleep(0.05)


def _slow(root: Path) -> Path:
    """Make a place whose `federation.bulk_child` begins to write and then takes an hour."""
    (root / "federation").mkdir(parents=True)
    (root / "federation" / "__init__.py").touch()
    (root / "federation" / "bulk_child.py").write_text(
        "import json, os, pathlib, sys, time\n"
        "def main():\n"
        "    asked = json.load(sys.stdin)\n"
        "    (pathlib.Path(asked['folder']) / f\"{asked['name']}.{os.getpid()}.part\").write_text('half')\n"
        "    time.sleep(3600)\n"
    )
    return root


def test_older_files_are_dropped(site: Site) -> None:
    """At most the file before the current one is kept."""
    for number in range(4):
        site.publish("contract", {"reference": f"N-{number}", "title": "A contract"})
        site.client.get("/v1/bulk/contracts.ndjson")
        site.client.get("/v1/bulk/contracts.csv")
    folder = site.services.data_dir / "bulk"
    assert len(list(folder.glob("*-contracts.ndjson"))) == 2
    assert len(list(folder.glob("*-contracts.csv"))) == 2
    assert not list(folder.glob("*.part"))


def test_a_file_of_another_database_is_not_given_out(site: Site) -> None:
    """Though both have come to the same change: a folder may be given to another database, or that be restored."""
    site.publish("contract", *CONTRACTS)
    assert site.client.get("/v1/bulk/contracts.csv").status_code == 200
    with site.services.database.write() as session:
        publishers.renew_epoch(session)
        session.connection().execute(text("DELETE FROM record WHERE id LIKE '%C-1'"))
    held = site.client.get("/v1/bulk/contracts.csv")
    assert held.headers["folkmoot-change-number"] == "4"
    assert "Contract 1" not in held.text
    assert "Contract 2" in held.text


def test_many_who_wait_for_a_file_take_one_thread(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a file is written for sixty who ask, the threads of the server are free for others."""
    site.publish("contract", *CONTRACTS)
    writing, go_on = threading.Event(), threading.Event()
    asked: list[str] = []
    current = BulkFiles.current

    def slow(self: BulkFiles, name: str) -> bulk.Written:
        asked.append(name)
        writing.set()
        assert go_on.wait(30)
        return current(self, name)

    monkeypatch.setattr(BulkFiles, "current", slow)
    with ThreadPoolExecutor(60) as crowd:
        answers = [crowd.submit(site.client.get, "/v1/bulk/contracts.csv") for _ in range(60)]
        assert writing.wait(30)
        assert site.client.get(f"/v1/records?id={quote(PREFIX, safe='')}contract%2FC-1").status_code == 200
        before = len(asked)
        go_on.set()
        assert {answer.result().status_code for answer in answers} == {200}
    assert before == 1
    assert len(asked) <= 60


def test_a_file_is_as_new_as_the_question(site: Site) -> None:
    """Who publishes and then asks gets the file with it, whoever asked just before."""
    with ThreadPoolExecutor(4) as others:
        for number in range(10):
            before = [others.submit(site.client.get, "/v1/bulk/contracts.csv") for _ in range(4)]
            site.publish("contract", {"reference": f"N-{number}", "title": "New"})
            assert f"N-{number}" in site.client.get("/v1/bulk/contracts.csv").text
            assert {one.result().status_code for one in before} == {200}


@pytest.mark.parametrize("local", ["East", None, ["a"]])
def test_a_member_of_any_shape_keeps_no_register_from_being_written(site: Site, local: Any) -> None:
    """What the schema does not know may be anything, and takes the register from nobody."""
    site.publish("contract", {"reference": "L-1", "title": "Lawns", "local": local}, *CONTRACTS)
    for name in ("contracts-lga.csv", "contracts.csv", "contracts.ndjson"):
        assert "Lawns" in site.client.get(f"/v1/bulk/{name}").text


def test_a_record_that_came_with_line_breaks_is_one_line() -> None:
    """NDJSON has a line a record, however a publisher has broken his JSON into lines."""
    data = {"title": "T", "note": "one\ntwo"}
    broken = orjson.dumps(data, option=orjson.OPT_INDENT_2).replace(b"\n", b"\r\n")
    entries = [Entry(number, "contract", "https://x.example/1", broken, b"{}") for number in (1, 2)]
    lines = b"".join(bulk.ndjson(entries, None)).splitlines()  # type: ignore[arg-type]  # it asks nothing of a session
    assert [orjson.loads(line)["data"] for line in lines] == [data, data]


class Failing:
    """Writes half a file, and then fails as often as it is told to."""

    def __init__(self, error: Exception, monkeypatch: pytest.MonkeyPatch, name: str = "contracts.csv") -> None:
        self.error: Exception | None = error
        self.tries = 0
        self._real = bulk.SHAPES[name]
        shapes = {**bulk.SHAPES, name: replace(self._real, write=self._write)}
        monkeypatch.setattr(bulk, "SHAPES", shapes)

    def _write(self, entries: Iterable[Entry], session: Reading) -> Iterator[bytes]:
        self.tries += 1
        yield b"half"
        if self.error:
            raise self.error
        yield from self._real.write(entries, session)


def full() -> OSError:
    """Give what the system says of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_t16_a_full_disk_is_503_and_leaves_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part stays, the client is told to come back, and it is not tried again for a while; then it is."""
    site.publish("contract", *CONTRACTS)
    failing = Failing(full(), monkeypatch)
    for _ in range(3):
        answer = site.client.get("/v1/bulk/contracts.csv")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "no room" in answer.json()["detail"]
        assert list((site.services.data_dir / "bulk").iterdir()) == []
    assert failing.tries == 1
    assert site.client.get("/v1/bulk/contracts.ndjson").status_code == 200
    failing.error = None
    files: BulkFiles = site.client.app.state.bulk  # type: ignore[attr-defined]  # the client's app is ours
    files._full_until["contracts.csv"] -= bulk.AFTER_FAILURE
    assert site.client.get("/v1/bulk/contracts.csv").status_code == 200


def _no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the last bytes of the disk go to the file itself."""
    monkeypatch.setattr(Path, "write_bytes", lambda _path, _text: _raise(full()))


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("breaking", "error", "sentence"),
    [
        pytest.param(
            lambda patch: Failing(ValueError("a fault of ours"), patch),
            ValueError,
            "a fault of ours",
            id="any other fault",
        ),
        pytest.param(_no_note, Busy, "no room", id="no room for the note"),
    ],
)
def test_t16_a_file_that_is_not_ended_leaves_nothing(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    breaking: Callable[[pytest.MonkeyPatch], object],
    error: type[Exception],
    sentence: str,
) -> None:
    """Whatever a writer falls over, its part goes, or its file of which no note tells; what stood before it stands."""
    make_services(database, tmp_path)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    before = files.current("contracts.csv")
    publish(database, {"contract": CONTRACTS})
    breaking(monkeypatch)
    for _ in range(2):
        with pytest.raises(error, match=sentence):
            files.current("contracts.csv")
    assert {path.name for path in (tmp_path / "bulk").iterdir()} == {before.file, "contracts.csv.json"}


def test_t16_a_process_says_that_the_disk_is_full(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file for which there is no room is `Busy` as a small one is, though another process writes it."""
    make_services(database, tmp_path)
    (tmp_path / "bulk").mkdir()
    asked = {"url": database.reader.url.render_as_string(hide_password=False), "folder": str(tmp_path / "bulk")}
    said = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(os, "nice", lambda _more: 0)
        patch.setattr(bulk_child, "end_with_parent", lambda: None)
        stdin = io.TextIOWrapper(io.BytesIO(orjson.dumps(asked | {"name": "contracts.csv"})))
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(sys, "stdout", io.TextIOWrapper(said))
        Failing(full(), patch)
        bulk_child.main()
        told = said.getvalue()
    assert orjson.loads(told) == {"full": "No space left on device"}
    assert list((tmp_path / "bulk").iterdir()) == []
    monkeypatch.setattr(bulk, "LARGE", -1)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    monkeypatch.setattr(apart.Apart, "run", lambda _self, _module, _asked: told)
    with pytest.raises(Busy, match=r"no room .* contracts\.csv") as busy:
        files.current("contracts.csv")
    assert str(busy.value.__cause__) == "[Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("error", "level"), [(full(), "warning"), (AttributeError("'str' object has no attribute 'get'"), "error")]
)
def test_a_file_that_cannot_be_written_keeps_nothing_else_waiting(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, level: str
) -> None:
    """The others are written, what is withdrawn is removed, and the file is named once a turn."""
    make_services(database, tmp_path)
    publish(database, {"contract": CONTRACTS})
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    old = files.path(files.current("contracts.csv"))
    withdraw(database, "C-0", "personal-data")
    failing = Failing(error, monkeypatch)
    for module in (bulk, keeper):
        monkeypatch.setattr(module, "AFTER_FAILURE", 0.05)

    async def turns() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(Keeper(files).run(stop))
        await asyncio.to_thread(until, lambda: failing.tries >= 3)
        stop.set()
        await task

    with capture_logs() as logs:
        asyncio.run(asyncio.wait_for(turns(), 60))
    assert {written.name for _, written in files.listed()} == set(bulk.SHAPES) - {"contracts.csv"}
    assert not old.exists()
    told = [line for line in logs if line["event"] == "a bulk file cannot be written"]
    assert {(line["file"], line["log_level"], "exc_info" in line) for line in told} == {
        ("contracts.csv", level, level == "error")
    }
    assert failing.tries - 1 <= len(told) <= failing.tries  # it may have been stopped in the midst of a turn
