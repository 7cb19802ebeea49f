"""One log for everything that runs: structlog writes straight to standard error, and what others log joins it there."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import structlog

from folkmoot.settings import Settings

_PLAIN = re.compile(r"[^\s\"'=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TOKEN = re.compile(r"fmt_[A-Za-z0-9_%-]{20,}")
_CREDENTIALS = re.compile(
    r"""(\bpostgres[\w+]*://)[^\s"/:@]*:[^"@\n]{0,500}@(?:[^\s"]{0,500}@)?"""  # whose password may hold nearly all
    r"""|(://)[^\s/"']+@"""
)
_NUMBERS = {int, float, bool}
_HEAD = ("timestamp", "level", "event", "exception")
Event = MutableMapping[str, Any]


def configure(settings: Settings) -> None:
    """Write lines of text or of JSON to standard error."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        stamped,
        structlog.processors.format_exc_info,
    ]
    last = _masking(_renderer(settings.log_format))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for chatty in ("httpx2", "httpcore2", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Not through the standard library's loggers: they made a line ten times as dear, and every request writes one.
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _renderer(form: str) -> Callable[[Any, str, Event], str]:
    if form == "json":
        return json_line
    return partial(_coloured, structlog.dev.ConsoleRenderer()) if sys.stderr.isatty() else text_line


def _coloured(render: Callable[[Any, str, Event], str], logger: Any, method: str, event: Event) -> str:
    """A line for a terminal, which would obey control characters."""
    shown = {name: value if value.__class__ in _NUMBERS else escaped(str(value)) for name, value in event.items()}
    if event.get("exception"):
        shown["exception"] = traced(event["exception"])
    return render(logger, method, shown)


def _masking(render: Callable[[Any, str, Event], str]) -> Callable[[Any, str, Event], str]:
    def rendered(logger: Any, method: str, event: Event) -> str:
        return masked(render(logger, method, event))

    return rendered


def masked(line: str) -> str:
    """The line without secrets: of a token its first letters stay, of an address with a name and password the rest."""
    if "fmt_" in line:
        line = _TOKEN.sub("fmt_***", line)
    return _CREDENTIALS.sub(r"\1\2***@", line) if "@" in line and "://" in line else line


def stamped(_logger: Any, _method: str, event: Event) -> Event:
    """Add the time, in UTC to the microsecond."""
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    return event


def json_line(_logger: Any, _method: str, event: Event) -> str:
    """One event as a line of JSON, in ASCII: some readers take U+2028 for the end of a line."""
    line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    return line.decode() if line.isascii() else json.dumps(event, default=str)


def text_line(_logger: Any, _method: str, event: Event) -> str:
    """One event as a line of text: time, level, what happened, then name=value. Nothing given can begin a line."""
    said = event["event"]
    head = f"{event.get('timestamp')} [{event.get('level')}] {said if str(said).isprintable() else ascii(said)}"
    rest = " ".join([f"{name}={_value(value)}" for name, value in event.items() if name not in _HEAD])
    line = f"{head} {rest}" if rest else head
    return f"{line}\n{traced(event['exception'])}" if event.get("exception") else line


def traced(exception: str) -> str:
    """A traceback below its line. Each line of it stands further in: a break in its message begins no event."""
    return "\n".join([f"    {escaped(line)}" for line in exception.split("\n")])


def escaped(text: str) -> str:
    """The text with control characters, and what else is not printed, as Python writes them."""
    return text if text.isprintable() else "".join([one if one.isprintable() else ascii(one)[1:-1] for one in text])


def _value(value: object) -> object:
    if value.__class__ in _NUMBERS:
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if _PLAIN.fullmatch(text) else ascii(text)
