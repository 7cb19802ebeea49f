"""Large bodies: in a file until it is their turn, one open at a time, and refused as small ones are."""

from __future__ import annotations

import asyncio
import gzip
import tempfile
import zlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from federation.answers import JSON, RATIO_FLOOR, ROBOTS, gunzip
from federation.crawl import walk
from federation.parcels import KEPT, Parcel, Parcels
from federation.seam import Answer
from schema.change import LARGE_PAGE
from schema.errors import Later, Refused
from schema.manifest import MAX_MANIFEST

URL = "https://exa.example/v1/changes"
T = TypeVar("T")


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 60_000):
        yield body[start : start + 60_000]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, soon."""
    return asyncio.run(asyncio.wait_for(work, 10))


def noise(size: int) -> bytes:
    """Bytes that do not pack to less than a fiftieth."""
    return b"".join(n.to_bytes(4, "big") * 4 for n in range(size // 16 + 1))[:size]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("size", [0, 100, KEPT + 1, LARGE_PAGE, LARGE_PAGE + 1, LARGE_PAGE * 3])
def test_a_body_is_what_was_sent(tmp_path: Path, size: int, *, packed: bool) -> None:
    """Whatever its size and packing; only what is larger than a large page is a parcel."""
    body = noise(size)

    async def go() -> Answer:
        sent = gzip.compress(body, 1) if packed else body
        got = await Parcels(tmp_path).receive(URL, _pieces(sent), packed=packed)
        assert isinstance(got, Parcel) == (size > LARGE_PAGE)
        answer = Answer(200, got, url=URL)
        async with answer.turn():
            assert await answer.whole() == body
        return answer

    answer = run(go())
    assert (size > MAX_MANIFEST) == (_small(answer) == "page-bytes")


def _small(answer: Answer) -> str:
    try:
        run(answer.small())
    except Refused as error:
        return error.rule
    return ""


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (gzip.compress(b" " * 33_000_000), Refused),
        (gzip.compress(noise(9_000_000), 1)[:-20], Later),
        (gzip.compress(noise(9_000_000), 1) + b"more", Refused),
        (gzip.compress(b"{}") + b"more" * 100_000, Refused),
    ],
    ids=["a bomb", "broken off", "more behind", "much more behind"],
)
def test_a_large_body_is_held_to_the_rules_when_it_comes(sent: bytes, error: type[Exception]) -> None:
    """Bombs and broken gzip are refused before they have a turn."""

    async def go() -> None:
        await Parcels().receive(URL, _pieces(sent), packed=True)

    with pytest.raises(error):
        run(go())


def test_what_is_left_in_the_unpacker_counts_too() -> None:
    """A gzip that breaks off with more packed in its last byte than it may hold is a bomb, not one to ask for again."""
    whole, unpacker = gzip.compress(b" " * 3_000_000), zlib.decompressobj(16 + zlib.MAX_WBITS)
    unpacker.decompress(whole, RATIO_FLOOR)
    cut = whole[: len(whole) - len(unpacker.unconsumed_tail)]  # gives the floor, and then a little
    with pytest.raises(Refused, match="to more than 50 times as many") as refused:
        gunzip(URL, [cut], len(cut))
    assert refused.value.rule == "page-ratio"


def test_t05_one_large_page_is_open_at_a_time() -> None:
    """Whoever opens one has the turn until it asks for the next; the wait for it is lent, and ends in order."""
    post, opened, waits = Parcels(), [0], []

    @asynccontextmanager
    async def wait() -> AsyncIterator[None]:
        waits.append("begun")
        yield
        waits.append("ended")

    def page(n: int) -> bytes:
        item = '{"state":"updated","kind":"contract","id":"x","modified":%d,"origin":{},"data":"%s"}'
        filled = item % (n, "x" * (LARGE_PAGE + 1))
        return f'{{"next":"{URL}?afterChangeNumber={n}","license":"x","items":[{filled}]}}'.encode()

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        n = int(url.rpartition("=")[2]) if "=" in url else 0
        return Answer(200, await post.receive(url, _pieces(page(n + 1))), url=url)

    async def visit() -> None:
        async for _step in walk(get, URL, budget=3, waits=wait):
            opened[0] += 1
            assert opened[0] == 1
            await asyncio.sleep(0.01)
            opened[0] -= 1

    async def go() -> None:
        await asyncio.gather(*(visit() for _ in range(4)))
        assert not post._turn.locked()

    run(go())
    assert waits.count("begun") == waits.count("ended") == 12


def test_t05_the_turn_is_given_back_where_a_page_is_refused() -> None:
    """A page that is no JSON, or a visit that ends in the middle, holds nobody up."""
    post = Parcels()

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        return Answer(200, await post.receive(url, _pieces(b"x" * (LARGE_PAGE + 1))), url=url)

    async def go() -> None:
        for _ in range(2):
            with pytest.raises(Refused):
                async for _step in walk(get, URL):
                    pass
            assert not post._turn.locked()

    run(go())


def test_what_drips_lies_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a few hundred kilobytes nothing stays in memory, and the file is gone when it broke off."""
    made: list[Any] = []
    real = tempfile.TemporaryFile

    def make(**options: Any) -> Any:
        made.append(real(**options))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", make)

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * KEPT
        assert made == []
        yield b"x"
        assert made[0].tell() == KEPT + 1
        raise Later("broke off")

    with pytest.raises(Later, match="broke off"):
        run(Parcels(tmp_path).receive(URL, broken(), JSON))
    assert made[0].closed
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for a large page: the visit fails, and is made again later."""

    def make(**_options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", make)
    with pytest.raises(Later, match="no room for it here: No space left"):
        run(Parcels().receive(URL, _pieces(noise(KEPT + 1))))


def test_what_may_be_cut_is_cut() -> None:
    """A robots.txt is read as far as it goes."""
    got = run(Parcels().receive(URL, _pieces(b"x" * (ROBOTS.raw + 70_000)), ROBOTS))
    assert got == b"x" * ROBOTS.raw
