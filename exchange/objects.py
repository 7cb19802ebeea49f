"""JSON records as drafts: what the schema says holds to the letter; links may be references of the same publisher."""

from __future__ import annotations

import re
from typing import Any

from exchange.drafts import Draft, Problems, PublisherFacts
from exchange.shape import LINKS
from schema.errors import Invalid
from schema.identifiers import record_id


def read_objects(
    objects: tuple[tuple[int, Any], ...], kind: str, publisher: PublisherFacts, problems: Problems
) -> list[Draft]:
    """Make a draft of each object: a record's `data`, or a list item that has it under `data`."""
    return [_draft(number, value, kind, publisher, problems) for number, value in objects]


def _draft(number: int, value: Any, kind: str, publisher: PublisherFacts, problems: Problems) -> Draft:
    draft = Draft(number, strict=True)
    data = value.get("data") if isinstance(value, dict) and "id" in value and "data" in value else value
    if not isinstance(data, dict):
        problems.tell(number, "", "It is not an object.", expected="a record", code="schema", severity="error")
        draft.refused = True
        return draft
    draft.data = dict(data)
    reference = draft.data.pop("reference", "") if kind != "organisation" else ""
    if isinstance(reference, str):
        draft.reference = reference
    else:
        draft.refused = True
        problems.tell(number, "/reference", "It is not a text.", value=str(reference), expected="a text",
                      pointer="/reference", code="schema", severity="error")  # fmt: skip
    for member, kinds in LINKS.get(kind, {}).items():
        if member in draft.data:
            draft.data[member] = _linked(draft.data[member], kinds, publisher)
    return draft


def _linked(value: Any, kinds: tuple[str, ...], publisher: PublisherFacts) -> Any:
    """Make ids of references; what can be none stays, and the schema refuses it."""
    if isinstance(value, list):
        return [_linked(one, kinds, publisher) for one in value]
    if not isinstance(value, str) or re.match(r"https?://", value):
        return value
    named, _, rest = value.partition("/")
    target, reference = (named, rest) if named in kinds and rest else (kinds[0] if len(kinds) == 1 else "", value)
    try:
        return record_id(publisher.id_prefix, target, reference) if target else value
    except Invalid:
        return value
