"""Changes to bytes at random: what a fuzzer does without an eye on the code, the same for the same number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

_TOKENS = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\x7f", b"\x1b", b"\xc2\xa3", b"\xa3",
    b'"', b"'", b"[", b"]", b"{", b"}", b",", b":", b";", b"\t", b"\r", b"\n", b"&", b"=", b"%00", b"%F0%9F", b"+",
    b"null", b"true", b"-0", b"1e999", b"NaN", b"9007199254740993", b"-1", b"1e-7", b"0x1", b"\xd9\xa3", b"--", b"..",
    b"<c ", b"</c>", b"<f>", b"<v>#REF!</v>", b"PK\x05\x06", b"29/02/2025", b"10000-01-01", b"\xe2\x80\xae",
    b"\xf0\x9f\x98\x80", b"a" * 300, b"[" * 40, b'{"a":' * 40, b"https://", b"@", b"#", b"~", b"*", b"(", b"AND", b"^2",
)  # fmt: skip


def mutations(seeds: Sequence[bytes], count: int, random: Random) -> Iterator[bytes]:
    """As many changed inputs; each is one of the seeds with one to six changes."""
    for _ in range(count):
        body = bytearray(random.choice(seeds))
        for _change in range(random.randint(1, 6)):
            _change_once(body, seeds, random)
        yield bytes(body)


def _change_once(body: bytearray, seeds: Sequence[bytes], random: Random) -> None:
    start = random.randint(0, len(body))
    end = min(len(body), start + random.choice((1, 1, 2, 4, 16, 64)))
    match random.randrange(7):
        case 0:
            del body[start:end]
        case 1:
            body[start:start] = body[start:end] * random.choice((1, 2, 50))
        case 2:
            body[start:start] = random.choice(_TOKENS)
        case 3:
            body[start:end] = random.choice(_TOKENS)
        case 4:
            other = random.choice(seeds)
            cut = random.randint(0, len(other))
            body[start:end] = other[cut : cut + random.randint(0, 200)]
        case 5:
            del body[start:]
        case _:
            body[start:end] = bytes(one ^ 1 << random.randrange(8) for one in body[start:end])
