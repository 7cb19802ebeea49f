"""The line that writers wait in: one at a time, in the order of coming, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from federation.line import Line


def test_turns_come_in_the_order_of_coming() -> None:
    """Whoever came first is let in first, however long the one before stayed."""
    line, order, threads = Line(), list[int](), []

    def wait(number: int) -> None:
        assert line.come(20)
        order.append(number)
        line.leave()

    assert line.come(0)
    for number in range(8):
        threads.append(threading.Thread(target=wait, args=[number]))
        threads[-1].start()
        while len(line._waiting) <= number:  # the next one comes after this one waits
            time.sleep(0.001)
    line.leave()
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_one_is_in_at_a_time() -> None:
    """Of many who come and go, some of them impatient, never two are in, and at the end nobody is."""
    line, inside, most = Line(), [0], [0]

    def turn(number: int) -> bool:
        if not line.come(0.0005 * (number % 7)):
            return False
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.0003)
        inside[0] -= 1
        line.leave()
        return True

    with ThreadPoolExecutor(12) as pool:
        assert any(pool.map(turn, range(2_000)))
    assert most == [1]
    assert line.come(0)
    assert not line.come(0.01)
