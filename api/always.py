"""The header fields that every answer carries, errors among them: what a browser may do with it, and who may read it.

No page here runs a script, and nothing is fetched from elsewhere; so the policies forbid both. What is no page is never
shown as a document of this site (`sandbox`), whatever a browser takes it for.
"""

from __future__ import annotations

from collections.abc import Iterable

Field = tuple[bytes, bytes]
_POLICY = b"content-security-policy"
_ALWAYS = "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
API_POLICY: Field = (_POLICY, f"default-src 'none'; form-action 'none'; {_ALWAYS}; sandbox".encode())
PAGE_POLICY: Field = (
    _POLICY,
    f"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; {_ALWAYS}".encode(),
)
PLAIN: tuple[Field, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
_OVER_TLS: Field = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_ALONE: Field = (b"cross-origin-opener-policy", b"same-origin")
_EXPOSED = (
    b"ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-ID, Content-Disposition, "
    b"Folkmoot-Count, Folkmoot-Change-Number"
)
_READABLE: tuple[Field, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", _EXPOSED),
)


class Always:
    """The fields of one server. `https`: it is known by an https address, so no browser need ever ask it without."""

    def __init__(self, *, https: bool) -> None:
        self._all = (*PLAIN, _OVER_TLS) if https else PLAIN
        self.quick: tuple[Field, ...] = (*self._all, API_POLICY, *_READABLE)
        """Those of an answer to GET that is no page."""

    def dressed(self, own: Iterable[Field], *, readable: bool) -> list[Field]:
        """The route's own fields, then those of every answer. A route that sets a policy keeps it.

        `readable`: an answer to GET, which the scripts of anybody's page may read.
        """
        fields = list(own)
        policy: tuple[Field, ...] = (API_POLICY,)
        for name, value in fields:
            if name == _POLICY:
                policy = ()
            elif name == b"content-type" and value.startswith(b"text/html") and policy:
                policy = (PAGE_POLICY, _ALONE)
        return [*fields, *self._all, *policy, *(_READABLE if readable else ())]
