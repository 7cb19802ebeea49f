"""The supply chain: what is locked is what is declared, under licences that we allow, told as a bill of materials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
