"""What reads foreign bytes, each as a function of bytes alone: it returns, or it has found a fault.

An input that is refused by an error of the house (`schema/errors.py`) is well read. Anything else that is raised is a
fault, and so is a promise that is not kept about what was accepted: that it can be served on, indexed and published.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson

from exchange.reading import PublisherFacts, Reading, read_register
from exchange.tabular import MOST_COLUMNS, MOST_ROWS
from exchange.workbook import _sheets, checked_archive
from exchange.workbook_child import marks, sheet_parts
from federation import identity, judge, origins, verdicts
from federation.crawl import number_of
from federation.documents import Place, Source
from federation.making import document
from federation.merge import Statement
from federation.verdicts import Judged
from schema.change import MAX_HOPS, MAX_ITEM_BYTES, check_page, read_item
from schema.entry import Entry, item_json, page_json
from schema.errors import Bad, Refused
from schema.identifiers import is_canonical
from schema.kinds import KINDS, check
from tests.fuzz.asking import ask

Target = Callable[[bytes], None]

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NODE = "https://exa.example/.well-known/folkmoot"
FEED = "https://exa.example/v1/changes?afterChangeNumber=0"
ME = "https://moot.example/.well-known/folkmoot"
MEMBERS = "https://moot.example/v1/nodes"
OTHER = "https://oth.example/.well-known/folkmoot"
PREFIXES = {"https://exa.example/id/GB-LAE-EXA/": "GB-LAE-EXA"}
ORIGINS = {OTHER: {"https://oth.example/id/GB-LAE-OTH/": "GB-LAE-OTH"}}
SOURCES = (verdicts.Source(1, NODE, PREFIXES, relays=False), verdicts.Source(1, NODE, PREFIXES, relays=True))
COUNCIL = PublisherFacts("GB-LAE-EXA", "Exampleshire County Council", "https://exa.example/id/GB-LAE-EXA/")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def feed_page(body: bytes) -> None:
    """Read a page of a feed as a crawl does: of a node, and of an aggregator. What is taken can be served on."""
    try:
        page = check_page(body, FEED)
    except Refused as refusal:
        _plain([refusal.rule, refusal.pointer])
        return
    number_of(page.next)
    for source in SOURCES:
        judged = judge.judge(judge.read(page.items), source, me=ME, origins=ORIGINS, now=NOW)
        _told(judged)
        for number, (statement, _ends) in enumerate(judged.heard, 1):
            _serves(statement, number)


def _told(judged: Judged) -> None:
    for trouble in judged.refused:
        _plain([trouble.rule, trouble.message, trouble.record_id])
        trouble.pointer.encode()
    _plain(judged.named)


def _plain(texts: Iterable[str]) -> None:
    for text in texts:
        assert not _CONTROL.search(text), f"a database would refuse {text!r}"


def _serves(statement: Statement, number: int) -> None:
    """What was accepted goes into a page that the next reader takes, and into the index."""
    _plain([statement.id, statement.kind, statement.publisher, statement.origin_node, statement.moved_to or ""])
    told = (statement.origin, statement.via, statement.reason, statement.moved_to)
    item = item_json(Entry(number, statement.kind, statement.id, statement.data, *told))
    after = f"https://moot.example/v1/changes?afterChangeNumber={number}"
    page = page_json(url=ME, next_url=after, epoch="e", license_url="https://exa.example/", items=[item], latest=number)
    (again,) = check_page(page, "https://moot.example/v1/changes?afterChangeNumber=0").items
    assert statement.via is not None
    if len(item) <= MAX_ITEM_BYTES and len(orjson.loads(statement.via)) < MAX_HOPS:
        read = read_item(again)
        assert (read.id, read.data, read.reason) == (statement.id, statement.data, statement.reason)
    if statement.kind in KINDS:
        document(Source(1, statement.id, statement.kind, statement.publisher, number, statement.data, NOW), Place())


def manifest(body: bytes) -> None:
    """Read a manifest as joining does: what is taken has a key, a name, a feed or a reason why not.

    The same bytes are read as a relay's list of members too, whose copies of manifests are believed as little.
    """
    _members(body)
    try:
        found = identity.read_manifest(body, NODE)
    except Refused as refusal:
        _plain([refusal.rule])
        return
    prefixes = identity.prefixes_of(found)
    assert all(is_canonical(prefix) for prefix in prefixes)
    _plain([identity.name_of(found), identity.key_of(found.id), *prefixes, *prefixes.values()])
    identity.without_overlap(prefixes, PREFIXES)
    found.foreign_prefixes()
    orjson.dumps(found.wire())
    try:
        urlsplit(identity.feed_of(found).url)
    except Refused:
        return


def _members(body: bytes) -> None:
    try:
        items, following = origins._members(body, MEMBERS)
    except Refused:
        return
    (following or "").encode()
    for item in items:
        heard = origins._copy(item.manifest, NODE, ME)
        assert heard is None or all(is_canonical(prefix) for prefix in heard.prefixes)


def register_csv(body: bytes) -> None:
    """Read a register as a table of text. The first byte chooses the kind; the rest is the file."""
    kinds = tuple(KINDS)
    _register(body[1:], "register.csv", kinds[body[0] % len(kinds)] if body else "contract", "csv")


def register_ocds(body: bytes) -> None:
    """Read notices and objects: flattened OCDS releases, notices, JSON, NDJSON. The first byte chooses which."""
    formats = ("contracts-finder", "json", "ndjson", "notices")
    _register(body[1:], "register", "contract", formats[body[0] % len(formats)] if body else None)


def register_xlsx(body: bytes) -> None:
    """Read a workbook: its archive, its sheets as the child reads them, and what the child says of them.

    The first byte chooses: an archive (which goes through the real child), a sheet's XML, or lines of a child.
    """
    choice, rest = (body[0] % 4 if body else 0), body[1:]
    if choice == 0:
        _workbook(rest)
    elif choice == 1:
        marks(rest)
    elif choice == 2:
        sheet_parts(_archive({"xl/workbook.xml": rest, "xl/_rels/workbook.xml.rels": rest}))
    else:
        _lines(rest)


def _workbook(body: bytes) -> None:
    try:
        checked_archive(body)
    except Bad:
        return
    _register(body, "register.xlsx", "contract", "xlsx")


def _lines(body: bytes) -> None:
    """Take what a child may say: a row a line, cells between tabs; a line that begins with # is a sheet."""
    messages: list[dict[str, object]] = [{"sheet": "One", "visible": True, "formulas": [[2, 1]], "unstored": [[3, 1]]}]
    for number, line in enumerate(body.decode("utf-8", "replace").split("\n"), 1):
        if line.startswith("#"):
            messages.append({"sheet": line[1:], "visible": len(line) % 2 == 0, "formulas": [], "unstored": []})
        else:
            messages.append({"row": number, "cells": line.split("\t")})
    try:
        sheets = _sheets(orjson.dumps(message) for message in [*messages, {"end": True}])
    except Bad:
        return
    assert all(len(row.cells) <= MOST_COLUMNS and row.number <= MOST_ROWS for sheet in sheets for row in sheet.rows)


