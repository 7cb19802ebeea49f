"""The rules of keys and signatures. Pure data (`federation/rules.py`)."""

from __future__ import annotations

from federation.rule import OURS, Rule, advised, gate

_SECTION = "5 Whose record it is, signatures"
_SIGN = "Let the node sign each record and each removal with a key of its manifest: folkmoot keys list shows them."

OF_SIGNATURES: tuple[Rule, ...] = (
    gate(
        "signature",
        "keys-valid",
        OURS,
        _SECTION,
        "Each key of the manifest is an Ed25519 public key with a name of its own.",
        "Mend keys in the manifest: folkmoot keys list shows them.",
    ),
    advised(
        "signature",
        "signed",
        OURS,
        _SECTION,
        "A node signs what it publishes.",
        "Sign what the node publishes: folkmoot keys new.",
    ),
    gate(
        "signature",
        "signature-absent",
        OURS,
        _SECTION,
        "An origin that publishes a key signs everything.",
        _SIGN,
    ),
    gate(
        "signature",
        "signature-invalid",
        OURS,
        _SECTION,
        "A signature holds over canonical JSON of the record, by a key that is not revoked.",
        _SIGN,
    ),
    Rule(
        "signature",
        "signature-unknown-key",
        OURS,
        _SECTION,
        "A signature names a key that stands in its origin's manifest.",
        "Publish the key in the manifest, endorsed by an older one: folkmoot keys rotate does both.",
        severity="warning",
    ),
)
