"""Who works and who only waits: a visit that waits for a slow host lends its place, and takes it back."""

from __future__ import annotations

import asyncio

import pytest

from federation import crew
from federation.crew import Crew


@pytest.mark.parametrize(
    ("workers", "most", "waiting", "hired"),
    [(2, 5, 0, 2), (2, 5, 1, 3), (2, 5, 2, 4), (2, 3, 2, 3), (2, 1, 2, 2)],
)
def test_each_that_waits_lends_its_place_up_to_the_most(
    monkeypatch: pytest.MonkeyPatch, workers: int, most: int, waiting: int, hired: int
) -> None:
    """For each visit that waits another is begun, up to all there may be; when those go on, one too many may leave."""
    monkeypatch.setattr(crew, "PATIENT", 0.02)

    async def go() -> None:
        begun: list[int] = []
        made = Crew(workers, most, lambda: begun.append(1))
        made.start()
        assert (len(begun), made.crowded) == (workers, False)
        go_on = asyncio.Event()

        async def visit() -> None:
            async with made.waits():
                await go_on.wait()

        visits = [asyncio.create_task(visit()) for _ in range(waiting)]
        await asyncio.sleep(0.2)
        assert (len(begun), made.crowded) == (hired, False)
        go_on.set()
        await asyncio.gather(*visits)
        assert made.crowded is (hired > workers)
        for _ in range(hired - workers):
            made.left()
        assert not made.crowded

    asyncio.run(go())


def test_a_short_wait_lends_nothing() -> None:
    """A host that answers at once costs no second worker."""

    async def go() -> None:
        begun: list[int] = []
        made = Crew(1, 5, lambda: begun.append(1))
        made.start()
        for _ in range(3):
            async with made.waits():
                await asyncio.sleep(0)
        assert (len(begun), made.crowded) == (1, False)

    asyncio.run(go())
