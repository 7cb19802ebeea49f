"""The judge of feeds, judged: it lets a right feed pass and finds a wrong one."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.contract.feed_judge import verdicts


class _Feed(http.server.BaseHTTPRequestHandler):
    """Three changes in order under /right; under /wrong the same, where deleted items carry data."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        after = int(parse_qs(address.query).get("afterChangeNumber", ["0"])[0])
        numbers = [n for n in (1, 2, 3) if n > after]
        state = "deleted" if address.path == "/wrong" else "updated"
        last = max(numbers, default=after)
        host = f"http://{self.headers['Host']}"
        page = {
            "next": f"{host}{address.path}?afterChangeNumber={last}",
            "items": [
                {"state": state, "kind": "tool", "id": f"{host}/id/{n}", "modified": n, "data": {"name": str(n)}}
                for n in numbers
            ],
            "license": "https://creativecommons.org/licenses/by/4.0/",
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", f"public, max-age={3600 if numbers else 8}")
        self.end_headers()
        self.wfile.write(json.dumps(page).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Feed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_judge_of_feeds_is_neither_blind_nor_fussy(host: str) -> None:
    """A feed in order has no failures; one whose tombstones carry data has some."""
    right, wrong = verdicts(f"{host}/right?afterChangeNumber=0", f"{host}/wrong?afterChangeNumber=0")
    assert right["failures"] == []
    assert right["pages"] >= 2
    assert wrong["failures"] != []
