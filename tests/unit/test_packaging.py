"""What the project is built, locked and shipped with: each promise of the house about its dependencies."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements.txt", "requirements-dev.txt", "requirements-build.txt", "requirements-audit.txt",
    "requirements-mutants.txt",
)  # fmt: skip
NPM = ("tests/contract/rpde", "tests/e2e/axe")
ADDRESS = re.compile(r"(https?|git|ssh)://")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def bare(requirement: str) -> str:
    """Return the name of a requirement: `uvicorn[standard]>=0.54` is uvicorn."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found.group().lower()


def reasons() -> dict[str, list[str]]:
    """Return the packages that docs/dependencies.md names, by its headings."""
    parts = re.split(r"^## (.+)$", (ROOT / "docs" / "dependencies.md").read_text(), flags=re.MULTILINE)[1:]
    tables = zip(parts[::2], parts[1::2], strict=True)
    named = {heading: re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) for heading, table in tables}
    return {heading: packages for heading, packages in named.items() if packages}


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md names each dependency of the project, in order, and none more."""
    declared = project()
    npm = [json.loads((ROOT / folder / "package.json").read_text())["dependencies"] for folder in NPM]
    assert reasons() == {
        "Runtime": sorted(map(bare, declared["project"]["dependencies"])),
        "Optional": sorted(
            bare(one) for extra in declared["project"]["optional-dependencies"].values() for one in extra
        ),
        "Development": sorted(map(bare, declared["dependency-groups"]["dev"])),
        "Audit, in an environment of its own": sorted(map(bare, declared["dependency-groups"]["audit"])),
        "Mutants, beside the environment": sorted(map(bare, declared["dependency-groups"]["mutants"])),
        "npm, for tests alone": sorted(name for packages in npm for name in packages),
    }


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_by_hash_and_name_no_address(name: str) -> None:
    """Each locked package has one version and its hashes; nothing says where it was downloaded from."""
    text = (ROOT / name).read_text()
    assert not ADDRESS.search(text)
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_locks_hold_what_is_declared() -> None:
    """A dependency that is declared is locked: runtime and PostgreSQL for a server, the tools beside them."""
    declared = project()
    runtime = {bare(one) for one in declared["project"]["dependencies"]} | {"psycopg"}
    tools = {bare(one) for one in declared["dependency-groups"]["dev"]}

    def locked(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))

    server, everything = locked("requirements.txt"), locked("requirements-dev.txt")
    assert runtime <= server.keys()
    assert tools <= everything.keys()
    assert server.items() <= everything.items(), "an environment with the tools must serve as one without"


@pytest.mark.parametrize("folder", NPM)
def test_npm_locks_name_no_address(folder: str) -> None:
    """The lock of each npm package pins versions and hashes and leaves the registry to the machine."""
    text = (ROOT / folder / "package-lock.json").read_text()
    lock = json.loads(text)
    assert not ADDRESS.search(text)
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in entry and entry["integrity"] for entry in packages.values())


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def commands_in(service: dict[str, Any]) -> Iterator[list[str]]:
    """Give each `folkmoot ...` of a service's shell command, split into words."""
    script = " ".join(service.get("command", ())).replace("||", "\n").replace("|", "\n")
    for line in script.splitlines():
        words = shlex.split(line)
        words = words[1:] if words[:1] == ["exec"] else words
        if words[:1] == ["folkmoot"]:
            yield words[1:]


def assert_known(words: list[str]) -> None:
    """Fail unless the command line has the command and each option that it is given."""
    from folkmoot.cli import command_line

    command: Any = get_command(command_line())
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest, f"folkmoot {' '.join(words)} is a group"
        assert rest[0] in command.commands, f"there is no command: folkmoot {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    given = {word.split("=")[0] for word in rest if word.startswith("--")}
    assert given <= options, f"folkmoot {' '.join(words)}: unknown {given - options}"


def test_compose_runs_what_the_command_line_has() -> None:
    """Every command in compose.yaml exists, options included; two nodes and an aggregator serve."""
    said = [words for service in compose()["services"].values() for words in commands_in(service)]
    serving = sorted(" ".join(words) for words in said if words[-1] == "serve")
    assert serving == ["aggregator serve", "node serve", "node serve"]
    for words in said:
        assert_known(words)


def test_containers_set_only_what_can_be_set() -> None:
    """Every FOLKMOOT_ variable in compose.yaml and in the Dockerfile is a setting."""
    from folkmoot.settings import Settings

    known = {f"FOLKMOOT_{name.upper()}" for name in Settings.model_fields}
    for name in ("compose.yaml", "Dockerfile"):
        used = set(re.findall(r"FOLKMOOT_[A-Z_]+(?==|:)", (ROOT / name).read_text()))
        assert used, name
        assert used <= known, f"{name}: {used - known}"


def test_the_image_is_built_by_the_scripts_that_make_uses() -> None:
    """The Dockerfile installs by scripts/install.sh and requirements.txt, as make demo does, and needs no root."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "RUN scripts/install.sh requirements.txt" in dockerfile
    assert "scripts/install.sh requirements.txt" in (ROOT / "Makefile").read_text()
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile
    taken = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in taken)


def test_ci_runs_the_commands_of_the_readme() -> None:
    """CI proves what people are told to type: make check, make test, make cover, make demo."""
    said = (ROOT / ".ci" / "run").read_text()
    for command in ("make check", "make test", "make cover", "make demo CHECK=1"):
        assert re.search(rf'^step "{command}" {command}$', said, re.MULTILINE), command


def test_make_explains_each_target() -> None:
    """`make help` has a line for every target that a person would call."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert {
        "demo",
        "test",
        "cover",
        "check",
        "bench",
        "prove",
        "sbom",
        "audit",
        "lock",
        "clean",
        "openapi",
    } <= explained
    assert explained == targets


def test_hooks_are_local() -> None:
    """pre-commit runs the tools of .venv and fetches nothing."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
