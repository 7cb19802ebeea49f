"""The process that writes a large bulk file, so that the interpreter of the server is free for requests.

A JSON object {"url": of the database, "folder": ..., "name": of the file} comes on standard input; what was written
(`bulk.Cut`) goes out, or {"full": what the system says} where there is no room for it. Whoever serves goes first: this
process steps back behind it, and ends with whoever started it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from federation import bulk, outages
from federation.apart import end_with_parent
from federation.database import Database

NICE = 10


def main() -> None:
    """Write the file that was asked for."""
    end_with_parent()
    os.nice(NICE)
    asked = orjson.loads(sys.stdin.buffer.read())
    database = Database(asked["url"])
    try:
        told = asdict(bulk.cut_file(database, Path(asked["folder"]), bulk.SHAPES[asked["name"]]))
    except OSError as error:
        if not outages.is_full(error):
            raise
        told = {"full": error.strerror}
    database.dispose()
    sys.stdout.buffer.write(orjson.dumps(told))
