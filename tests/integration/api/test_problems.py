"""Errors as RFC 9457 problems, and what every answer carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse

from api import problems
from api.app import ORDINARY_BODY, create_app
from api.deps import Read
from federation.database import Database
from schema import errors
from tests.integration.api.conftest import Site
from tests.services import NODE, client, make_services


def _tree(root: type[errors.FolkmootError]) -> list[type[errors.FolkmootError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


def test_every_error_has_a_status_of_its_own_choice() -> None:
    """No error of ours falls through the table, but the abstract ones that nobody raises."""
    abstract = {errors.FolkmootError, errors.Bad, errors.Absent, errors.Barred, errors.Clash}
    covered = tuple(problems.TABLE)
    for error in _tree(errors.FolkmootError):
        if error.__module__.startswith("folkmoot"):
            continue  # the roof's own never reach a request
        assert error in abstract or issubclass(error, covered), error


def test_an_error_of_no_kind_is_a_fault_of_ours() -> None:
    """What stands nowhere in the table, nor any ancestor of it, is answered as a fault of this server."""
    kind = problems.kind_of(errors.Clash("nobody said what to do"))
    assert (kind.status, kind.slug) == (500, "internal")
    assert problems.kind_of(_Away("an heir of its parent's kind")).status == 503


def test_every_type_is_a_page_that_says_what_to_do(site: Site) -> None:
    """The type of each problem resolves, as JSON and as a page."""
    listed = site.client.get("/problems").json()["items"]
    assert {one["type"] for one in listed} == {f"{NODE}/problems/{slug}" for slug in problems.KINDS}
    for one in listed:
        told = site.client.get(one["type"])
        assert told.json()["detail"]
        page = site.client.get(one["type"], headers={"Accept": "text/html"})
        assert told.json()["title"] in page.text
    assert site.client.get("/problems/none").status_code == 404


@pytest.mark.parametrize(
    ("query", "name", "suggestion"),
    [("afterchangenumber=1", "afterchangenumber", "afterChangeNumber"), ("after=1", "after", "afterChangeNumber"),
     ("kinds=tool", "kinds", "kind"), ("limit=5", "limit", None), ("=1", "", None)],
)  # fmt: skip
def test_an_unknown_parameter_is_refused_and_the_near_one_named(
    site: Site, query: str, name: str, suggestion: str | None
) -> None:
    """No parameter is ignored: a slip is told, with the name that it resembles."""
    answer = site.client.get(f"/v1/changes?{query}")
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["parameter"], fault.get("suggestion")) == (name, suggestion)
    assert fault["known"] == ["afterChangeNumber", "kind"]


def test_another_way_of_paging_is_told_ours(site: Site) -> None:
    """`page` is no slip for `stage`: the answer says how pages are followed here."""
    for name in ("page", "offset", "per_page"):
        (fault,) = site.client.get(f"/v1/search?{name}=2").json()["errors"]
        assert "suggestion" not in fault
        assert "follow 'next'" in fault["detail"]


def test_a_missing_parameter_is_told_in_plain_words(site: Site) -> None:
    """The sentence names the parameter and what is wrong with it; no library's own words reach a client."""
    assert site.client.get("/v1/records").json()["detail"] == "Parameter 'id' is missing; it is needed."
    short = site.client.get("/v1/records?id=").json()
    assert short["detail"] == "Parameter 'id' is ''; expected 1 or more characters."
    assert short["errors"][0]["expected"] == "1 or more characters"


@pytest.mark.parametrize("path", ["/v1/contracts?limit=1&limit=2", "/v1/changes?kind=tool&kind=asset&kind=skill"])
def test_a_parameter_given_too_often_is_told_as_that(site: Site, path: str) -> None:
    """The sentence says how often it was given; it is no value that somebody wrote."""
    name, times = ("limit", 2) if "limit" in path else ("kind", 3)
    answer = site.client.get(path)
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"Parameter '{name}' is given {times} times; expected it once."


