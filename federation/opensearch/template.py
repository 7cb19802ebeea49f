"""The index template: every field once, the analyser, and a document put into them. Pure.

`VERSION` is part of the name of each index: a changed mapping or analyser needs a new number, and every index rebuilds
itself beside the old one.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from federation.documents import FACETS, Document
from federation.opensearch.address import Address

VERSION = 1
ALIASED = ("supplier", "service", "tool", "cpv")
KEYS = {"updated": "number", "start": "key_start", "end": "key_end", "value": "key_value"}
LABELLED = ("publisher", "region", "nation", "supplier", "service", "tool")
"""The facets whose values a record may call by another name than themselves."""
LONGEST = 8_000
"""Characters of the longest value that can be filtered by and counted: a term has 32,766 bytes at most."""
LONGEST_PAGE = 100_000
"""Records of the longest page: a download takes 10,000 at a time, and one more to know whether there are others."""


def prefix(address: Address) -> str:
    """What the names of the indices of this version begin with."""
    return f"{address.name}-v{VERSION}-"


def template(address: Address) -> dict[str, Any]:
    """The template of all indices of this address and version."""
    return {
        "index_patterns": [f"{prefix(address)}*"],
        "priority": 100,
        "template": {"settings": _settings(address), "mappings": {"dynamic": "strict", **_mappings()}},
    }


def _settings(address: Address) -> dict[str, Any]:
    """Nothing is seen before its commit (no refresh by time); deletes are remembered for longer than a writer lives."""
    return {
        "number_of_shards": address.shards,
        "auto_expand_replicas": f"0-{address.replicas}" if address.replicas else "false",
        "number_of_replicas": 0,
        "refresh_interval": "-1",
        "gc_deletes": "1h",
        "max_result_window": LONGEST_PAGE,
        "analysis": {
            # A word is letters and digits: the same as in federation/search/fields.py, which a test holds the two to.
            "tokenizer": {"words": {"type": "pattern", "pattern": r"[^\p{IsAlphabetic}\p{N}]+"}},
            "filter": {
                "short": {"type": "length", "min": 1, "max": 99},
                "endings": {"type": "stemmer", "language": "porter2"},
            },
            "analyzer": {
                "words": {"tokenizer": "words", "filter": ["short", "lowercase", "asciifolding", "endings"]},
            },
        },
    }


def _mappings() -> dict[str, Any]:
    """The record itself is not kept: the database has it (`_source` is off); `labels` are JSON to be shown."""
    term = {"type": "keyword", "ignore_above": LONGEST}
    only_filtered = {**term, "doc_values": False}
    words = {"type": "text", "analyzer": "words"}
    return {
        "_source": {"enabled": False},
        "properties": {
            "id": {"type": "keyword", "index": False},
            "title": words,
            "text": words,
            **dict.fromkeys(FACETS, term),
            "signature": only_filtered,
            **{f"any_{name}": only_filtered for name in ALIASED},
            **{name: {"type": "long"} for name in ("row", "changed", *KEYS.values())},
            "low": {"type": "double"},
            "high": {"type": "double"},
            "labels": {"type": "keyword", "index": False, "doc_values": False, "store": True},
        },
    }


def key(record: str) -> str:
    """The name of a record's document: of one length, for the engine takes no name beyond 512 bytes."""
    return hashlib.blake2b(record.encode(), digest_size=20).hexdigest()


def source(document: Document) -> bytes:
    """A record as the cluster takes it: JSON."""
    fields = document.members.copy()
    for sort, value in document.keys.items():
        fields[KEYS[sort]] = value
    if document.labels:
        fields["labels"] = orjson.dumps(document.labels).decode()
    return orjson.dumps(fields)
