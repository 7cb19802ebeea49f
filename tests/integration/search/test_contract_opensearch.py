"""OpenSearch keeps the contract of `federation/index.py`: tried on a real cluster of three nodes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from federation.opensearch.address import Address
from federation.opensearch_index import OpenSearchIndex
from tests.integration.search.contract_finding import FindingContract
from tests.integration.search.contract_writing import WritingContract

pytestmark = pytest.mark.prove


@dataclass(frozen=True)
class Place:
    """A name in the cluster for one index."""

    address: Address
    opened: ExitStack

    def open(self) -> OpenSearchIndex:
        """Open the index as one more process would."""
        index = OpenSearchIndex(self.address)
        self.opened.callback(index.close)
        return index


@pytest.fixture(scope="class")
def engines(cluster_address: Callable[[str], Address]) -> Iterator[Callable[[], Place]]:
    """Yield what gives a new name."""
    with ExitStack() as opened:
        yield lambda: Place(cluster_address(f"contract-{secrets.token_hex(4)}"), opened)


class TestWriting(WritingContract):
    """OpenSearch as one who writes sees it. Each shard shows a commit for itself, a moment after another."""

    whole = False


class TestFinding(FindingContract):
    """OpenSearch as one who asks sees it."""
