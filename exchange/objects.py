"""JSON records as drafts: what the schema says holds to the letter; links may be references of the same publisher."""

from __future__ import annotations

from typing import Any

from exchange.drafts import Draft, Problems, PublisherFacts
from exchange.links import LINKS, linked


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
            draft.data[member] = _linked(draft.data[member], kinds, publisher.id_prefix)
    return draft


def _linked(value: Any, kinds: tuple[str, ...], prefix: str) -> Any:
    """Make ids of references; what can be none stays, and the schema refuses it."""
    if isinstance(value, list):
        return [_linked(one, kinds, prefix) for one in value]
    return (linked(value, kinds, prefix) or value) if isinstance(value, str) else value
