"""Claims to be, or to speak for, somebody else."""

from __future__ import annotations

from tests.hostile.node import Document, Node
from tests.hostile.register import Change, bends, item

VICTIM = "http://127.41.1.250:8000"


@bends("claims", "identity-changed", of="manifest")
def takes_another_id(manifest: Document, _node: Node) -> Document:
    return manifest | {"id": f"{VICTIM}/.well-known/folkmoot"}


@bends("claims", "identity-changed", of="manifest")
def becomes_an_aggregator(manifest: Document, _node: Node) -> Document:
    return manifest | {"role": "aggregator"}


@bends("claims", "feed-own-origin", of="manifest")
def names_a_feed_elsewhere(manifest: Document, _node: Node) -> Document:
    return manifest | {"feeds": [manifest["feeds"][0] | {"url": "http://169.254.169.254/v1/changes"}]}


@bends("claims", "manifest-valid", of="manifest")
def names_no_feed(manifest: Document, _node: Node) -> Document:
    return manifest | {"feeds": []}


@bends("claims", "manifest-valid", of="manifest")
def has_no_manifest(_manifest: Document, _node: Node) -> bytes:
    return b"null"


@bends("claims", "page-bytes", of="manifest")
def has_an_endless_manifest(manifest: Document, _node: Node) -> Document:
    return manifest | {"x": "y" * 5_000_000}


def _origin(**changes: object) -> Change:
    return lambda found, _node: found | {"origin": found["origin"] | changes}


item("speaks_for_another_node", "claims", "not-an-aggregator", _origin(node=f"{VICTIM}/.well-known/folkmoot"))
item("speaks_for_another_publisher", "claims", "publisher", _origin(publisher="GB-LAE-ZZZ"))
item("has_no_origin", "claims", "item-members", lambda found, _node: found | {"origin": None})
item("has_the_number_nought", "claims", "origin", _origin(seq=0))
item("has_no_time", "claims", "origin", _origin(time="yesterday"))
item(
    "claims_anothers_id",
    "claims",
    "id-prefix",
    lambda found, _node: found | {"id": f"{VICTIM}/id/GB-LAE-ZZZ/contract/NEW"},
)
item(
    "walks_out_of_its_prefix",
    "claims",
    "id-prefix",
    lambda found, node: found | {"id": f"{node.prefix}contract/../../x"},
)
item("hides_dots_in_its_id", "claims", "id-prefix", lambda found, node: found | {"id": f"{node.prefix}contract/%2E%2E"})
item("has_an_id_of_no_reference", "claims", "id-form", lambda found, node: found | {"id": f"{node.prefix}contract/"})
item("has_an_id_of_another_kind", "claims", "kind", lambda found, node: found | {"id": f"{node.prefix}tool/NEW"})
item(
    "has_an_id_of_another_reference",
    "claims",
    "reference",
    lambda found, node: found | {"id": f"{node.prefix}contract/OLD"},
)
item("has_a_kind_that_is_a_path", "claims", "kind", lambda found, _node: found | {"kind": "../contract"})
item(
    "came_a_long_way", "claims", "hops", lambda found, node: found | {"via": [{"node": node.id, "harvested": "x"}] * 9}
)
