"""tantivy keeps the contract of `federation/index.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.tantivy_index import TantivyIndex
from tests.integration.search.contract_finding import FindingContract
from tests.integration.search.contract_writing import WritingContract


@dataclass(frozen=True)
class Folder:
    """A folder for one index."""

    path: Path
    opened: ExitStack

    def open(self) -> TantivyIndex:
        """Open the folder as one more process would."""
        index = TantivyIndex(self.path)
        self.opened.callback(index.close)
        return index


@pytest.fixture(scope="class")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Folder]]:
    """Yield what makes an empty folder."""
    with ExitStack() as opened:
        yield lambda: Folder(tmp_path_factory.mktemp("contract") / "index", opened)


class TestWriting(WritingContract):
    """tantivy as one who writes sees it."""


class TestFinding(FindingContract):
    """tantivy as one who asks sees it."""
