"""The fields of the tantivy index, and a document put into them.

`VERSION` names the folder: a changed schema or analyser needs a new number, and every index rebuilds itself.
"""

from __future__ import annotations

from base64 import b64encode

import orjson
import tantivy

from federation.documents import FACETS, Document
from federation.forms import MISSING
from federation.index import Reached

VERSION = 2
ALIASED = ("supplier", "service", "tool", "cpv")
KEYS = {"updated": "number", "start": "key_start", "end": "key_end", "value": "key_value"}
REACHED = "#reached"
"""The id of the one document that is no record: how far the index goes, committed with what it speaks of."""
_WORDS = "words"


def schema() -> tantivy.Schema:
    """Every field once. Ids are raw text: deleting by an unsigned field silently deletes nothing."""
    build = tantivy.SchemaBuilder()
    build.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    build.add_text_field("title", tokenizer_name=_WORDS)
    build.add_text_field("text", tokenizer_name=_WORDS)
    for name in FACETS:
        build.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    build.add_text_field("signature", tokenizer_name="raw", index_option="basic")
    for name in ALIASED:
        build.add_text_field(f"any_{name}", tokenizer_name="raw", index_option="basic")
    for name in ("row", "changed", *KEYS.values()):
        build.add_integer_field(name, fast=True)
    for name in ("low", "high"):
        build.add_float_field(name, fast=True)
    build.add_bytes_field("stored", stored=True)
    return build.build()


def analyser() -> tantivy.TextAnalyzer:
    """Words as they are compared: lower case, accents folded, English endings taken off."""
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(100))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


def open_index(path: str, analysed: tantivy.TextAnalyzer) -> tantivy.Index:
    """Open the index in a folder, or make it there. Readers look again only when they are told to."""
    index = tantivy.Index(schema(), path=path)
    index.register_tokenizer(_WORDS, analysed)
    index.config_reader("manual")
    return index


def everything(schema: tantivy.Schema) -> tantivy.Query:
    """All records. What looks for a word or a value need not leave the one document out that is none."""
    own = tantivy.Query.term_query(schema, "id", REACHED)
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, tantivy.Query.all_query()), (tantivy.Occur.MustNot, own)])


def put(document: Document) -> str:
    """A record as tantivy reads it: JSON, for one call is a third of the cost of a call a value."""
    members, keys, missing = document.members.copy(), document.keys, MISSING | document.row
    members["stored"] = _bytes({"kind": document.kind, "labels": document.labels})
    members["key_start"] = keys.get("start", missing)
    members["key_end"] = keys.get("end", missing)
    members["key_value"] = keys.get("value", missing)
    return orjson.dumps(members).decode()


def put_reached(reached: Reached) -> str:
    """How far the index goes, as a document of its own, so that one commit holds both."""
    held = _bytes({"epoch": reached.epoch, "number": reached.number, "row": reached.row, "begun": reached.begun})
    return orjson.dumps({"id": REACHED, "stored": held}).decode()


def _bytes(kept: object) -> str:
    """What a field of bytes is in JSON."""
    return b64encode(orjson.dumps(kept)).decode()
