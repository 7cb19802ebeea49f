"""Made-up words for made-up registers, on which the analysers of different search engines do nothing.

Stemmers take English endings off and stop lists leave common words out; each engine has its own. A word here ends in
a letter that ends no English suffix and is on nobody's list, so that engines that count it must come to one number.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import accumulate

VOCABULARY, EXPONENT = 30_000, 1.05
SEED = 20_261_101
_FIRST, _VOWELS = "bdfgklmnprtvz", "aou"
_PROSE, _NAMES = "aou", "kpf"
"""What words of prose end in, and what words of names end in: neither is ever found by looking for the other."""


@cache
def prose() -> tuple[str, ...]:
    """Give the vocabulary of titles and descriptions, the commonest first."""
    return _made(VOCABULARY, _PROSE, random.Random(SEED))


@cache
def names(count: int) -> tuple[str, ...]:
    """Give words of which councils, suppliers and departments are called; none of them is a word of prose."""
    return tuple(word.capitalize() for word in _made(count, _NAMES, random.Random(SEED + 1)))


@cache
def weights() -> tuple[float, ...]:
    """Give the cumulated weights of the vocabulary: the word of rank r is as likely as r to the power -1.05."""
    return tuple(accumulate(rank**-EXPONENT for rank in range(1, VOCABULARY + 1)))


def draw(rng: random.Random, count: int) -> list[str]:
    """Draw words of prose, each by its weight."""
    return rng.choices(prose(), cum_weights=weights(), k=count)


def _made(count: int, endings: str, rng: random.Random) -> tuple[str, ...]:
    found: dict[str, None] = {}
    while len(found) < count:
        body = "".join(rng.choice(_FIRST) + rng.choice(_VOWELS) for _ in range(rng.choice((2, 2, 3))))
        found[body + rng.choice(_FIRST) + _ending(rng, endings)] = None
    return tuple(found)


def _ending(rng: random.Random, endings: str) -> str:
    last = rng.choice(endings)
    return last if last in _VOWELS else rng.choice(_VOWELS) + last
