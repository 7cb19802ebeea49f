"""The process that reads an uploaded register, whatever its format: limited in memory and time, so that it dies alone.

Run as `python -m exchange.reading_child PID` by the process of that number. On standard input comes a line of JSON,
{"filename", "kind", "format", "publisher": {"id", "name", "id_prefix"}, "limits": {"memory", "seconds", "output"}}, and
then the file itself. Lines of JSON go out: an object with the members of `Parsed` that are no rows; a list for each row
that is ready (`READY`, its body last), each that is refused (`REFUSED`) and each problem (`PROBLEM`), their members in
order; at last `END`.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from exchange import children

if TYPE_CHECKING:
    from exchange.reading import Parsed

READY, REFUSED, PROBLEM, END = "ready", "refused", "problem", b'"end"\n'
LONGEST_SENTENCE = 2_000


def main() -> int:
    """Set the limits, read standard input, write standard output. Gives 0, or how it ended and says why on stderr."""
    asked = orjson.loads(sys.stdin.buffer.readline())
    children.confine(**asked.pop("limits"))
    # Imported here: the limits must stand before the libraries load.
    from schema.errors import FolkmootError  # noqa: PLC0415

    gc.disable()  # rows and records make no circles of references
    try:
        sys.stdout.buffer.writelines(lines(_parsed(sys.stdin.buffer.read(), asked)))
        sys.stdout.buffer.flush()
    except FolkmootError as error:
        sys.stderr.buffer.write(error.detail.encode("utf-8", "replace")[:LONGEST_SENTENCE])
        return children.UNREADABLE
    except Exception as error:
        code = children.ending(error)
        if not code:
            raise
        return code
    return 0


def _parsed(body: bytes, asked: dict[str, Any]) -> Parsed:
    from exchange.reading import PublisherFacts, parse  # noqa: PLC0415 - see above

    return parse(body, publisher=PublisherFacts(**asked.pop("publisher")), **asked)


def lines(parsed: Parsed) -> Iterator[bytes]:
    """Write a file that was read as the lines of this module's docstring."""
    head = {name: getattr(parsed, name) for name in ("format", "layout", "empty", "ignored_sheets")}
    yield orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE)
    for row in parsed.ready:
        about = (row.sheet, row.row, row.reference, row.given, row.alone, row.buyers)
        yield _line(READY, *about, parsed.spool.get(row.number).decode())
    for refused in parsed.refused:
        yield _line(REFUSED, refused.row, refused.reference, refused.sheet)
    for one in parsed.problems:
        about_it = (one.row, one.column, one.field, one.value, one.expected, one.message, one.severity, one.code)
        yield _line(PROBLEM, *about_it, one.sheet)
    yield END


def _line(*members: Any) -> bytes:
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    children.end_with_parent()
    children.leave(main())
