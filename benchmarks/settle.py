"""Take nodes in, in one process: `python -m benchmarks.settle URL...` is `folkmoot node add URL` for each."""

from __future__ import annotations

import sys

import typer

from folkmoot.commands import node


def main() -> None:
    """Add each node; exit as the first that was not taken in."""
    for url in sys.argv[1:]:
        try:
            node.add(url, aggregator=False, as_json=True)
        except typer.Exit as ended:
            if ended.exit_code:
                raise SystemExit(ended.exit_code) from ended


if __name__ == "__main__":
    main()
