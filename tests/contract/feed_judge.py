"""The outside judge of a change feed: the OpenActive RPDE validator, an npm package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.absent import judge

VALIDATOR = Path(__file__).parent / "rpde"


def verdicts(*urls: str) -> list[dict[str, Any]]:
    """Walk each feed to its end; return `{url, pages, failures, others}` a feed.

    A failure is `{page, severity, type, message}`. Among `others` one warning is the validator's own artefact: it
    asks for an hour's caching on the true last page, since it learns only afterwards that it was the last.
    Skips without Node.js or the packages of `tests/contract/rpde`.
    """
    return judge(VALIDATOR, *urls)
