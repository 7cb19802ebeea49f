"""How signatures and keys are told."""

from __future__ import annotations

from typing import Any

from api.pages import trust


def _key(kid: str, **more: Any) -> dict[str, Any]:
    since = "2026-11-01T00:00:00Z"
    return {"kid": kid, "thumbprint": "x", "since": since, "until": None, "revoked": False, "reason": None} | more


def test_keys_that_sign_stand_first() -> None:
    """A key is in use, retired or revoked, with why; those in use stand before the others."""
    ended = {"until": "2026-11-03T00:00:00Z"}
    given = [_key("old", **ended), _key("lost", **ended, revoked=True, reason="stolen"), _key("new")]
    assert [(line.name, line.state, line.note) for line in trust.keys(given)] == [
        ("new", "In use", ""),
        ("old", "Retired", "It still verifies what was published before."),
        ("lost", "Revoked", "It verifies nothing any more. stolen"),
    ]


def test_every_worth_of_a_signature_is_counted() -> None:
    """Each state of a signature has its line, also where no record has it."""
    counts = {"valid": 1_200, "absent": 3, "unknown-key": 0, "invalid": 1}
    assert [(row.label, row.cells[0].text) for row in trust.signatures(counts)] == [
        ("Valid", "1,200"),
        ("Not signed", "3"),
        ("Unknown key", "0"),
        ("Not valid any more", "1"),
    ]
