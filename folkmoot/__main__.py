"""`folkmoot` and `python -m folkmoot`. `--version` is answered before the command-line library is imported."""

from __future__ import annotations

import sys

from folkmoot import __version__


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"folkmoot {__version__}\n")
        return
    from folkmoot.cli import run

    run()


if __name__ == "__main__":
    main()
