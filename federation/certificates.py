"""What is wrong with a server's TLS, in words for the people who run it (RFC 5280, RFC 9525). Pure but for `trust`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from schema.errors import Misconfigured, Untrusted

Shown = Mapping[str, Any]
"""A certificate as `SSLObject.getpeercert` gives it."""
_NOT_YET, _RUN_OUT, _OF_ITSELF, _OTHER_NAMES = 9, 10, 18, (62, 64)  # X509_V_ERR_... of OpenSSL's x509_vfy.h
_NOBODY = (2, 19, 20, 21)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
_NAME = re.compile(r"[A-Za-z0-9.*:_-]{1,253}")
_OLD = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")


def trust(ca: Path | None = None) -> ssl.SSLContext:
    """Trust the system's authorities, and those in `ca` too; TLS 1.2 at least (RFC 9325), names in subjectAltName."""
    context = httpx2.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except OSError as error:
            raise Misconfigured(f"FOLKMOOT_CRAWL_CA: {ca} is no file of certificates (PEM): {error}.") from error
    return context


def curious(ca: Path | None = None) -> ssl.SSLContext:
    """The same trust, for reading a certificate that is for another name or out of date; nothing is asked by it."""
    context = trust(ca)
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    return context


def is_legible(error: ssl.SSLError) -> bool:
    """Whether `curious` could read the certificate that this error refuses."""
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in (_NOT_YET, _RUN_OUT, *_OTHER_NAMES)


def untrusted(error: ssl.SSLError, host: str, shown: Shown, now: datetime) -> Untrusted:
    """Why a server is not spoken to. `shown` is its certificate, as far as that could be read."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted("certificate", _of_certificate(error, host, shown, now))
    reason = error.reason or ""
    if any(word in reason for word in _OLD):
        return Untrusted("tls", f"{host} speaks no TLS 1.2 or 1.3.")
    if any(word in reason for word in _NO_TLS):
        return Untrusted("tls", f"{host} does not speak TLS at this port.")
    told = reason.replace("_", " ").lower()
    return Untrusted("tls", f"TLS with {host} failed: {told or 'no reason is given'}.")


def _of_certificate(error: ssl.SSLCertVerificationError, host: str, shown: Shown, now: datetime) -> str:
    code = error.verify_code
    if code == _RUN_OUT:
        return _run_out(host, _day(shown, "notAfter"), now)
    if code == _NOT_YET:
        begins = _day(shown, "notBefore")
        told = f"on {begins:%Y-%m-%d}" if begins and begins > now else "later"
        return f"The certificate of {host} becomes valid {told} only."
    if code in _OTHER_NAMES:
        return f"The certificate is for {_names(shown)}, not for {host}."
    if code in _NOBODY:
        return (
            f"Nobody who is trusted here vouches for the certificate of {host}: "
            "the server does not send its intermediate certificate, or its authority is not known here."
        )
    told = "signed by itself: nobody vouches for it" if code == _OF_ITSELF else f"not valid: {error.verify_message}"
    return f"The certificate of {host} is {told}."


def _run_out(host: str, ended: datetime | None, now: datetime) -> str:
    if ended and ended < now:
        return f"The certificate of {host} ran out on {ended:%Y-%m-%d}."
    return f"The certificate of {host}, or one that vouches for it, has run out."


def _day(shown: Shown, name: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown[name]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def _names(shown: Shown) -> str:
    names = [str(entry[1]) for entry in shown.get("subjectAltName", ())]
    plain = [name for name in names if _NAME.fullmatch(name)]
    more = " and others" if len(plain) > 3 else ""
    return ", ".join(plain[:3]) + more if plain else "another name"
