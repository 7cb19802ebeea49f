"""The supply chain: what is locked is what is declared, under licences that we allow, told as a bill of materials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from scripts import audit, mutants
from scripts.supply import LOCK, ROOT, bom, declared, is_allowed, licence, locked
from tests.proof import figure

LOCKS = (
    "requirements.txt", "requirements-dev.txt", "requirements-build.txt", "requirements-audit.txt",
    "requirements-mutants.txt",
)  # fmt: skip
ROOMS = ("schema", "exchange", "federation", "insight", "api", "folkmoot", "migrations")
# Whatever a module does while it is imported passes here first: Python's own audit hooks.
IMPORTING = """
import importlib, pkgutil, sys
BARRED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "urllib.", "http.", "ftplib.", "smtplib.")
def watch(event, arguments):
    if event.startswith(BARRED) and event not in ("socket.__new__", "socket.gethostname"):
        raise RuntimeError(f"{event} {arguments} while modules are imported")
sys.addaudithook(watch)
count = 0
for room in sys.argv[1:]:
    found = importlib.import_module(room)
    count += 1
    for module in pkgutil.walk_packages(found.__path__, room + "."):
        if not module.name.startswith("migrations.env") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            count += 1
print(count)
"""


def test_t32_locks_are_fresh() -> None:
    """Each requirement of pyproject.toml is met by the version that is locked for its use, and none is missing."""
    versions = {name: {one.name: one.version for one in locked(ROOT / name)} for name in LOCKS}
    for use, requirements in declared().items():
        names = [f"requirements-{use if use in ('audit', 'mutants') else 'dev'}.txt"]
        names += ["requirements.txt"] if use in ("runtime", "optional") else []
        for text in requirements:
            wanted = Requirement(text)
            for name in names:
                version = versions[name].get(wanted.name.lower())
                assert version, f"{wanted.name} is not in {name}: make lock"
                assert wanted.specifier.contains(version), (
                    f"{name} holds {wanted.name} {version}, not {wanted}: make lock"
                )


@pytest.mark.parametrize("name", LOCKS)
def test_t32_every_locked_package_has_hashes(name: str) -> None:
    """No line of a lock is without its hashes, and each entry is read: none hides from the bill of materials."""
    entries = [line for line in (ROOT / name).read_text().splitlines() if line[:1].isalnum()]
    packages = list(locked(ROOT / name))
    assert len(packages) == len(entries)
    assert all(one.hashes for one in packages)


def test_t32_wheels_alone_are_installed() -> None:
    """No package builds itself while it is installed: wheels alone are locked, and wheels alone are taken."""
    for script in ("scripts/lock.sh", "scripts/install.sh", "scripts/beside.py"):
        text = (ROOT / script).read_text()
        assert "only-binary" in text, script
    installs = [
        line for line in (ROOT / "scripts/install.sh").read_text().splitlines() if " -r " in line and "$pip" in line
    ]
    assert installs
    assert all("--only-binary :all:" in line and "--require-hashes" in line for line in installs)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_t32_every_licence_is_one_that_we_allow(name: str) -> None:
    """Each package that is locked says its licence, and it is on the list."""
    barred = {one.name: licence(one.name) for one in locked(ROOT / name) if not is_allowed(licence(one.name))}
    assert barred == {}


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True), ("MIT OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False), ("", False), ("GPL-3.0", False),
        ("(MIT OR Apache-2.0) AND Unicode-DFS-2016", False), ("Apache-2.0 WITH LLVM-exception", True),
    ],
)  # fmt: skip
def test_t32_licences_are_read_as_spdx(expression: str, *, allowed: bool) -> None:
    """One of several is enough where they are joined by OR; all are needed where they are joined by AND."""
    assert is_allowed(expression) == allowed


def test_t32_the_bill_of_materials_is_cyclonedx() -> None:
    """What `make sbom` writes is valid by CycloneDX's own schema, and names every package of a server once."""
    made = bom(list(locked(LOCK)))
    faults = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made))
    assert faults is None, faults
    names = [one["name"] for one in made["components"]]
    assert sorted(names) == sorted({one.name for one in locked(LOCK)})
    assert {ref for one in made["dependencies"] for ref in one["dependsOn"]} == {
        one["bom-ref"] for one in made["components"]
    }
    assert bom(list(locked(LOCK))) == made
    figure("T32", "packages of a server, each in the bill of materials with hashes and licence", len(names), goal="all")


