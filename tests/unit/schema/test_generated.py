from pathlib import Path
from typing import Annotated, Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import TypeAdapter

import schema
from schema import codelists
from schema.base import Model, Opt, Present, Title
from schema.describe import files, page
from schema.feedpage import FeedPage
from schema.jsonschema import documents, json_schema
from schema.kinds import KINDS, parse
from scripts.schemas import write
from tests.strategies import any_record

ROOT = Path(__file__).parents[3]
MINIMAL: dict[str, dict[str, Any]] = {
    "organisation": {"name": "Exampleshire", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]},
    "roadmap-item": {"reference": "1", "title": "x"},
    "contract": {"reference": "1", "title": "x"},
    "tool": {"reference": "1", "name": "x"},
    "asset": {"reference": "1", "name": "x"},
    "skill": {"reference": "1", "name": "x"},
}
VALIDATORS = {kind: Draft202012Validator(json_schema(kind, model)) for kind, model in KINDS.items()}


@pytest.mark.parametrize("name", sorted(files()))
def test_the_committed_file_equals_the_generated(name: str) -> None:
    """A change of the models is a change of the committed schemas and of the page (python -m scripts.schemas)."""
    assert (ROOT / name).read_bytes() == files()[name]


def test_no_schema_is_left_over() -> None:
    """Every file under openapi/schemas is made from a model."""
    assert {path.name for path in (ROOT / "openapi/schemas").iterdir()} == set(documents())


def test_the_script_writes_only_what_changed(tmp_path: Path) -> None:
    """A second run writes nothing."""
    assert len(write(tmp_path)) == len(files())
    (tmp_path / "docs/schema.md").write_text("old")
    assert [path.name for path in write(tmp_path)] == ["schema.md"]


@pytest.mark.parametrize("name", sorted(documents()))
def test_each_schema_is_json_schema_2020_12(name: str) -> None:
    """Each document is itself valid, says its dialect and lets unknown members be."""
    document = orjson.loads(documents()[name])
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["additionalProperties"] is True
    assert b'"type": "null"' not in documents()[name]


@settings(max_examples=60)
@given(any_record())
def test_schema_and_model_agree_on_what_is_valid(record: tuple[str, dict[str, Any]]) -> None:
    """A record that the model takes is valid by the JSON Schema of its kind."""
    kind, data = record
    parse(kind, orjson.dumps(data))
    assert list(VALIDATORS[kind].iter_errors(data)) == []


def _members() -> list[tuple[str, str, Any]]:
    return [
        (kind, name, example)
        for kind, model in KINDS.items()
        for name, member in json_schema(kind, model)["properties"].items()
        for example in member.get("examples", ())
    ]


@pytest.mark.parametrize(("kind", "name", "example"), _members())
def test_every_example_is_valid(kind: str, name: str, example: Any) -> None:
    """What the documentation shows is what the model takes."""
    parse(kind, orjson.dumps(MINIMAL[kind] | {name: example}))


def test_every_member_is_described() -> None:
    """No member of a record or of a part stands without a sentence."""
    for kind, model in KINDS.items():
        document = json_schema(kind, model)
        parts: dict[str, Any] = document.get("$defs", {})
        for part in (document, *parts.values()):
            for name, member in part["properties"].items():
                assert member.get("description") or "$ref" in member, f"{kind} {part['title']}.{name}"


def test_the_page_names_every_kind_and_code() -> None:
    """docs/schema.md has a heading for each kind and a row for each code of each list."""
    text = page()
    for kind in KINDS:
        assert f"\n## {kind}\n" in text
    for code in (*codelists.PHASES, *codelists.NOTICE_TYPES, *codelists.TOMBSTONE_REASONS):
        assert f"| `{code}` |" in text


@pytest.mark.parametrize(
    ("codes", "meanings"),
    [
        (codelists.Kind, codelists.KIND_MEANINGS),
        (codelists.Phase, codelists.PHASES),
        (codelists.Status, codelists.STATUSES),
        (codelists.Collaboration, codelists.COLLABORATIONS),
        (codelists.Stage, codelists.STAGES),
        (codelists.Basis, codelists.BASES),
        (codelists.ClassificationScheme, codelists.CLASSIFICATION_SCHEMES),
        (codelists.NoticeType, codelists.NOTICE_TYPES),
        (codelists.AssetType, codelists.ASSET_TYPES),
        (codelists.Offer, codelists.OFFERS),
        (codelists.Relation, codelists.RELATIONS),
        (codelists.Role, codelists.ROLES),
        (codelists.TombstoneReason, codelists.TOMBSTONE_REASONS),
    ],
)
def test_every_code_has_a_meaning(codes: Any, meanings: dict[str, str]) -> None:
    """A list's codes and its meanings are the same, in the same order."""
    assert list(get_args(codes)) == list(meanings)


def test_the_codes_of_kinds_are_the_kinds() -> None:
    """The codelist of kinds and the table of models agree."""
    assert list(get_args(codelists.Kind)) == list(KINDS)


ORIGIN = {
    "node": "https://moot.exampleshire.example/.well-known/folkmoot",
    "publisher": "GB-LAE-EXA",
    "seq": 1453,
    "time": "2026-11-02T09:00:00Z",
}
PREFIX = "https://moot.exampleshire.example/id/GB-LAE-EXA/"
PAGE = {
    "next": "https://moot.exampleshire.example/v1/changes?afterChangeNumber=1454",
    "epoch": "k3v9x2",
    "license": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    "items": [
        {
            "state": "updated", "kind": "contract", "id": f"{PREFIX}contract/1", "modified": 1453, "data": {"a": 1},
            "origin": ORIGIN, "via": [{"node": ORIGIN["node"], "harvested": "2026-11-02T09:10:00Z"}],
        },
        {
            "state": "deleted", "kind": "roadmap-item", "id": f"{PREFIX}roadmap-item/42", "modified": 1454,
            "reason": "error", "origin": ORIGIN,
        },
    ],
}  # fmt: skip


def test_the_page_of_the_protocol_fits_its_schema() -> None:
    """A page as the protocol shows it is valid; one whose tombstone has no reason is not."""
    validator = Draft202012Validator(json_schema("feed-page", FeedPage))
    assert list(validator.iter_errors(PAGE)) == []
    assert FeedPage.model_validate_json(orjson.dumps(PAGE)).wire() == PAGE
    items: Any = PAGE["items"]
    silent = PAGE | {"items": [{k: v for k, v in items[1].items() if k != "reason"}]}
    assert list(validator.iter_errors(silent))


def test_absence_has_no_default_and_a_real_default_is_shown() -> None:
    """A member that may be left out says nothing of null; a default that means something would be told."""

    class Sample(Model):
        absent: Opt[Title] = None
        given: Title = "yes"

    members = json_schema("sample", Sample)["properties"]
    assert "default" not in members["absent"]
    assert members["given"]["default"] == "yes"


def test_opt_is_for_optional_types() -> None:
    """A marker that would do nothing is a mistake, told when the model is built."""
    with pytest.raises(TypeError, match="optional"):
        TypeAdapter(Annotated[str, Present()])


def test_the_face_is_sorted_and_whole() -> None:
    """`schema` shows a short list of names, sorted, each of which exists; another is an AttributeError."""
    assert schema.__all__ == sorted(schema.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(getattr(schema, name) for name in schema.__all__)
    assert set(schema.__all__) <= set(dir(schema))
    with pytest.raises(AttributeError):
        _ = schema.nothing
