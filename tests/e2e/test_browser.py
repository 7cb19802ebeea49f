"""The judge of pages, judged: it lets a good page pass and finds each kind of fault in a bad one."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import browser

GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Good</title>
<link rel="icon" href="data:,"></head><body><main><h1>Good</h1><p>Text.</p></main></body></html>"""
BAD = """<!doctype html><html><head><meta charset="utf-8"><title>Bad</title><link rel="icon" href="data:,"></head>
<body><img src="https://elsewhere.example/x.png"><div style="width:900px">wide</div></body></html>"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "good.html").write_text(GOOD)
    (tmp_path / "bad.html").write_text(BAD)

    def handler(*args: object) -> _Quiet:
        return _Quiet(*args, directory=str(tmp_path))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.browser
def test_the_judge_of_pages_is_neither_blind_nor_fussy(site: str) -> None:
    """A good page has no complaints on either screen; a bad one has one of each kind."""
    verdicts = browser.visit([f"{site}/good.html", f"{site}/bad.html"])
    assert [(v["screen"], v["status"]) for v in verdicts] == [("desktop", 200), ("phone", 200)] * 2
    assert browser.complaints(verdicts[:2]) == []
    told = "\n".join(browser.complaints(verdicts[2:]))
    assert "(phone): wider than the screen" in told
    assert "(desktop): wider than the screen" not in told
    assert "asks another origin: https://elsewhere.example/x.png" in told
    assert "html-has-lang" in told
    assert "image-alt" in told
