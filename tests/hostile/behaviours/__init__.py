"""All the ways to misbehave, by family."""

from tests.hostile.behaviours import claims, feeds, http, packing, poison, redirects, text, tls
from tests.hostile.register import BEHAVIOURS, Behaviour

__all__ = ["BEHAVIOURS", "Behaviour", "claims", "feeds", "http", "packing", "poison", "redirects", "text", "tls"]
