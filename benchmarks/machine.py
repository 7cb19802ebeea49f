"""What the figures were got on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import load
from benchmarks.places import HERE, ROOT

OURS = ("fastapi", "uvicorn", "pydantic", "sqlalchemy", "tantivy", "orjson", "msgspec", "httpx2")
THEIRS = {"scrapy": "scrapy", "datasette": "datasette"}


def told() -> dict[str, str]:
    """Describe the machine, the versions, the commit and the day."""
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release().split('-')[0]}",
        "python": f"Python {platform.python_version()}",
        "ours": ", ".join(f"{name} {version(name)}" for name in OURS),
        "theirs": ", ".join(_pinned(name) for name in THEIRS),
        "client": load.client(),
        "commit": _commit(),
        "day": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _system() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    named = (line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME="))
    return next(named, platform.system())


def _pinned(peer: str) -> str:
    lines = (HERE / "peers" / f"{peer}.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{peer}==")).removesuffix(" \\").replace("==", " ")


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
