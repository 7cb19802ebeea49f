"""The peers' own virtual environments: made once from hash-locked files, and again when those change."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.places import BUILD, HERE, digest
from benchmarks.processes import run

PEERS = ("scrapy", "datasette")


def environment(peer: str) -> Path:
    """Give the Python of a peer's environment, installing what is in `peers/PEER.txt` where that is not done yet."""
    locked = HERE / "peers" / f"{peer}.txt"
    folder = BUILD / "peers" / f"{peer}-{sys.version_info.major}.{sys.version_info.minor}-{digest(locked)}"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        for old in folder.parent.glob(f"{peer}-*"):
            shutil.rmtree(old)
        print(f"Installing {peer} into an environment of its own (once) ...", flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        log = folder.parent / f"{peer}.log"
        run(sys.executable, "-m", "venv", folder, log=log)
        pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
        run(*pip, "install", "--no-deps", "--require-hashes", "-r", locked, log=log)
        (folder / "done").touch()
    return python
