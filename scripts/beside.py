"""Tools that lie beside `.venv`, each from a hash-locked file of its own, for one target alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def stands(lock: Path, home: Path) -> bool:
    """Whether what the lock names was installed under this folder."""
    stamp = home / "lock"
    return stamp.exists() and stamp.read_bytes() == lock.read_bytes()


def install(lock: Path, home: Path, python: str | Path, *options: str) -> None:
    """Install what the lock names, by its hashes. Raises `subprocess.CalledProcessError`, with what pip said."""
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install", *options]
    try:
        subprocess.run(  # noqa: S603 - our own file of hashes, by an interpreter of ours
            [*pip, "--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(lock)],
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        raise
    (home / "lock").write_bytes(lock.read_bytes())
