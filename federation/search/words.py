"""What a person types, as a tantivy query. Any text at all is a query: nothing here raises.

Words are AND, for a list that grows as words are added is not what people expect, and an alert or a calendar must not
fill with what was not asked for. `"two words"` is a phrase, `-word` leaves records out. Very common words need not be
there. There is no other syntax: `title:x`, `*` and brackets are words and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import tantivy

_PIECES = re.compile(r'(-?)"([^"]*)"?|(\S+)')
_COMMON = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or",
        "our", "that", "the", "their", "this", "to", "was", "we", "were", "with",
    }
)  # fmt: skip
_TITLE_WEIGHT = 3.0


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


def query(schema: tantivy.Schema, analysed: tantivy.TextAnalyzer, words: str) -> tantivy.Query | None:
    """The query of what was typed; None where nothing was, and a query that finds nothing where no word was."""
    clauses = []
    for piece in pieces(words):
        tokens = [(token.position, token.text) for token in analysed.pre_tokenize(piece.text).tokens]
        if tokens:
            clauses.append((piece, _anywhere(schema, tokens)))
    if not clauses:
        return tantivy.Query.empty_query() if words.strip() else None
    needed = [p for p, _ in clauses if not p.excluded and not p.optional]
    occurs = [(_occur(piece, alone=not needed), clause) for piece, clause in clauses]
    if all(piece.excluded for piece, _ in clauses):
        occurs.append((tantivy.Occur.Must, tantivy.Query.all_query()))
    return tantivy.Query.boolean_query(occurs)


def _occur(piece: Piece, *, alone: bool) -> tantivy.Occur:
    if piece.excluded:
        return tantivy.Occur.MustNot
    return tantivy.Occur.Should if piece.optional and not alone else tantivy.Occur.Must


def _anywhere(schema: tantivy.Schema, tokens: list[tuple[int, str]]) -> tantivy.Query:
    title = tantivy.Query.boost_query(_in_field(schema, "title", tokens), _TITLE_WEIGHT)
    text = _in_field(schema, "text", tokens)
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, title), (tantivy.Occur.Should, text)])


def _in_field(schema: tantivy.Schema, name: str, tokens: list[tuple[int, str]]) -> tantivy.Query:
    if len(tokens) == 1:  # tantivy aborts the call on a phrase of one word
        return tantivy.Query.term_query(schema, name, tokens[0][1])
    return tantivy.Query.phrase_query(schema, name, list(tokens))
