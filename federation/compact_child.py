"""The process that makes the search index anew in one go, so that the interpreter of the server is free for requests.

A JSON object {"url": of the database, "folder": of the index} comes on standard input. Whoever serves goes first: this
process steps back behind it. It ends with whoever started it, and takes the place of no other index than the one that
served when it began: what an operator rebuilt meanwhile is newer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import orjson

from federation.apart import end_with_parent
from federation.database import Database
from federation.search import folder
from federation.staging import Walk
from federation.tantivy_index import TantivyIndex

NICE = 10


def main() -> None:
    """Make the index that was asked for."""
    end_with_parent()
    os.nice(NICE)
    asked = orjson.loads(sys.stdin.buffer.read())
    root = Path(asked["folder"])
    database, index = Database(asked["url"]), TantivyIndex(root)
    try:
        with index.rebuilding(instead=folder.current(root)) as fresh:
            Walk(database, fresh, None, unseen=True).to_the_end()
    finally:
        index.close()
        database.dispose()
