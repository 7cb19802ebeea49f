"""Ask the server in this container whether it lives: exit 0 when it does. For the image's health check."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

SECONDS = 4


def main() -> int:
    """Return 0 for a server that answers."""
    port = os.environ.get("FOLKMOOT_PORT", "8000")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=SECONDS) as reply:
            return 0 if reply.status == 200 else 1
    except (urllib.error.URLError, OSError) as error:
        print(f"/health/live: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
