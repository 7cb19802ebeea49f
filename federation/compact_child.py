"""The process that makes the search index anew in one go, so that the interpreter of the server is free for requests.

A JSON object {"url": of the database, "folder": of the index} comes on standard input. Whoever serves goes first: this
process steps back behind it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import orjson

from federation import follow
from federation.database import Database
from federation.tantivy_index import TantivyIndex

NICE = 10


def main() -> None:
    """Make the index that was asked for."""
    os.nice(NICE)
    asked = orjson.loads(sys.stdin.buffer.read())
    database, index = Database(asked["url"]), TantivyIndex(Path(asked["folder"]))
    follow.rebuild(database, index)
    index.close()
    database.dispose()
