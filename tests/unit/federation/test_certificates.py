"""What is told of a certificate, in the words of an officer."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Any

import pytest

from federation.advice import advice_for
from federation.certificates import is_legible, untrusted

NOW = datetime(2026, 11, 26, tzinfo=UTC)
PAST, FUTURE = "Jan  3 00:00:00 2026 GMT", "Feb  4 00:00:00 2097 GMT"
REST = "or one that vouches for it, has run out"


def _error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "path length constraint exceeded"
    return error


@pytest.mark.parametrize(
    ("code", "shown", "says"),
    [
        (10, {"notAfter": PAST}, "The certificate of a.example ran out on 2026-01-03."),
        (10, {"notAfter": FUTURE}, REST),
        (10, {"notAfter": "never"}, REST),
        (10, {}, REST),
        (9, {"notBefore": FUTURE}, "becomes valid on 2097-02-04 only."),
        (9, {"notBefore": PAST}, "becomes valid later only."),
        (62, {"subjectAltName": (("DNS", "b.example"),)}, "The certificate is for b.example, not for a.example."),
        (62, {"subjectAltName": (("DNS", "<b>\x1b"), ("DirName", ("x",)))}, "is for another name, not for a.example."),
        (64, {}, "is for another name, not for a.example."),
        (18, {}, "is signed by itself: nobody vouches for it."),
        (19, {}, "its authority is not known here."),
        (20, {}, "its authority is not known here."),
        (25, {}, "is not valid: path length constraint exceeded."),
    ],
)
def test_a_certificate_is_told_of_plainly(code: int, shown: dict[str, Any], says: str) -> None:
    """What is wrong, for whom it is, and when it ran out."""
    found = untrusted(_error(code), "a.example", shown, NOW)
    assert found.rule == "certificate"
    assert says in found.detail
    assert found.detail.isprintable()
    assert "Renew" in advice_for(found)
    assert is_legible(_error(code)) == (code in (9, 10, 62, 64))


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("UNSUPPORTED_PROTOCOL", "a.example speaks no TLS 1.2 or 1.3."),
        ("WRONG_VERSION_NUMBER", "a.example does not speak TLS at this port."),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "TLS with a.example failed: sslv3 alert handshake failure."),
        (None, "TLS with a.example failed: no reason is given."),
    ],
)
def test_a_handshake_that_fails_is_told_of_plainly(reason: str | None, says: str) -> None:
    """OpenSSL's reasons in plain words, with advice."""
    error = ssl.SSLError(1, "x")
    error.reason = reason  # type: ignore[assignment]
    found = untrusted(error, "a.example", {}, NOW)
    assert (found.rule, found.detail) == ("tls", says)
    assert "TLS 1.2" in advice_for(found)
