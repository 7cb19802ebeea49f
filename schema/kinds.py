"""The six kinds by name, and `parse`: bytes of a record in, a checked record out."""

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
    if not KIND.fullmatch(kind):
        raise Invalid(
            [
                Fault(
                    "",
                    "This is no name of a kind.",
                    shown(kind),
                    "lower-case letters and hyphens, at most 40",
                    rule="kind",
                )
            ]
        )
    try:
        raw = data.encode() if isinstance(data, str) else data
    except UnicodeEncodeError as error:
        raise Invalid([Fault("", "The text holds half a character.", None, "text that can be UTF-8")]) from error
    check_json(raw)
    try:
        return KINDS.get(kind, Unknown).model_validate_json(raw)
    except ValidationError as error:
        raise invalid(error) from error
