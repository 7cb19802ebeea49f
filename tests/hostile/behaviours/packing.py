"""Bombs, and what is packed otherwise than we asked."""

from __future__ import annotations

import gzip
import random
import zlib

from tests.hostile.register import sends
from tests.hostile.talk import reply

OK = b'{"items":[]}'
NOISE = random.Random(4).randbytes(900_000)
"""So much that does not pack allows a bomb of forty times as much beside it: within the ratio, past the size."""

sends("is_a_bomb", "packing", "page-ratio", reply(gzip.compress(b" " * 30_000_000), Content_Encoding="gzip"))
sends(
    "is_a_heavy_bomb", "packing", "page-bytes", reply(gzip.compress(NOISE + b" " * 34_000_000), Content_Encoding="gzip")
)
sends(
    "is_a_bomb_of_bombs",
    "packing",
    "page-json",
    reply(gzip.compress(gzip.compress(b" " * 9_000_000)), Content_Encoding="gzip"),
)
sends("is_packed_twice", "packing", "encoding", reply(gzip.compress(gzip.compress(OK)), Content_Encoding="gzip, gzip"))
sends("says_gzip_in_two_headers", "packing", "encoding", reply(OK, Content_Encoding="gzip", content_encoding="gzip"))
sends("is_deflated", "packing", "encoding", reply(zlib.compress(b" " * 9_000_000), Content_Encoding="deflate"))
sends("is_brotli", "packing", "encoding", reply(OK, Content_Encoding="br"))
sends("is_no_gzip", "packing", "encoding", reply(OK, Content_Encoding="gzip"))
sends("is_zlib_not_gzip", "packing", "encoding", reply(zlib.compress(OK), Content_Encoding="gzip"))
sends("has_more_behind_its_gzip", "packing", "encoding", reply(gzip.compress(OK) + b"more", Content_Encoding="gzip"))
sends("has_two_gzips", "packing", "encoding", reply(gzip.compress(OK) * 2, Content_Encoding="gzip"))
sends("breaks_off_its_gzip", "packing", "reachable", reply(gzip.compress(NOISE)[:-400_000], Content_Encoding="gzip"))
sends("hides_that_it_is_gzip", "packing", "page-json", reply(gzip.compress(OK)))
