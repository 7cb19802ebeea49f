"""Signatures: canonical JSON, the detached JWS, keys and what they verify."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from federation.sign import Jwk, Ring, Signer, canonical, is_key, key_named, payload, thumbprint

TIME = "2026-11-02T09:00:00Z"
FIRST, SECOND = Signer("2026-1", b"1" * 32), Signer("2026-2", b"2" * 32)
ORIGIN = (
    b'{"node":"https://exa.example/.well-known/folkmoot","publisher":"GB-LAE-EXA","seq":7,"time":"'
    + TIME.encode()
    + b'"}'
)
_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


def _said(title: str = "A", **changes: Any) -> bytes:
    told: dict[str, Any] = {
        "record_id": "https://exa.example/id/GB-LAE-EXA/contract/C-1",
        "kind": "contract",
        "data": orjson.dumps({"reference": "C-1", "title": title}),
        "reason": None,
        "moved_to": None,
        "origin": ORIGIN,
    }
    return payload(**(told | changes))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _JSON))
def test_canonical_form_is_that_of_the_standard(value: dict[str, Any]) -> None:
    """Our quick way gives the bytes of RFC 8785: whole floats, exponents, and names beyond the BMP too."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("number", [120000.0, 1e21, 1e16, 1.5e-7, -0.0, 0.1, 333333333.33333329, 5e-324, 1e-5])
def test_numbers_are_written_as_the_standard_says(number: float) -> None:
    """Numbers are written as ECMAScript does (RFC 8785 section 3.2.2.3)."""
    assert canonical({"n": [number]}) == rfc8785.dumps({"n": [number]})


@pytest.mark.parametrize("number", [2**53 + 1, -(2**60)])
def test_a_number_that_does_not_survive_is_refused(number: int) -> None:
    """An integer that a reader may round has no canonical form."""
    with pytest.raises(ValueError, match="domain"):
        canonical({"n": 1.0, "m": number})


