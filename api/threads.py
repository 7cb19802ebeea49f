"""A step to a thread and back, for reading that is over in a few milliseconds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

T = TypeVar("T")
FEW = (os.cpu_count() or 1) + 1
"""Threads that read at once. They share one interpreter, and each row that SQLite gives is one more turn at it: forty
of them take turns more than they read (docs/performance.md)."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(FEW, thread_name_prefix="reading")


async def in_thread(call: Callable[[], T]) -> T:
    """Call in one of a few threads, in the order of asking. What may wait for a lock or a client has no place there."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), copy_context().run, call)
