"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=64, help="How many processes serve; FOLKMOOT_SERVE_WORKERS is 1."),
]
