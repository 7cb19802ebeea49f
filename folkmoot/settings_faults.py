"""What is wrong with the settings, in words: where it was set, what it says there, and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FILE = "folkmoot.toml"
PREFIX = "FOLKMOOT_"
APART = ("FOLKMOOT_TEST_", "FOLKMOOT_PROVE_")
"""Variables of the tests and of the proof, which are no settings."""

_WORDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "the name of a folder",
    "literal_error": "{expected}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
}


def told(found: ErrorDetails, environment: Mapping[str, str], known: Collection[str]) -> str:
    """One fault of the settings as a sentence without its full stop."""
    context: dict[str, Any] = dict(found.get("ctx") or {})
    if not found["loc"]:  # while the sources were read, so before any setting
        return f"{FILE} is not TOML: {context.get('error', found['msg'])}"
    name = str(found["loc"][0])
    if found["type"] == "extra_forbidden":  # only the file can hold one: of the environment, known names are read
        return f"{FILE}: there is no setting '{name}'{_near(name.lower(), known)}"
    if found["type"] == "value_error":
        expected = str(context["error"])
    else:
        expected = _WORDS.get(found["type"], found["msg"]).format_map(context)
    return f"{_where(name, environment)} is '{found['input']}'; expected {expected}"


def _where(name: str, environment: Mapping[str, str]) -> str:
    variable = PREFIX + name.upper()
    in_file = variable not in {each.upper() for each in environment}
    return f"{FILE}: {name}" if in_file else variable


def strays(environment: Mapping[str, str], known: Collection[str]) -> list[str]:
    """A sentence for each variable that looks like ours and is no setting: most likely it is misspelt."""
    names = {PREFIX + name.upper() for name in known}
    return [
        f"{variable} is no setting, and is not read{_near(variable, names)}."
        for variable in sorted(environment)
        if variable.upper().startswith(PREFIX) and not variable.upper().startswith(APART)
        if variable.upper() not in names
    ]


def _near(name: str, known: Collection[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" (near: {found[0]})" if found else ""
