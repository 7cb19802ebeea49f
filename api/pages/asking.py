"""What the search page was asked: its address read as the API reads it, and links that ask a little else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_type_hints
from urllib.parse import urlencode

from fastapi import params as declared

from api.params import Asked
from api.strict import unknown
from schema.errors import BadParameter

Pairs = Sequence[tuple[str, str]]
_FOREIGN = re.compile(r"utm_\w+|fbclid|gclid|msclkid|mc_[ce]id")
"""What mail programs and link shorteners add: it asks for nothing. Any other unknown name is refused."""
_NOT_OFFERED = ("facets", "limit")


@dataclass(frozen=True, slots=True)
class Address:
    """A path of this site with its parameters, empty ones left out: a form sends its empty fields too."""

    path: str
    pairs: Pairs

    def but(self, *names: str) -> Address:
        """The same without these parameters."""
        return Address(self.path, [pair for pair in self.pairs if pair[0] not in names])

    def less(self, name: str, value: str) -> Address:
        """The same without one value of a parameter, from the first page on."""
        return Address(self.path, [pair for pair in self.pairs if pair != (name, value) and pair[0] != "cursor"])

    def plus(self, name: str, value: str) -> Address:
        """The same with one more."""
        return Address(self.path, [*self.pairs, (name, value)])

    def at(self, path: str) -> Address:
        """The same question at another path."""
        return Address(path, self.pairs)

    def values(self, name: str) -> list[str]:
        """What a parameter was given."""
        return [value for given, value in self.pairs if given == name]

    def __str__(self) -> str:
        return f"{self.path}?{urlencode(list(self.pairs))}" if self.pairs else self.path


def read(path: str, given: Pairs) -> tuple[Address, Asked, list[str]]:
    """The address, what was asked and the kinds. Raises `UnknownParameter` with the near match, or `BadParameter`."""
    pairs = [(name, value) for name, value in given if value.strip() and not _FOREIGN.fullmatch(name)]
    address = Address(path, list(dict.fromkeys(pairs)))
    known = _parameters()
    values: dict[str, Any] = {}
    for name in dict.fromkeys(name for name, _ in address.pairs):
        if name == "kind":
            continue
        if name not in known:
            names = {**dict.fromkeys(known, True), "kind": True}
            raise unknown(name, names)
        found = address.values(name)
        if len(found) > 1 and not known[name].several:
            raise BadParameter(name, f"given {len(found)} times", "it once")
        values[known[name].field] = found if known[name].several else found[0]
    return address, Asked(**values), address.values("kind")


@dataclass(frozen=True, slots=True)
class _Known:
    field: str
    several: bool


@cache
def _parameters() -> Mapping[str, _Known]:
    """The parameters by the names that stand in addresses."""
    return dict(_named())


def _named() -> Iterator[tuple[str, _Known]]:
    hints = get_type_hints(Asked, include_extras=True)
    for field in fields(Asked):
        told = next(one for one in hints[field.name].__metadata__ if isinstance(one, declared.Query))
        if field.name not in _NOT_OFFERED:
            yield told.alias or field.name, _Known(field.name, several="list" in str(hints[field.name].__origin__))
