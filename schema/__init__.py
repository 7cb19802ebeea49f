"""The words of Folkmoot: records, change feed, manifest, codes, rows, errors. Pure: no I/O, no other room.

The face below is loaded on first use, so that `folkmoot --help` need not build the models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schema.asset import Asset
    from schema.base import Record, Unknown
    from schema.contract import Contract
    from schema.errors import Fault, FolkmootError, Invalid
    from schema.kinds import KINDS, PLURALS, SINGULARS, parse
    from schema.manifest import Manifest
    from schema.organisation import Organisation
    from schema.roadmap import RoadmapItem
    from schema.skill import Skill
    from schema.tool import Tool

__all__ = [
    "KINDS",
    "PLURALS",
    "SINGULARS",
    "Asset",
    "Contract",
    "Fault",
    "FolkmootError",
    "Invalid",
    "Manifest",
    "Organisation",
    "Record",
    "RoadmapItem",
    "Skill",
    "Tool",
    "Unknown",
    "parse",
]

_HOMES = {
    "asset": ("Asset",),
    "base": ("Record", "Unknown"),
    "contract": ("Contract",),
    "errors": ("Fault", "FolkmootError", "Invalid"),
    "kinds": ("KINDS", "PLURALS", "SINGULARS", "parse"),
    "manifest": ("Manifest",),
    "organisation": ("Organisation",),
    "roadmap": ("RoadmapItem",),
    "skill": ("Skill",),
    "tool": ("Tool",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'schema' has no attribute '{name}'")
    return getattr(import_module(f"schema.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
