"""Log lines: one event is one line, whatever it carries."""

from __future__ import annotations

import logging
import sys

import orjson
import pytest
import structlog

from folkmoot import logs
from folkmoot.settings import Settings

BAD = "a\nb\x1b[31m\u2028\r"


@pytest.fixture(autouse=True)
def _reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))


def _configured(form: str, level: str = "info") -> structlog.typing.FilteringBoundLogger:
    before = structlog.get_config()
    logs.configure(Settings.model_validate({"log_format": form, "log_level": level}))
    made: structlog.typing.FilteringBoundLogger = structlog.get_logger("folkmoot.test").bind()
    structlog.configure(**before)
    return made


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_given_can_begin_a_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks and control characters of names, values and events are escaped."""
    log = _configured(form)
    log.info(BAD, value=BAD, odd=[BAD], number=1.5, none=None)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told[:-1].isprintable()
    assert "1.5" in told


def test_a_line_of_text_reads_as_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, event, then name=value, quoted where there is a space in it."""
    _configured("text").info("request", path="/v1/changes", detail="two words", status=200)
    line = capsys.readouterr().err
    assert line[20:].partition("[")[2] == "info] request path=/v1/changes detail='two words' status=200\n"


def test_a_line_of_json_is_json_with_a_time_and_a_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is one object."""
    _configured("json").warning("odd", what=object)
    told = orjson.loads(capsys.readouterr().err)
    assert told["level"] == "warning"
    assert told["event"] == "odd"
    assert told["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_is_told(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is in the log with its traceback."""
    log = _configured(form)
    try:
        int("the cause")
    except ValueError:
        log.exception("unexpected")
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "ValueError: invalid literal" in told


@pytest.mark.parametrize("terminal", [False, True])
def test_no_message_of_an_exception_begins_a_line(
    *, terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks and control characters in the message of an error, or of its cause, leave a readable traceback."""
    forged = "2026-11-02T09:00:00Z [info] token accepted"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    log = _configured("text")
    error = ValueError(f"{BAD}\n{forged}\r{forged}\x0b\x85\u2029{forged} \xfc")
    error.__cause__ = KeyError(BAD)
    log.error("unexpected", value=BAD, exc_info=error)
    first, *more = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert "unexpected" in first
    assert [line for line in more if line and not line.startswith("    ")] == []
    assert all(line.isprintable() for line in more)
    assert "    ValueError: a" in more
    assert f"    {forged}\\r{forged}\\x0b\\x85\\u2029{forged} \xfc" in more
    assert any(line.startswith("    KeyError: ") for line in more)


def test_less_than_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The setting is the least level."""
    log = _configured("text", "warning")
    log.info("quiet")
    log.error("loud")
    assert "quiet" not in (told := capsys.readouterr().err)
    assert "loud" in told


def test_what_other_libraries_log_looks_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the standard library's loggers has the same form."""
    _configured("text")
    logging.getLogger("uvicorn.error").warning("Started %s", "here")
    sys.stderr.flush()
    assert capsys.readouterr().err.endswith("[warning] Started here\n")
