"""What a page shows of a record: everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from api.pages import items, layout
from schema.kinds import KINDS
from tests.unit.pages.test_words import ANY


def said(kind: str, data: dict[str, Any]) -> str:
    """Return all text that the sections of a record hold."""
    cells = [cell for section in layout.sections(kind, data) for row in section.rows for cell in row.cells]
    return "\n".join(str(part) for cell in cells for part in (cell.text, cell.note, cell.href, cell.mail, cell.record))


def labels(kind: str, data: dict[str, Any]) -> list[str]:
    """Return the labels of all rows."""
    return [row.label for section in layout.sections(kind, data) for row in section.rows]


def paths(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every leaf of a model, lists passed through."""
    for name, field in model.model_fields.items():
        alias = field.alias or name
        inner = _model(field.annotation)
        if inner is None:
            yield (*path, alias)
        else:
            yield from paths(inner, (*path, alias))


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model(part)
        if found is not None:
            return found
    return None


def planted(path: Sequence[str], value: Any) -> Any:
    """Return an object with the value at the end of the path."""
    for name in reversed(path):
        value = {name: value}
    return value


EVERY = [(kind, path) for kind, model in KINDS.items() for path in paths(model) if path not in (("title",), ("name",))]


def test_a_period_of_extension_is_said_in_words() -> None:
    """Extensions that are told as a duration are shown in words, others as they stand."""
    assert "12 months" in said("contract", {"extensionPeriod": "P12M"})
    assert "12 + 12 months" in said("contract", {"extensionPeriod": "12 + 12 months"})


@pytest.mark.parametrize(
    ("kind", "path"), EVERY, ids=lambda found: found if isinstance(found, str) else ".".join(found)
)
def test_every_member_of_the_schema_is_shown(kind: str, path: tuple[str, ...]) -> None:
    """No member that the schema knows, however deep, is left out of a record's page, nor called unknown."""
    data = planted(path, "canary-7031")
    typed = path[-1] in ("amount", "minimum", "maximum", "min", "max", "currency", "basis", "gross", "sme", "vcse",
                         "wouldBuyAgain", "realised")  # fmt: skip
    sections = layout.sections(kind, data)
    assert [section.title for section in sections] != ["Also published"], "no plan names it"
    assert "Also published" not in [section.title for section in sections]
    if not typed:
        assert "canary-7031" in said(kind, data).lower().replace(" ", "-")


def test_unknown_members_are_shown_at_any_depth() -> None:
    """What no plan names is listed by itself: at the top, inside a supplier, inside its identifier."""
    data = {
        "title": "x",
        "carbonPlan": {"tonnes": 12, "audited": True},
        "suppliers": [
            {"name": "Acme", "rating": "good", "identifiers": [{"scheme": "X", "id": "1", "checked": "yes"}]}
        ],
    }
    assert "Carbon plan" in labels("contract", data)
    told = said("contract", data)
    assert "Tonnes: 12" in told
    assert "Audited: Yes" in told
    assert "Supplier, rating" in labels("contract", data)
    assert "Supplier, identifiers, checked" in labels("contract", data)


@pytest.mark.parametrize("count", [60, 61])
def test_of_very_many_members_the_rest_is_told_to_be_more(count: int) -> None:
    """Sixty members of what no plan names are shown; where there are more, the last line says where to find them."""
    data = {"title": "x", "carbonPlan": {f"m{number}": number for number in range(count)}}
    (section,) = layout.sections("contract", data)
    (row,) = section.rows
    told = [cell.text for cell in row.cells]
    assert told[:60] == [f"M{number}: {number}" for number in range(60)]
    assert told[60:] == ["and more: see the data as JSON"][: count - 60]


@pytest.mark.parametrize(
    ("data", "cells"),
    [
        ({"contact": "Digital team"}, [("Digital team", "", None)]),
        ({"contact": ["Digital team", 7]}, [("Digital team", "", None), ("7", "", None)]),
        ({"contact": {"email": "ict@exa.example"}}, [("ict@exa.example", "", "mailto:ict@exa.example")]),
        ({"suppliers": [{"name": "Acme", "identifiers": ["01234567"]}]}, [("Acme", "01234567", None)]),
        ({"suppliers": [{"name": "Acme", "identifiers": "none yet"}]}, [("Acme", "none yet", None)]),
        (
            {"suppliers": [{"name": "Acme", "identifiers": [{"scheme": "GB-COH", "id": "01234567"}, 7]}]},
            [("Acme", "company number 01234567, 7", None)],
        ),
    ],
)
def test_what_is_not_of_its_shape_is_shown_as_it_stands(
    data: dict[str, Any], cells: list[tuple[str, str, str | None]]
) -> None:
    """A contact or an identifier that is a mere text is shown as that text, not left out and not taken apart."""
    (section,) = layout.sections("contract", data)
    (row,) = section.rows
    assert [(cell.text, cell.note, cell.mail) for cell in row.cells] == cells


def test_an_unknown_kind_is_shown_as_plain_pairs() -> None:
    """A kind of a later version has its members listed."""
    assert labels("festival", {"title": "x", "startsOn": "2027-01-01"}) == ["Starts on"]


@given(st.sampled_from([*KINDS, "festival"]), st.dictionaries(st.text(max_size=8), ANY, max_size=4), st.data())
def test_no_page_fails_on_data(kind: str, extra: dict[str, Any], data: st.DataObject) -> None:
    """Whatever shape the members of a record have, its page and its list entry can be made."""
    names = [name for _, lines in layout.PLANS.get(kind, ()) for name, _, _ in lines] or ["x"]
    chosen = data.draw(st.lists(st.sampled_from(names), max_size=4))
    record = extra | {name: data.draw(ANY) for name in chosen}
    for section in layout.sections(kind, record):
        assert section.rows
        assert all(isinstance(cell.text, str) for row in section.rows for cell in row.cells)
    assert all(fact.text or fact.time for fact in items.facts(kind, record))
    assert isinstance(layout.heading(record, "https://a.example/id/X/y/1"), str)


@given(st.text(min_size=1, max_size=60), st.data())
def test_a_snippet_is_the_text_with_its_matches_told_apart(text: str, data: st.DataObject) -> None:
    """The pieces of a snippet put together are the text, and the matches are those that were found."""
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    matches = list(zip(ends[::2], ends[1::2], strict=False))
    parts = items.parts(text, matches)
    assert "".join(part.text for part in parts) == text
    assert [part.text for part in parts if part.hit] == [text[begin:end] for begin, end in matches]
