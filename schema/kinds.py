"""The six kinds by name, and the two ways to check a record's bytes: `parse` gives the record, `check` is quick."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from schema.asset import Asset
from schema.base import Record, Unknown
from schema.contract import Contract
from schema.errors import Fault, Invalid
from schema.faults import invalid, shown
from schema.guard import check_json
from schema.identifiers import KIND
from schema.organisation import Organisation
from schema.roadmap import RoadmapItem
from schema.skill import Skill
from schema.swift import take
from schema.tool import Tool

KINDS: Mapping[str, type[Record]] = {
    model.kind: model for model in (Organisation, RoadmapItem, Contract, Tool, Asset, Skill)
}
PLURALS: Mapping[str, str] = {kind: f"{kind}s" for kind in KINDS}
SINGULARS: Mapping[str, str] = {plural: kind for kind, plural in PLURALS.items()}


def parse(kind: str, data: bytes | str) -> Record:
    """Check the `data` of one record. Raises `Invalid` with one fault a place and nothing else.

    A kind that this version does not know is kept as `Unknown` (protocol section 5): any JSON object within the
    limits. The record is for reading; what is stored and passed on are the bytes that came.
    """
    _check_kind(kind)
    try:
        raw = data.encode() if isinstance(data, str) else data
    except UnicodeEncodeError as error:
        raise Invalid([Fault("", "The text holds half a character.", None, "text that can be UTF-8")]) from error
    check_json(raw)
    return _read(kind, raw)


def check(kind: str, data: bytes) -> str | None:
    """Check the `data` of one record as `parse` does, and give its reference where it has one.

    Raises `Invalid`. What a crawl asks of each record: it does not need the record itself.
    """
    if kind not in KINDS:
        _check_kind(kind)
    check_json(data)
    model = KINDS.get(kind)
    record = (take(model, data) if model is not None else None) or _read(kind, data)
    reference = getattr(record, "reference", None)
    return reference if isinstance(reference, str) else None


def _read(kind: str, raw: bytes) -> Record:
    try:
        return KINDS.get(kind, Unknown).model_validate_json(raw)
    except ValidationError as error:
        raise invalid(error) from error


def _check_kind(kind: str) -> None:
    if not KIND.fullmatch(kind):
        expected = "lower-case letters and hyphens, at most 40"
        raise Invalid([Fault("", "This is no name of a kind.", shown(kind), expected, rule="kind")])