def test_t32_no_module_reaches_out_while_it_is_imported(tmp_path: Path) -> None:
    """To import every module of every room opens no socket, looks up no name and starts no process."""
    environment = {"PATH": os.defpath, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", IMPORTING, *ROOMS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 150


def test_t32_an_audit_that_asked_nobody_says_so() -> None:
    """What pip-audit passed over counts as not asked: exit 3; what is known against a package is exit 1, named."""
    clean = {"name": "a", "version": "1", "vulns": []}
    passed = {"name": "b", "skip_reason": "not found"}
    bad = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    assert audit.verdict("l", {"dependencies": [clean]}) == (0, ["l: nothing is known against any of its 1 packages."])
    assert audit.verdict("l", {"dependencies": [clean, passed]})[0] == 3
    code, lines = audit.verdict("l", {"dependencies": [clean, passed, bad]})
    assert (code, lines[0]) == (1, "l: c 2: PYSEC-1, mended in 3")


RETRIES = "HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded with url: /pypi/a/1/json"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (f"Traceback (most recent call last):\n  ...\nrequests.exceptions.ConnectionError: {RETRIES}\n", 3),
        (f"WARNING:pip_audit._cli:...\nTraceback ...\nrequests.exceptions.ProxyError: {RETRIES}\n", 3),
        ("Traceback (most recent call last):\n  ...\npip_audit._service.interface.ServiceError\n", 3),
        ("ERROR:pip_audit._cli:Could not connect\nERROR:pip_audit._cli:Tip: your network may be blocking this\n", 3),
        ("usage: pip-audit [-h]\npip-audit: error: unrecognized arguments: --nonsense\n", 2),
        ("ERROR:pip_audit._cli:invalid requirements input: none.txt\n", 2),
        ("Traceback ...\nrequests.exceptions.ConnectionError: x\n\nDuring ...\nKeyError: 'releases'\n", 2),
        ("No known vulnerabilities found\nFileNotFoundError: [Errno 2] No such file or directory: '/x.json'\n", 2),
        ("", 2),
    ],
)
def test_t32_an_audit_that_broke_is_told_from_one_that_nobody_answered(said: str, code: int) -> None:
    """Without a report, the last words of pip-audit say whether its database is away (3) or it broke itself (2)."""
    assert audit.gave_up(said) == (code, said.strip().splitlines()[-1] if said else "it said nothing")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ERROR: Could not find a version that satisfies the requirement a==1 (from versions: none)\n", 3),
        (f"pip._vendor.urllib3.exceptions.MaxRetryError: {RETRIES}\n", 3),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='x'): Read timed out.\n", 3),
        ("ERROR: Could not find a version that satisfies the requirement a==1 (from versions: 0.8, 0.9)\n", 2),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n", 2),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", 2),
    ],
)
def test_t32_an_audit_on_a_fresh_checkout_without_an_index_asked_nobody(
    said: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no index has pip-audit itself there is no route either (3); one with the wrong files broke it (2)."""
    pip = tmp_path / "bin" / "python"

    def created(home: Path, **_: object) -> None:
        pip.parent.mkdir()
        pip.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\nexit 1\n")
        pip.chmod(0o755)

    monkeypatch.setattr(audit, "HOME", tmp_path)
    monkeypatch.setattr(venv, "create", created)
    assert audit.main([]) == code
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert ("No route to an advisory database from here (exit 3)" in told) == (code == 3)
    assert "Traceback" not in told


def test_t32_every_lock_is_audited() -> None:
    """No file of hashes is left out, that of the auditor included."""
    assert sorted(audit.LOCKS) == sorted(path.name for path in ROOT.glob("requirements*.txt"))


def test_what_mutmut_found_is_told_by_module() -> None:
    """A change that a test fails on counts; one that hangs or is not walked does not; what was left out is none."""
    lines = ["  federation.merge.x_end__mutmut_1: killed", "  federation.merge.xǁHeldǁof__mutmut_7: survived"]
    lines += ["    schema.entry.x_stamp__mutmut_2: timeout", "    schema.entry.x_stamp__mutmut_3: skipped"]
    lines += ["    schema.entry.x_stamp__mutmut_4: not checked", "Mutant results"]
    assert mutants.told(mutants.read(lines)) == [
        "federation.merge: 50 % of 2 changes are noticed",
        "schema.entry: 0 % of 1 changes are noticed",
        "all: 33 % of 3 changes are noticed",
    ]
    assert mutants.share(mutants.read(["a.x_b__mutmut_1: no tests"])["a"]) == 0
