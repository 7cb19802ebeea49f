"""What glibc holds of memory that was freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HOLES = """
import asyncio, re
from pathlib import Path
from federation.memory import SERVED, Trimmer, frugal

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

async def trimmed():
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)
    await Trimmer(0.05).run(stop)

frugal(SERVED)
blocks = [bytes([n % 256]) * 50_000 for n in range(2_000)]
full = resident()
kept = blocks[::20]
del blocks
holes = resident()
asyncio.run(trimmed())
print(full, holes, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_a_server_gives_back_the_holes_between_what_it_keeps() -> None:
    """Of 100 MB in blocks of 50 KB, each twentieth kept, all stays in the heap until it is trimmed; a tenth after."""
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, timeout=60, check=True)
    full, holes, after = (int(one) for one in told.stdout.split())
    assert full - holes < 20, "freed, and not given back"
    assert holes - after > 60, told.stdout
