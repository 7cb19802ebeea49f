"""What a person types, as a tantivy query. Any text at all is a query: nothing here raises.

Words are AND, for a list that grows as words are added is not what people expect, and an alert or a calendar must not
fill with what was not asked for. `"two words"` is a phrase, `-word` leaves records out. Very common words need not be
there. There is no other syntax: `title:x`, `*` and brackets are words and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import tantivy

from federation.search.fields import everything

_PIECES = re.compile(r'(-?)"([^"]*)"?|(\S+)')
_COMMON = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or",
        "our", "that", "the", "their", "this", "to", "was", "we", "were", "with",
    }
)  # fmt: skip
_TITLE_WEIGHT = 3.0
_WORDS = 2_000
"""How many words of texts are known of one query, for the next pages that it finds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or a phrase, as typed."""

    text: str
    excluded: bool = False
    optional: bool = False


def pieces(words: str) -> Iterator[Piece]:
    """Split what was typed into words and phrases."""
    for minus, phrase, word in _PIECES.findall(words):
        if word:
            bare = word.removeprefix("-")
            yield Piece(bare, excluded=word != bare, optional=bare.casefold() in _COMMON)
        elif phrase:
            yield Piece(phrase, excluded=bool(minus))


def wanted(analysed: tantivy.TextAnalyzer, words: str) -> set[str]:
    """The words that a record was found by, as they are compared."""
    found = (p for p in pieces(words) if not p.excluded)
    return {token for piece in found for token in analysed.analyze(piece.text)}


@lru_cache(maxsize=64)
def matcher(analysed: tantivy.TextAnalyzer, typed: str) -> Callable[[str], Sequence[tuple[int, int]]]:
    """Find where the words that were typed stand in a text, in characters.

    In plain text only the words that begin as one of those that were typed does are compared, each once: a page of
    records says the same few hundred words.
    """
    asked = wanted(analysed, typed)
    known = _Known(analysed, asked)
    plain = _beginnings(asked)

    def matches(text: str) -> Sequence[tuple[int, int]]:
        if plain is not None and text.isascii():
            return [found.span() for found in plain.finditer(text.lower()) if known[found[0]]]
        found = analysed.pre_tokenize(text).tokens
        return [(one.char_offset_from, one.char_offset_to) for one in found if one.text in asked]

    return matches


def _beginnings(asked: set[str]) -> re.Pattern[str] | None:
    """The plain words, in small letters, that begin as one of these does.

    Folding and stemming leave the first two letters of a plain word as they are, but that "dying" becomes "die". Of a
    word as short as "aed" they may leave one letter.
    """
    if not asked:
        return None
    begin = _class(token[0] for token in asked)
    if all(len(token) > 1 for token in asked):
        begin += _class("iy" if token[1] == "i" else token[1] for token in asked)
    # They stand before the look behind them, so that the engine of `re` leaps from one such beginning to the next.
    return re.compile(f"{begin}(?<![a-z0-9]{begin})[a-z0-9]*")


def _class(letters: Iterable[str]) -> str:
    return f"[{''.join(map(re.escape, sorted({one for several in letters for one in several})))}]"


class _Known(dict[str, bool]):
    """Whether a word is one of those that were asked for, as they are compared; found out when it is first met."""

    def __init__(self, analysed: tantivy.TextAnalyzer, asked: set[str]) -> None:
        super().__init__()
        self.analysed = analysed
        self.asked = asked

    def __missing__(self, word: str) -> bool:
        found = not self.asked.isdisjoint(self.analysed.analyze(word))
        if len(self) < _WORDS:
            self[word] = found
        return found


def tokens(analysed: tantivy.TextAnalyzer, words: str) -> list[tuple[Piece, list[tuple[int, str]]]]:
    """What was typed, as it is compared: each word or phrase with (position, token); those without a token left out."""
    read = [(p, [(t.position, t.text) for t in analysed.pre_tokenize(p.text).tokens]) for p in pieces(words)]
    return [(piece, found) for piece, found in read if found]


def query(
    schema: tantivy.Schema, found: Sequence[tuple[Piece, list[tuple[int, str]]]], words: str, *, ranked: bool = False
) -> tantivy.Query | None:
    """The query of what was typed, whose tokens were found; None where nothing was typed.

    Where no word was, it finds nothing.
    `text` holds the title too, so that one list of postings a word says what matches. Where it is `ranked`, a word in
    the title counts more, and the same records match.
    """
    if not found:
        return tantivy.Query.empty_query() if words.strip() else None
    needed = [p for p, _ in found if not p.excluded and not p.optional]
    make = _ranked if ranked else _said
    occurs = [(_occur(p, alone=not needed), _said(schema, t) if p.excluded else make(schema, t)) for p, t in found]
    if all(piece.excluded for piece, _ in found):
        occurs.append((tantivy.Occur.Must, everything(schema)))
    return tantivy.Query.boolean_query(occurs)


def _occur(piece: Piece, *, alone: bool) -> tantivy.Occur:
    if piece.excluded:
        return tantivy.Occur.MustNot
    return tantivy.Occur.Should if piece.optional and not alone else tantivy.Occur.Must


def _ranked(schema: tantivy.Schema, found: list[tuple[int, str]]) -> tantivy.Query:
    title = tantivy.Query.boost_query(_in_field(schema, "title", found), _TITLE_WEIGHT)
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, title), (tantivy.Occur.Should, _said(schema, found))])


def _said(schema: tantivy.Schema, found: list[tuple[int, str]]) -> tantivy.Query:
    return _in_field(schema, "text", found)


def _in_field(schema: tantivy.Schema, name: str, found: list[tuple[int, str]]) -> tantivy.Query:
    if len(found) == 1:  # tantivy aborts the call on a phrase of one word
        return tantivy.Query.term_query(schema, name, found[0][1])
    return tantivy.Query.phrase_query(schema, name, list(found))