@pytest.mark.parametrize(("path", "name"), [("/v1/contracts?stage=active", "stage"), ("/v1/search?kind=tool", "kind")])
def test_a_filter_given_far_too_often_is_told_by_its_name(site: Site, path: str, name: str) -> None:
    """A filter may be repeated a hundred times; once more, and the problem names it and what was expected."""
    site.services.follower.catch_up()
    more = f"&{path.partition('?')[2]}"
    assert site.client.get(path + more * 99).status_code == 200
    answer = site.client.get(path + more * 100)
    assert (answer.status_code, answer.headers["content-type"]) == (422, problems.MEDIA_TYPE)
    told = f"Parameter '{name}' is given 101 times; expected it at most 100 times."
    assert answer.json()["detail"] == told
    assert answer.json()["errors"] == [{"detail": told, "parameter": name, "expected": "it at most 100 times"}]


def test_every_get_under_v1_refuses_what_it_does_not_read(site: Site) -> None:
    """The rule holds for all routes, those without parameters too."""
    app: FastAPI = site.client.app  # type: ignore[assignment]
    for path, methods in app.openapi()["paths"].items():
        if "get" in methods and path.startswith("/v1/"):
            answer = site.client.get(path.replace("{", "").replace("}", "") + "?zzqx=1")
            assert answer.status_code in (401, 422), path
            assert answer.status_code == 401 or answer.json()["errors"][0]["parameter"] == "zzqx", path


def test_a_page_and_an_id_may_carry_what_a_link_shortener_adds(site: Site) -> None:
    """Outside /v1/ an unknown parameter does no harm."""
    assert site.client.get("/id/GB-LAE-EXA/organisation/GB-LAE-EXA?utm_source=x").status_code == 200


def test_a_problem_has_all_its_members(site: Site) -> None:
    """type, title, status, detail, instance and the request's name; never cached; readable from any page."""
    answer = site.client.get("/v1/records?id=x", headers={"X-Request-ID": "asked-by-me-1"})
    body = answer.json()
    assert body == {
        "type": f"{NODE}/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "No record is held here by the id x",
        "instance": "/v1/records",
        "requestId": "asked-by-me-1",
    }
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"] == "asked-by-me-1"


