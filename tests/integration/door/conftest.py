"""The door in: the node with two publishers that its writers meet."""

from tests.integration.writes.conftest import contract, moot

__all__ = ["contract", "moot"]
