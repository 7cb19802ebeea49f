"""Write the reference pages of `docs/` from the code: `python -m scripts.reference`, or `make docs`.

`docs/settings.md` from the settings, `docs/cli.md` from the command line, `docs/api.md` from the committed
`openapi/*.json`, `docs/rules.md` from the list of rules. A test holds each page to what it is made from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from typer.main import get_command

ROOT = Path(__file__).resolve().parent.parent
ROLES = ("node", "aggregator")
SHOWN = 4  # of an operation's parameters; lists take two dozen, all described below
METHODS = ("get", "post", "put", "patch", "delete")


def settings_page() -> str:
    """Return `docs/settings.md`: a row for each setting."""
    from folkmoot.settings import Settings

    lines = [
        "# Settings",
        "",
        _made_from("folkmoot/settings.py"),
        "",
        "Each setting is an environment variable, or a line in a file `folkmoot.toml` in the folder that the command",
        'runs in, by its name without `FOLKMOOT_` in small letters (`public_url = "https://moot.example"`). The',
        "variable wins. A value that cannot be used stops the start, with a sentence that says which and why.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `FOLKMOOT_{name.upper()}` | {_default(field)} | {field.description}{_bounds(field)} |")
    return "\n".join([*lines, ""])


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return "`1`" if field.default else "`0`"
    return f"`{field.default}`" if str(field.default) else "empty"


def _bounds(field: FieldInfo) -> str:
    told = []
    for bound in field.metadata:
        for name, word in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            limit = getattr(bound, name, None)
            if limit is not None:
                told.append(f"{word} {limit}")
    return f" ({', '.join(told)})" if told else ""


def cli_page() -> str:
    """Return `docs/cli.md`: a section for each command, with its arguments and options."""
    from folkmoot.cli import command_line

    root = get_command(command_line())
    lines = [
        "# Command line",
        "",
        _made_from("folkmoot/cli.py and folkmoot/commands/"),
        "",
        "`folkmoot COMMAND --help` says the same. Exit codes: 0 done; 1 something was refused and nothing landed;",
        "2 an unusable file, setting or argument; 3 held until a person says so.",
    ]
    for words, command in commands(root):
        lines += ["", f"## folkmoot {' '.join(words)}", "", _first_paragraphs(command.help or "")]
        parameters = [p for p in command.params if p.name != "help"]
        if parameters:
            lines += ["", "| argument or option | default | meaning |", "|---|---|---|"]
            lines += [_parameter(p) for p in parameters]
    return "\n".join(lines).rstrip() + "\n"


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give each command below a group, with the words that call it."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


def _first_paragraphs(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _parameter(parameter: Any) -> str:
    names = parameter.opts if parameter.param_type_name == "option" else [str(parameter.name).upper()]
    off = getattr(parameter, "secondary_opts", [])
    spelled = ", ".join(f"`{name}`" for name in [*names, *off])
    default = parameter.default
    shown = "" if callable(default) or default in (None, False, "", ()) else f"`{default}`"
    return f"| {spelled} | {'required' if parameter.required else shown} | {_cell(parameter.help or '')} |"


def api_page() -> str:
    """Return `docs/api.md`: a row for each operation of the committed OpenAPI, by tag and with its roles."""
    lines = [
        "# HTTP API",
        "",
        _made_from("openapi/node.json and openapi/aggregator.json"),
        "",
        "The contracts themselves are [node.json](../openapi/node.json) and",
        "[aggregator.json](../openapi/aggregator.json); each server gives its own at `/openapi.json`. How the feed is",
        "read is in [protocol.md](protocol.md).",
    ]
    for tag, operations in _by_tag().items():
        lines += ["", f"## {tag}", "", "| request | what it does | parameters | roles |", "|---|---|---|---|"]
        lines += operations
    lines += ["", "## Parameters", "", "Unknown parameters are refused, naming the near match.", ""]
    lines += ["| parameter | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {' / '.join(told)} |" for name, told in sorted(_parameters().items())]
    return "\n".join([*lines, ""])


def _parameters() -> dict[str, list[str]]:
    """Give what each query parameter means; one that means several things in several places has several texts."""
    found: dict[str, list[str]] = {}
    for contract in _contracts().values():
        for methods in contract["paths"].values():
            for parameter in (p for operation in methods.values() for p in operation.get("parameters", ())):
                told = found.setdefault(parameter["name"], []) if parameter["in"] == "query" else []
                text = _cell(parameter.get("description", ""))
                if text and text not in told:
                    told.append(text)
    return found


def _contracts() -> dict[str, Any]:
    return {role: json.loads((ROOT / "openapi" / f"{role}.json").read_text()) for role in ROLES}


def _by_tag() -> dict[str, list[str]]:
    contracts = _contracts()
    tags: dict[str, list[str]] = {}
    for contract in contracts.values():
        for tag in contract["tags"]:
            tags.setdefault(tag["name"], [])
    seen: set[tuple[str, str]] = set()
    for contract in contracts.values():
        for path, methods in contract["paths"].items():
            for method in METHODS:
                if method not in methods or (method, path) in seen:
                    continue
                seen.add((method, path))
                operation = methods[method]
                roles = [role for role in ROLES if method in contracts[role]["paths"].get(path, {})]
                tags[operation["tags"][0]].append(_operation(method, path, operation, roles))
    return tags


def _operation(method: str, path: str, operation: Mapping[str, Any], roles: list[str]) -> str:
    query = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
    names = ", ".join(f"`{name}`" for name in query[:SHOWN])
    if len(query) > SHOWN:
        names += f" and {len(query) - SHOWN} more, see [below](#parameters)"
    both = "both" if len(roles) == len(ROLES) else roles[0]
    return f"| `{method.upper()} {path}` | {_cell(operation.get('summary', ''))} | {names} | {both} |"


def rules_page() -> str:
    """Return `docs/rules.md`: a row for each rule that a node is held to."""
    from federation.rules import RULES

    lines = [
        "# The rules of a node",
        "",
        _made_from("federation/rules.py"),
        "",
        "One list, asked in four places: `folkmoot check URL` and the page `/check`, `node add`, every visit to a node",
        "that is a preview, and every crawl. A problem that is told of a node, on its page, in its feeds, its badge or",
        "its webhook, names one of these rules. A *gate* keeps a node out until it is mended; an *error* refuses the",
        "record or the page; a *warning* is advice. What only visits can tell no check asks; an aggregator's own",
        "checks ask `identity-changed` of a node that it knows, and `members` is asked of one that is to be taken as",
        "an aggregator. What the last page tells is asked where a look comes to the end of the feed.",
    ]
    for part, title in _PARTS.items():
        found = [rule for rule in RULES if rule.part == part]
        if found:
            lines += [
                "",
                f"## {title}",
                "",
                "| rule | what it asks | of | a breach | what to do |",
                "|---|---|---|---|---|",
            ]
        for rule in found:
            breach = "gate" if rule.gate else rule.severity
            asked = f"{rule.standard}, {rule.section}"
            lines.append(f"| `{rule.id}` | {_cell(rule.says)} | {_cell(asked)} | {breach} | {_cell(rule.advice)} |")
    return "\n".join([*lines, ""])


_PARTS: Mapping[str, str] = {
    "door": "The answer",
    "manifest": "The manifest",
    "feed": "The feed",
    "item": "The record",
    "identity": "Whose record it is",
    "signature": "Signatures",
    "conduct": "What only visits can tell",
}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _made_from(source: str) -> str:
    return f"*Made from {source} by `make docs`; a test holds this page to it.*"


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/cli.md": cli_page,
    "docs/api.md": api_page,
    "docs/rules.md": rules_page,
}


def main() -> None:
    """Write the pages that have changed."""
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(name)


if __name__ == "__main__":
    main()
