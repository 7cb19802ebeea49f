"""Until federation/follow.py, index.py and tantivy_index.py stand: names to import. Goes away with their landing."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any


class _Nothing:
    def __init__(self, *given: Any) -> None:
        self.given = given

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def nudge(self) -> None: ...


for _name, _words in {"index": ["Index"], "follow": ["Follower"], "tantivy_index": ["TantivyIndex"]}.items():
    if importlib.util.find_spec(f"federation.{_name}") is None:
        _made = types.ModuleType(f"federation.{_name}")
        for _word in _words:
            setattr(_made, _word, _Nothing)
        sys.modules[f"federation.{_name}"] = _made