@pytest.mark.parametrize("given", ["short", "a" * 65, "with blanks in it", "line\tbreak"])
def test_a_name_that_is_no_plain_word_is_not_taken_over(site: Site, given: str) -> None:
    """What goes into the log and the headers is of our making, or harmless."""
    named = site.client.get("/health/live", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert named != given
    assert len(named) == 32


def test_405_names_all_methods_of_the_path(site: Site) -> None:
    """Allow lists what every route of the path serves, and HEAD wherever GET is."""
    answer = site.client.post("/id/GB-LAE-EXA/organisation/GB-LAE-EXA")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert site.client.put("/v1/changes").headers["allow"] == "GET, HEAD"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/nope", "/v1/", "/v1/changes/", "/%00", "/%FF%FE", "//evil.example/"])
def test_an_address_that_is_none_is_a_problem_and_no_redirect(site: Site, path: str) -> None:
    """Nothing answers by redirecting to where a Host header points."""
    answer = site.client.get(NODE + path)
    assert answer.status_code == 404
    assert answer.json()["status"] == 404


def test_a_browser_gets_a_problem_as_a_page_but_the_api_never_does(site: Site) -> None:
    """HTML where a person asked for a page; under /v1/ always the same JSON."""
    accept = {"Accept": "text/html"}
    assert site.client.get("/nope", headers=accept).headers["content-type"].startswith("text/html")
    assert site.client.get("/v1/nope", headers=accept).headers["content-type"] == "application/problem+json"


class _Away(errors.Busy):
    """Away, and where."""

    @property
    def public(self) -> str:
        """Not where."""
        return "Not now."


def _broken(database: Database, folder: Path) -> FastAPI:
    app = create_app(make_services(database, folder))
    router = APIRouter()

    @router.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError("the secret of the cellar")

    @router.get("/v1/half")
    def half() -> StreamingResponse:
        def parts() -> Any:
            yield b"first half"
            raise RuntimeError("the secret of the cellar")

        return StreamingResponse(parts())

    @router.get("/v1/busy")
    def busy() -> None:
        raise errors.Busy("The index is being built.")

    @router.get("/v1/away")
    def away() -> None:
        raise _Away("The engine at 10.0.0.7 is away.")

    @router.post("/v1/echo")
    def echo(session: Read, body: dict[str, int]) -> dict[str, int]:
        return body

    app.include_router(router)
    return app


def test_a_fault_of_ours_tells_nothing_but_its_name(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """500 carries the request's name and no traceback; the log, wherever it goes, has both."""
    answer = client(_broken(database, tmp_path)).get("/v1/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    logged = capsys.readouterr().out + caplog.text
    assert answer.json()["requestId"] in logged
    assert "the secret of the cellar" in logged


def test_half_an_answer_is_cut_off(database: Database, tmp_path: Path) -> None:
    """What breaks off after its first bytes is never ended as if it were whole."""
    with pytest.raises(RuntimeError, match="cellar"):
        client(_broken(database, tmp_path)).get("/v1/half")


def test_busy_says_when_to_come_back(database: Database, tmp_path: Path) -> None:
    """503 carries Retry-After."""
    answer = client(_broken(database, tmp_path)).get("/v1/busy")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_what_is_for_the_operator_alone_is_told_to_nobody_else(database: Database, tmp_path: Path) -> None:
    """An error with a sentence of its own for the public shows that one, and nothing of the other."""
    answer = client(_broken(database, tmp_path)).get("/v1/away")
    assert answer.json()["detail"] == "Not now."
    assert "10.0.0.7" not in answer.text


def test_a_body_that_is_no_json_is_400_and_one_of_the_wrong_shape_422(database: Database, tmp_path: Path) -> None:
    """Malformed bodies are 400; what breaks the schema is 422 with a pointer to each place."""
    asking = client(_broken(database, tmp_path))
    json = {"Content-Type": "application/json"}
    for body in (b"{", b"\xff\xfe", b""):
        assert asking.post("/v1/echo", content=body, headers=json).status_code in (400, 422)
    assert asking.post("/v1/echo", content=b"{", headers=json).status_code == 400
    assert asking.post("/v1/echo", content=b'"\xff"', headers=json).status_code == 400
    wrong = asking.post("/v1/echo", json={"a/b~c": "x"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/a~1b~0c"


def test_a_body_over_the_cap_is_413_whether_its_length_is_told_or_not(database: Database, tmp_path: Path) -> None:
    """Neither a large Content-Length nor an endless stream is read to its end."""
    asking = client(_broken(database, tmp_path))
    json = {"Content-Type": "application/json"}
    read = []

    def endless() -> Any:
        for number in range(1_000):
            read.append(number)
            yield b" " * 100_000

    for body in (b" " * (ORDINARY_BODY + 1), endless()):
        answer = asking.post("/v1/echo", content=body, headers=json)
        assert answer.status_code == 413
        assert answer.json()["type"].endswith("/problems/too-large")
    assert asking.post("/v1/echo", content=b'{"a": 1}' + b" " * 900_000, headers=json).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1/changes", "/id/GB-LAE-EXA/organisation/GB-LAE-EXA", "/docs", "/nope", "/metrics"]
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_every_answer_carries_the_headers_of_safety(site: Site, path: str, accept: str) -> None:
    """Policy, nosniff, referrer policy and CORS stand on every GET, and no policy allows scripts or unsafe-*."""
    headers = site.client.get(path, headers={"Accept": accept}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"]
    assert headers["access-control-allow-origin"] == "*"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "script" not in policy
    assert "frame-ancestors 'none'" in policy


def test_any_page_may_read_and_none_may_write(site: Site) -> None:
    """A preflight is granted for reading alone."""
    asked = {"Origin": "https://dash.example", "Access-Control-Request-Method": "GET"}
    granted = site.client.options("/v1/changes", headers=asked)
    assert granted.status_code == 204
    assert granted.headers["access-control-allow-methods"] == "GET, HEAD"
    assert site.client.options("/v1/changes").status_code == 405