def _archive(members: Mapping[str, bytes]) -> zipfile.ZipFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return zipfile.ZipFile(out)


def _register(body: bytes, filename: str, kind: str, format_: str | None) -> None:
    try:
        reading = read_register(body, filename=filename, kind=kind, publisher=COUNCIL, format=format_)
    except Bad as error:
        error.detail.encode()
        return
    _publishes(reading, kind)


def _publishes(reading: Reading, kind: str) -> None:
    """What a register gives can be published as it is, and its report can be told."""
    report = reading.report
    told = orjson.loads(orjson.dumps(report.as_json()))
    assert min(report.accepted, report.refused, report.empty, report.merged) >= 0, told
    ids = [candidate.id for candidate in reading.records]
    assert len(set(ids)) == len(ids), f"one id for several records: {ids}"
    for candidate in reading.records:
        check(kind, candidate.body)
        assert is_canonical(candidate.id), candidate.id
        document(Source(1, candidate.id, kind, COUNCIL.id, 1, candidate.body, NOW), Place())
    report.as_csv().encode()


def query_string(body: bytes) -> None:
    """Ask the whole application. The first byte chooses the path; the rest is the query as it stands in the URL."""
    status = ask(body[0] if body else 0, body[1:])
    assert status < 500, f"the answer is {status}"


TARGETS: Mapping[str, Target] = {
    "feed-page": feed_page,
    "manifest": manifest,
    "csv": register_csv,
    "xlsx": register_xlsx,
    "ocds": register_ocds,
    "query-string": query_string,
}
