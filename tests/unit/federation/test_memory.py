"""What is kept long lies outside of the heap, and is what it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from federation.memory import aside

MAPS = Path("/proc/self/maps")


def _mapped() -> int:
    """Bytes of this process's memory that belong to no file and no heap."""
    spans = re.findall(r"^(\w+)-(\w+) rw-p 00000000 00:00 0 *$", MAPS.read_text(), re.MULTILINE)
    return sum(int(end, 16) - int(start, 16) for start, end in spans)


@pytest.mark.parametrize("length", [0, 1, 32_767, 32_768, 100_000, 5_000_001])
def test_what_is_put_aside_is_what_it_was(length: int) -> None:
    """Bytes of any length are given back equal, and nobody can change them."""
    kept = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
    held = aside(kept)
    assert held == kept
    assert len(held) == length
    assert memoryview(held).readonly


@pytest.mark.skipif(not MAPS.exists(), reason="this system does not tell what its memory is")
def test_what_was_put_aside_is_given_back_with_its_last_user() -> None:
    """Many large blocks take a place of their own each, and leave none behind."""
    before, kept = _mapped(), b"x" * 1_000_000
    held = [aside(kept) for _ in range(100)]
    assert _mapped() - before > 90_000_000
    held.clear()
    assert _mapped() - before < 20_000_000