def test_example_of_the_standard() -> None:
    """The key and signature of RFC 8037 appendix A come out as they stand there, but for the name of the algorithm."""
    seed = urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    signer = Signer("k", seed)
    assert signer.jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert thumbprint(signer.jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_what_was_signed_verifies_and_nothing_else_does() -> None:
    """A signature holds for the very content, order of members apart, and for no other."""
    ring, sig = Ring([FIRST.jwk]), FIRST.sign(_said())
    assert ring.judge(sig, _said(), TIME) == "valid"
    assert ring.judge(sig, _said(data=b'{"title":"A","reference":"C-1"}'), TIME) == "valid"
    other: list[dict[str, Any]] = [
        {"title": "B"},
        {"kind": "tool"},
        {"record_id": "https://exa.example/id/GB-LAE-EXA/contract/C-2"},
        {"data": None, "reason": "ended"},
        {"moved_to": "https://exa.example/id/GB-LAE-EXA/contract/C-9"},
        {"origin": ORIGIN.replace(b":7", b":8")},
        {"origin": ORIGIN[:-1] + b',"more":1}'},
    ]
    for change in other:
        assert ring.judge(sig, _said(**change), TIME) == "invalid", change


def test_the_signature_itself_is_not_signed() -> None:
    """What is signed leaves `origin.sig` out, so that it can stand there."""
    assert _said(origin=ORIGIN[:-1] + b',"sig":"x"}') == _said()


def test_without_keys_nothing_is_known() -> None:
    """No signature is absent; one whose key nobody published is of an unknown key, not wrong."""
    assert Ring().judge(None, _said(), TIME) == "absent"
    assert Ring().judge(FIRST.sign(_said()), _said(), TIME) == "unknown-key"
    assert Ring([SECOND.jwk]).judge(FIRST.sign(_said()), _said(), TIME) == "unknown-key"
    assert not Ring()
    assert Ring([FIRST.jwk])


def test_a_retired_key_verifies_what_came_before_its_end() -> None:
    """`exp` ends a key for what is published later, never for what was published before."""
    sig = FIRST.sign(_said())
    assert Ring([{**FIRST.jwk, "exp": TIME}]).judge(sig, _said(), TIME) == "valid"
    assert Ring([{**FIRST.jwk, "exp": TIME}]).judge(sig, _said(), "2026-11-02T09:00:01Z") == "invalid"


def test_a_revoked_key_verifies_nothing() -> None:
    """Whatever it signed, and whenever."""
    ring = Ring([{**FIRST.jwk, "revoked": "2027-01-01T00:00:00Z"}])
    assert ring.judge(FIRST.sign(_said()), _said(), TIME) == "invalid"


def _jws(header: bytes) -> str:
    sig = FIRST.sign(_said())
    head = urlsafe_b64encode(header).rstrip(b"=")
    made = SigningKey(b"1" * 32).sign(head + b"." + urlsafe_b64encode(_said()).rstrip(b"=")).signature
    assert sig.count("..") == 1
    return head.decode() + ".." + urlsafe_b64encode(made).rstrip(b"=").decode()


def test_the_header_is_exactly_that_of_the_protocol() -> None:
    """Another algorithm, a missing or a further member of the protected header is no signature (protocol section 5)."""
    ring = Ring([FIRST.jwk])
    assert ring.judge(_jws(b'{"alg":"Ed25519","kid":"2026-1"}'), _said(), TIME) == "valid"
    assert ring.judge(_jws(b'{"kid":"2026-1","alg":"Ed25519"}'), _said(), TIME) == "valid"
    for header in (
        b'{"alg":"EdDSA","kid":"2026-1"}',
        b'{"alg":"none","kid":"2026-1"}',
        b'{"alg":"Ed25519"}',
        b'{"kid":"2026-1"}',
        b'{"alg":"Ed25519","kid":"2026-1","b64":false,"crit":["b64"]}',
        b'{"alg":"Ed25519","kid":1}',
        b"[]",
        b"\xff",
    ):
        assert ring.judge(_jws(header), _said(), TIME) == "invalid", header


@pytest.mark.parametrize(
    "sig", ["", "x", "..", "e30..", "a.b.c", "é.." + "A" * 86, "e30.." + "A" * 85, "e30.." + "=" * 86]
)
def test_what_is_no_jws_is_invalid(sig: str) -> None:
    """Anything that is not `header..signature` is told apart without an error."""
    assert key_named(sig) is None
    assert Ring([FIRST.jwk]).judge(sig, _said(), TIME) == "invalid"


@given(st.text())
def test_any_text_can_be_judged(sig: str) -> None:
    """No text that stands where a signature should breaks the judge."""
    assert Ring([FIRST.jwk]).judge(sig, b"{}", TIME) in ("invalid", "unknown-key")


@pytest.mark.parametrize("x", ["A" * 43, "_" * 43, "AQ" + "A" * 41])
def test_a_key_that_is_no_point_verifies_nothing(x: str) -> None:
    """A public key of small order, or none at all, makes no signature valid."""
    jwk: Jwk = {**FIRST.jwk, "x": x}
    assert Ring([jwk]).judge(FIRST.sign(_said()), _said(), TIME) == "invalid"
    assert Ring([jwk]).judge(_zero(), _said(), TIME) == "invalid"
    assert is_key(FIRST.jwk)


def _zero() -> str:
    return FIRST.sign(_said()).partition("..")[0] + ".." + "A" * 86


def test_an_endorsement_is_for_one_key() -> None:
    """A known key, neither retired nor revoked, speaks for the very key and no other."""
    word = {**SECOND.jwk, "endorsement": FIRST.endorse(SECOND.jwk)}
    assert Ring([FIRST.jwk]).endorses(word)
    assert Ring([FIRST.jwk]).endorses({**word, "exp": TIME})
    assert not Ring([FIRST.jwk]).endorses({**word, "kid": "2026-3"})
    assert not Ring([FIRST.jwk]).endorses({**word, "x": FIRST.jwk["x"]})
    assert not Ring([FIRST.jwk]).endorses(SECOND.jwk)
    assert not Ring([{**FIRST.jwk, "exp": TIME}]).endorses(word)
    assert not Ring([{**FIRST.jwk, "revoked": TIME}]).endorses(word)
    assert not Ring([SECOND.jwk]).endorses(word)
