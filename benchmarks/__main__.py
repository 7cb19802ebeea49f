"""Run the benchmarks and print their tables: `make bench`."""

from __future__ import annotations

from benchmarks import feed


def main() -> None:
    """Print each table."""
    feed.main()
    print("\nCrawling, indexing and searching at scale are measured from the next release on.")


if __name__ == "__main__":
    main()
