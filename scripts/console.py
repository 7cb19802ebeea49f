"""Run the commands that a page shows, and hold what it shows to what they print.

A page's ```console blocks are one session, in order: a line that begins with `$ ` is a command (a trailing backslash
goes on in the next line), the lines below it are its output. Ports 8001 to 8009 become free ones while it runs;
times, epochs and other words that differ each time are compared by their shape.

    python -m scripts.console README.md            compare; exit 1 with the differences
    python -m scripts.console README.md --write    put the real output into the page
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from folkmoot.demo.processes import free_port
from folkmoot.settings import inherited

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
MARK = "@@end-of-command@@"
SHAPES = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r'"epoch": ?"[0-9a-z]+"'), '"epoch":"<epoch>"'),
    (re.compile(r"fmt_[A-Za-z0-9_-]{20,}"), "<token>"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|seconds)\b"), "<duration>"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)


def commands(page: str) -> list[tuple[str, str]]:
    """The commands of a page, each with the output that the page shows."""
    found: list[tuple[str, str]] = []
    for block in BLOCK.findall(page):
        command = ""
        for line in block.splitlines():
            if command.endswith("\\\n"):
                command += line + "\n"
                found[-1] = (command.rstrip("\n"), "")
            elif line.startswith("$ "):
                command = line[2:] + "\n"
                found.append((command.rstrip("\n"), ""))
            else:
                command = ""
                found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def play(page: str) -> list[tuple[str, str, str]]:
    """Run a page's commands in one shell session; gives (command, output shown, output printed)."""
    ports = {str(port): str(free_port()) for port in range(8001, 8010) if str(port) in page}
    folder = Path(tempfile.mkdtemp(prefix="folkmoot-page-"))
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    shown = commands(page)
    script = "\n".join(f"{_swap(command, ports)}\necho '{MARK}'" for command, _ in shown)
    environment = inherited()
    shell = shutil.which("bash") or "bash"
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    try:
        done = subprocess.run(  # noqa: S603 - the commands of our own pages
            [shell, "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"],
            cwd=folder,
            env=environment | {"PATH": path, "COLUMNS": "110"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    printed = _swap(done.stdout, {new: old for old, new in ports.items()}).replace(str(folder) + "/", "")
    parts = printed.split(MARK + "\n")
    return [(command, output, parts[step] if step < len(parts) else "") for step, (command, output) in enumerate(shown)]


def _swap(text: str, ports: dict[str, str]) -> str:
    for old, new in ports.items():
        text = re.sub(rf"(?<!\d){old}(?!\d)", new, text)
    return text


def shape(text: str) -> str:
    """What must be equal: the text with the words that differ each time replaced by what they are."""
    for pattern, word in SHAPES:
        text = pattern.sub(word, text)
    return text.strip()


def differences(page: str) -> list[str]:
    """Where the page shows something else than its commands print, as lines of a diff."""
    found: list[str] = []
    for command, shown, printed in play(page):
        if shape(shown) != shape(printed):
            lines = difflib.unified_diff(
                shape(shown).splitlines(), shape(printed).splitlines(), "page", "real", lineterm=""
            )
            found += [f"$ {command}", *lines]
    return found


def rewritten(page: str) -> str:
    """The page with the real output of its commands."""
    played = iter(play(page))

    def block(match: re.Match[str]) -> str:
        count = len(commands(match.group(0)))
        inner = "".join(f"$ {command}\n{printed}" for command, _shown, printed in (next(played) for _ in range(count)))
        return f"```console\n{inner}```"

    return BLOCK.sub(block, page)


def main() -> int:
    """Compare or rewrite the page named on the command line."""
    target = Path(sys.argv[1])
    page = target.read_text(encoding="utf-8")
    if "--write" in sys.argv:
        target.write_text(rewritten(page), encoding="utf-8")
        return 0
    found = differences(page)
    sys.stdout.write("\n".join(found) + ("\n" if found else ""))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
