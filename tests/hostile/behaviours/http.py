"""Slow, endless and broken HTTP."""

from __future__ import annotations

from tests.hostile.register import answers, sends
from tests.hostile.talk import Talk, reply

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@answers("slow", "reachable", "in time")
async def hangs(talk: Talk) -> None:
    await talk.forever()


@answers("slow", "reachable", "in time", to="manifest")
async def hangs_at_the_manifest(talk: Talk) -> None:
    await talk.forever()


@answers("slow", "reachable", "in time")
async def drips_its_head(talk: Talk) -> None:
    await talk.send(HEAD)
    await talk.forever(b"X-More: x\r\n", 0.05)


@answers("slow", "reachable", "in time")
async def drips_its_body(talk: Talk) -> None:
    await talk.send(HEAD, b"Content-Length: 100000\r\n\r\n")
    await talk.forever(b" ", 0.05)


@answers("slow", "reachable", "in time")
async def stops_in_its_body(talk: Talk) -> None:
    await talk.send(HEAD, b'Content-Length: 100000\r\n\r\n{"next":')
    await talk.forever()


@answers("slow", "reachable", "in time")
async def talks_before_it_answers(talk: Talk) -> None:
    await talk.forever(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.01)


@answers("broken", "reachable")
async def closes_at_once(talk: Talk) -> None:
    talk.writer.close()


@answers("broken", "reachable")
async def resets(talk: Talk) -> None:
    talk.reset()


@answers("broken", "reachable")
async def closes_half(talk: Talk) -> None:
    await talk.send(HEAD)
    talk.writer.write_eof()
    await talk.forever()


@answers("broken", "reachable")
async def resets_in_its_body(talk: Talk) -> None:
    await talk.send(HEAD, b"Content-Length: 100000\r\n\r\n{")
    talk.reset()


@answers("broken", "reachable")
async def sends_less_than_it_says(talk: Talk) -> None:
    await talk.send(HEAD, b"Content-Length: 100000\r\n\r\n{}")
    talk.writer.close()


@answers("broken", "reachable")
async def speaks_another_protocol(talk: Talk) -> None:
    await talk.send(b"220 mail.exampleshire.example ESMTP\r\n")
    talk.writer.close()


@answers("broken", "reachable")
async def speaks_the_oldest_http(talk: Talk) -> None:
    await talk.send(b'{"items": []}\r\n')
    talk.writer.close()


@answers("endless", "page-bytes")
async def never_ends(talk: Talk) -> None:
    await talk.send(CHUNKED)
    await talk.forever(b"40000\r\n" + b" " * 0x40000 + b"\r\n")


@answers("endless", "page-bytes")
async def never_ends_without_length(talk: Talk) -> None:
    await talk.send(HEAD + b"Connection: close\r\n\r\n")
    await talk.forever(b" " * 0x40000)


@answers("endless", "framing", "crumbs")
async def sends_crumbs(talk: Talk) -> None:
    await talk.send(CHUNKED)
    await talk.forever(b"1\r\n \r\n" * 5_000)


@answers("endless", "reachable")
async def floods_its_head(talk: Talk) -> None:
    await talk.send(HEAD)
    await talk.forever(b"X-More: " + b"x" * 4_000 + b"\r\n")


@answers("endless", "reachable")
async def has_one_endless_header(talk: Talk) -> None:
    await talk.send(HEAD, b"X-More: ")
    await talk.forever(b"x" * 4_000)


@answers("endless", "reachable")
async def floods_its_trailers(talk: Talk) -> None:
    await talk.send(CHUNKED, b"2\r\n{}\r\n0\r\n")
    await talk.forever(b"X-More: " + b"x" * 4_000 + b"\r\n")


@answers("endless", "reachable")
async def floods_its_chunk_extensions(talk: Talk) -> None:
    await talk.send(CHUNKED, b"2;")
    await talk.forever(b"x" * 4_000)


sends("says_a_huge_length", "endless", "page-bytes", HEAD + b"Content-Length: 99999999999999\r\n\r\n{}")
sends("says_a_negative_length", "framing", "reachable", HEAD + b"Content-Length: -1\r\n\r\n{}")
sends("says_two_lengths", "framing", "reachable", HEAD + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}")
sends("says_length_and_chunks", "framing", "framing", CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
sends("has_chunks_of_no_size", "framing", "reachable", CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n")
sends("has_chunks_longer_than_they_say", "framing", "reachable", CHUNKED + b'2\r\n{"items":[]}\r\n0\r\n\r\n')
sends("has_an_unknown_transfer", "framing", "reachable", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
sends("folds_its_head", "framing", "reachable", b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n{}")
sends("hides_nul_in_its_head", "framing", "reachable", HEAD + b"X-More: a\0b\r\nContent-Length: 2\r\n\r\n{}")
sends(
    "switches_protocols", "framing", "reachable", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
)
sends("has_no_such_status", "framing", "reachable", b"HTTP/1.1 9999 What\r\n\r\n")
sends("says_that_nothing_changed", "status", "status", b"HTTP/1.1 304 Not Modified\r\n\r\n")
sends("sends_a_part", "status", "status", reply(b"{}", status="206 Partial Content", Content_Range="bytes 0-1/9"))
sends("forbids", "status", "status", reply(b"{}", status="403 Forbidden"))
sends("breaks_down", "status", "reachable", reply(b"{}", status="500 Oops"), "500")
sends("asks_for_a_year", "status", "reachable", reply(b"{}", status="503 Busy", Retry_After="31536000"), "503")
sends("asks_for_patience", "status", "reachable", reply(b"{}", status="429 Slow", Retry_After="soon"), "429")
sends("is_not_there", "status", "reachable", reply(b"{}", status="404 Not Found"), "404")
sends("is_gone", "status", "reachable", reply(b"{}", status="410 Gone"), "410")
sends("is_a_login_page", "types", "content-type", reply(b"<html>Sign in</html>", kind="text/html; charset=utf-8"))
sends("is_plain_text", "types", "content-type", reply(b"{}", kind="text/plain"))
sends("has_no_type", "types", "content-type", reply(b"{}", kind=None))
sends("has_two_types", "types", "content-type", reply(b"{}", kind="text/html", content_type="application/json"))
sends("is_like_json", "types", "content-type", reply(b"{}", kind="application/json-seq"))
sends("is_of_another_charset", "types", "content-type", reply(b"{}", kind="application/json; charset=utf-16"))
sends("forbids_robots", "robots", "robots", reply(b"User-agent: *\nDisallow: /", kind="text/plain"), to="robots")
sends("forbids_us", "robots", "robots", reply(b"User-agent: Folkmoot\nDisallow: /v1/*?"), "/v1/changes", to="robots")
