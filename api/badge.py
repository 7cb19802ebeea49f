"""A node's status as a badge for its own page: the same rows as its JSON, as a picture with words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SVG = "http://www.w3.org/2000/svg"
_TONES: Mapping[str, str] = {"active": "#1d6b3a", "retired": "#8c1d18", "preview": "#3d4a57"}
_OTHER, _LABEL, _INK = "#7a4700", "#0b5a66", "#ffffff"
_CHAR, _PAD, _HEIGHT = 6.6, 8, 20
"""The badge's measures in pixels: a letter of 11px text, the space at its sides, its height."""


def told(item: Mapping[str, Any]) -> str:
    """A node's status in a few words, such as `active, 3 errors`."""
    counts = item["problemCounts"]
    found = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    state = (
        f"stale since {item['staleSince'][:10]}" if item["state"] == "stale" and item["staleSince"] else item["state"]
    )
    return ", ".join([state, *found]) if found or state != "active" else "active, no problems"


def badge(item: Mapping[str, Any]) -> bytes:
    """The status as a small picture, with its words as its title."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - XML is for few readers: a start does not wait for it

    says = told(item)
    left, right = _width("Folkmoot"), _width(says)
    root = ET.Element("svg", {"xmlns": SVG, "width": str(left + right), "height": str(_HEIGHT), "role": "img"})
    root.set("aria-labelledby", "title")
    ET.SubElement(root, "title", {"id": "title"}).text = f"Folkmoot: {item['name'] or item['key']} is {says}"
    tone = _TONES.get(item["state"], _OTHER)
    tone = _OTHER if item["state"] == "active" and item["problemCounts"]["error"] else tone
    for x, width, fill in ((0, left, _LABEL), (left, right, tone)):
        ET.SubElement(root, "rect", {"x": str(x), "width": str(width), "height": str(_HEIGHT), "fill": fill})
    group = ET.SubElement(root, "g", {"fill": _INK, "font-family": "Verdana, DejaVu Sans, sans-serif"})
    group.set("font-size", "11")
    for x, width, text in ((0, left, "Folkmoot"), (left, right, says)):
        place = {"x": str(x + _PAD), "y": "14", "textLength": str(width - 2 * _PAD), "aria-hidden": "true"}
        ET.SubElement(group, "text", place).text = text
    return bytes(ET.tostring(root, encoding="utf-8"))


def _width(text: str) -> int:
    return round(len(text) * _CHAR) + 2 * _PAD
