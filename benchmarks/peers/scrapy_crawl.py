"""Scrapy 2.19 crawls the same feeds: `scrapy_crawl.py item|page FILE URL...`. Runs in the peer's own environment.

`item`: the spider yields records; a pipeline validates each with the same Pydantic models and upserts it, and commits
every 500. `page`: the spider yields whole pages; the pipeline validates item by item and upserts a page at a time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import scrapy  # type: ignore[import-not-found]  # in the peer's own environment
from scrapy.crawler import CrawlerProcess  # type: ignore[import-not-found]

from benchmarks.peers import tables
from schema.kinds import parse

MODE, FILE, URLS = sys.argv[1], sys.argv[2], sys.argv[3:]
COMMIT = 500
Json = dict[str, Any]


class Feeds(scrapy.Spider):  # type: ignore[misc]
    """Walk each feed from its beginning to the page without items."""

    name = "feeds"
    start_urls = URLS

    def parse(self, response: Any) -> Iterator[Any]:
        """Follow `next` first, so that it is fetched while this page is worked on."""
        page = response.json() if MODE == "item" else orjson.loads(response.body)
        if page["items"]:
            yield response.follow(page["next"])
        if MODE == "item":
            yield from page["items"]
        elif page["items"]:
            yield {"items": page["items"]}


class Store:
    """Where both pipelines write."""

    def open_spider(self) -> None:
        """Make the file."""
        self.base = tables.opened(FILE)
        self.waiting = 0

    def close_spider(self) -> None:
        """Commit what is left."""
        self.base.commit()
        self.base.close()


class Items(Store):
    """One record at a time."""

    def process_item(self, item: Json) -> Json:
        """Validate and upsert."""
        data = json.dumps(item["data"], ensure_ascii=False, separators=(",", ":"))
        parse(item["kind"], data)
        self.base.execute(tables.UPSERT, tables.row(item, data))
        self.waiting += 1
        if self.waiting % COMMIT == 0:
            self.base.commit()
        return item


class Pages(Store):
    """One page at a time."""

    def process_item(self, item: Json) -> Json:
        """Validate each record, upsert all in one statement, commit."""
        rows = []
        for one in item["items"]:
            data = orjson.dumps(one["data"])
            parse(one["kind"], data)
            rows.append(tables.row(one, data.decode()))
        self.base.executemany(tables.UPSERT, rows)
        self.base.commit()
        return item


def main() -> None:
    """Crawl to the end."""
    pipeline = Items if MODE == "item" else Pages
    process = CrawlerProcess(
        settings={
            "ITEM_PIPELINES": {pipeline: 1},
            "LOG_LEVEL": "ERROR",
            "ROBOTSTXT_OBEY": False,
            "DOWNLOAD_DELAY": 0,
            "CONCURRENT_REQUESTS": 16,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
            "TELNETCONSOLE_ENABLED": False,
            "COOKIES_ENABLED": False,
            "RETRY_ENABLED": False,
            "MEMUSAGE_ENABLED": False,
        }
    )
    process.crawl(Feeds)
    process.start()


if __name__ == "__main__":
    main()
