"""What a server is made of: `make sbom` writes build/sbom.cdx.json (CycloneDX 1.6) and build/licences.csv.

Both are read off the hash-locked files, so they say what is installed and not what happens to lie in an environment;
only licences come from the packages' own metadata. The same lock gives the same bytes: no time stands in them.
Exit 1: a package has no licence that we allow.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import folkmoot

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-3.0-only", "LGPL-3.0-or-later",
        "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "any-OSI",
    }
)  # fmt: skip
"""What may be used beside the MIT licence of our own code: what asks for a notice, or for its own files alone."""
# What packages say in words instead of an SPDX expression, in their licence or in their classifiers.
_WORDS = {
    "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache software license 2.0": "Apache-2.0", "apache-2": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0", "apache 2": "Apache-2.0", "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause", "bsd 3-clause license": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause", "new bsd license": "BSD-3-Clause", "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT", "the mit license": "MIT", "expat license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "mpl 2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0", "psf license": "PSF-2.0", "psfl": "PSF-2.0",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only", "the unlicense (unlicense)": "Unlicense",
}  # fmt: skip
# What is locked for other platforms than this one has no metadata here.
_ELSEWHERE = {
    "appdirs": "MIT", "colorama": "BSD-3-Clause", "exceptiongroup": "MIT", "importlib-metadata": "Apache-2.0",
    "pywin32": "PSF-2.0", "tomli": "MIT", "tzdata": "Apache-2.0", "uvloop": "MIT OR Apache-2.0", "zipp": "MIT",
    "atheris": "Apache-2.0", "greenlet": "MIT AND PSF-2.0", "httpx2-jsfetch": "BSD-3-Clause",
    "apsw": "any-OSI", "cffi": "MIT-0", "pycparser": "BSD-3-Clause",
    "backports-asyncio-runner": "PSF-2.0", "async-timeout": "Apache-2.0", "win32-setctime": "MIT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock: its version, the platforms that it is for, the hashes of its files, who wants it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its name for every tool."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(path: Path) -> Iterator[Locked]:
    """Read a file that `make lock` wrote."""
    entry = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;]+)(?: ; ([^\\\n]+?))? \\\n((?: .*\n?)*)", re.MULTILINE)
    for name, version, marker, rest in entry.findall(path.read_text()):
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", rest))
        named = re.findall(r"^ +# +(?:via +)?([a-z0-9._-]+)(?: \(.*\))?$", rest, re.MULTILINE)
        yield Locked(name, version, marker, hashes, tuple(one for one in named if one != "via"))


def licence(name: str) -> str:
    """The licence of an installed package as an SPDX expression; "" where it says none that can be read."""
    try:
        told = cast("Message", metadata.metadata(name))
    except metadata.PackageNotFoundError:
        return _ELSEWHERE.get(name, "")
    expression = told.get("License-Expression")
    if expression:
        return str(expression)
    classified = [
        str(one).rpartition(" :: ")[2] for one in told.get_all("Classifier", []) if str(one).startswith("License")
    ]
    for said in [*classified, str(told.get("License") or "")]:
        found = _WORDS.get(str(said).strip().lower(), str(said).strip())
        if found in ALLOWED:
            return found
    return _ELSEWHERE.get(name, "")


def is_allowed(expression: str) -> bool:
    """Whether we may use what is under this SPDX expression: all that AND joins, or one of what OR joins."""
    inner = re.compile(r"\(([^()]*)\)")
    while found := inner.search(expression):
        told = "MIT" if is_allowed(found[1]) else "barred"
        expression = expression[: found.start()] + told + expression[found.end() :]
    return any(
        all(one.strip().partition(" WITH ")[0] in ALLOWED for one in re.split(r"\bAND\b", choice))
        for choice in re.split(r"\bOR\b", expression)
    )


def bom(packages: Sequence[Locked]) -> dict[str, Any]:
    """The bill of materials: CycloneDX 1.6, with what depends on what as the lock says."""
    root = f"pkg:generic/folkmoot@{folkmoot.__version__}"
    serial = uuid.uuid5(uuid.NAMESPACE_URL, sha256(LOCK.read_bytes()).hexdigest())
    needs: dict[str, list[str]] = {root: [], **{one.purl: [] for one in packages}}
    known = {one.name: one.purl for one in packages} | {"folkmoot": root}
    for one in packages:
        for parent in one.wanted_by:
            needs[known[parent]].append(one.purl)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": root, "name": "folkmoot", "version": folkmoot.__version__,
                "purl": root, "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": [_component(one) for one in packages],
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(found))} for ref, found in sorted(needs.items())],
    }  # fmt: skip


def _component(one: Locked) -> dict[str, Any]:
    said = licence(one.name)
    whole = {"expression": said} if " " in said else {"license": {"id": said}}
    for_platforms = [{"name": "folkmoot:marker", "value": one.marker}] if one.marker else []
    return {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "licenses": [whole],
        # One hash for each file that the release has: any of them may be the one that was installed.
        "hashes": [{"alg": "SHA-256", "content": found} for found in one.hashes],
        **({"properties": for_platforms} if for_platforms else {}),
    }


def declared() -> Mapping[str, list[str]]:
    """The requirements of pyproject.toml, by what they are for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    return {
        "runtime": project["project"]["dependencies"],
        "optional": [one for extra in extras.values() for one in extra],
        **project["dependency-groups"],
    }


def main() -> int:
    """Write both files and say so."""
    packages = list(locked(LOCK))
    barred = [one.name for one in packages if not is_allowed(licence(one.name))]
    if barred:
        print(f"No licence that we allow: {', '.join(barred)}. See docs/dependencies.md.", file=sys.stderr)
        return 1
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    (folder / "sbom.cdx.json").write_text(json.dumps(bom(packages), indent=1) + "\n")
    with (folder / "licences.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["package", "version", "licence"])
        writer.writerows([one.name, one.version, licence(one.name)] for one in packages)
    print(f"{len(packages)} packages: build/sbom.cdx.json, build/licences.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
