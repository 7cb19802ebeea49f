"""The small scripts that make, CI and the image share."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_python(folder: Path, name: str, version: str) -> Path:
    """Make a program that answers as a Python that is not good enough."""
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "Python {version}";; *) exit 1;; esac\n')
    path.chmod(0o755)
    return path


def test_a_python_that_fits_is_taken() -> None:
    """PYTHON names the Python to build with."""
    done = run("scripts/python.sh", PYTHON=sys.executable)
    assert (done.returncode, done.stdout.strip()) == (0, sys.executable)


def test_a_python_that_is_too_old_is_refused_in_plain_words(tmp_path: Path) -> None:
    """What was found and what is needed stand in one sentence."""
    old = fake_python(tmp_path, "python3", "3.9.18")
    done = run("scripts/python.sh", PYTHON=str(old))
    assert done.returncode == 1
    assert f"PYTHON={old} is Python 3.9.18; Folkmoot needs Python 3.11, 3.12 or 3.13." in done.stderr


def test_a_python_that_is_not_there_is_refused_in_plain_words() -> None:
    """A misspelt PYTHON is said to be missing, not too old."""
    done = run("scripts/python.sh", PYTHON="python-of-nowhere")
    assert done.returncode == 1
    assert "PYTHON=python-of-nowhere: there is no such program." in done.stderr


def test_another_python_on_the_path_is_found(tmp_path: Path) -> None:
    """Where python3 is too old, python3.12 beside it is taken."""
    fake_python(tmp_path, "python3", "3.9.18")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    done = run("scripts/python.sh", PYTHON="", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (done.returncode, done.stdout.strip()) == (0, "python3.12"), done.stderr


def test_without_any_python_the_way_out_is_told(tmp_path: Path) -> None:
    """With nothing that fits, the message says what to install and how to name it."""
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        fake_python(tmp_path, name, "3.9.18")
    done = run("scripts/python.sh", PYTHON="", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "python3 is Python 3.9.18" in done.stderr
    assert "PYTHON=/path/to/python3.12 make test" in done.stderr


def test_quiet_speaks_only_of_failure() -> None:
    """A tool that succeeds says nothing; one that fails is shown whole, with its exit code."""
    good = run("scripts/quiet.sh", "sh", "-c", "echo fine")
    assert (good.returncode, good.stdout) == (0, "")
    bad = run("scripts/quiet.sh", "sh", "-c", "echo wrong; echo worse >&2; exit 3")
    assert bad.returncode == 3
    assert "wrong\nworse\n" in bad.stdout


class _Live(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""


@pytest.fixture
def live_port() -> int:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Live)

    def once() -> None:
        with server:
            server.handle_request()

    threading.Thread(target=once, daemon=True).start()
    return int(server.server_address[1])


def test_the_health_check_asks_the_server(live_port: int) -> None:
    """The image's health check is 0 for a server that lives and 1 for none."""
    script = ROOT / "scripts" / "healthy.py"
    assert run(sys.executable, script, FOLKMOOT_PORT=str(live_port)).returncode == 0
    assert run(sys.executable, script, FOLKMOOT_PORT=str(live_port)).returncode == 1
