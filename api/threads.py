"""A step to a thread and back, for reading that is over in a few milliseconds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from federation.database import Database
from federation.index import Slow, hurried

T = TypeVar("T")
FEW = (os.cpu_count() or 1) + 1
"""Threads that read from SQLite at once. They share one interpreter, and each row that SQLite gives is one more turn at
it: forty of them take turns more than they read (decision 0025)."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(FEW, thread_name_prefix="reading")


async def in_few(database: Database, call: Callable[[], T]) -> T:
    """Call in one of the few threads, in the order of asking.

    What may wait has no place there: a search that would is made once more in the framework's forty threads. So is all
    that asks PostgreSQL, which is another process, and may be away.
    """
    if database.dialect != "sqlite":
        return await run_in_threadpool(call)
    context = copy_context()
    context.run(hurried.set, True)
    try:
        return await asyncio.get_running_loop().run_in_executor(_pool(), context.run, call)
    except Slow:
        return await run_in_threadpool(call)
