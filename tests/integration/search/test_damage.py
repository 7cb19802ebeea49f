"""An index whose files are torn or gone: told in one line, 503 meanwhile, and made anew from the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from api.app import create_app
from federation import follow
from federation.follow import Follower, rebuild
from federation.index import Query
from federation.search import fields, folder
from federation.search.store import Damaged
from federation.tantivy_index import TantivyIndex
from federation.verify import verify
from folkmoot import failures
from folkmoot.commands.index import app as commands
from schema.errors import Busy
from tests.integration.search.conftest import World
from tests.services import client, make_services

Damage = Callable[[Path], None]


def _torn(path: Path) -> None:
    whole = (path / "meta.json").read_bytes()
    (path / "meta.json").write_bytes(whole[: len(whole) // 2])


def _empty(path: Path) -> None:
    (path / "meta.json").write_bytes(b"")


def _segment_gone(path: Path) -> None:
    next(path.glob("*.idx")).unlink()


def _segment_empty(path: Path) -> None:
    next(path.glob("*.term")).write_bytes(b"")


EACH = pytest.mark.parametrize("damage", [_torn, _empty, _segment_gone, _segment_empty])


def _serving(index: TantivyIndex) -> Path:
    path = folder.current(index.root)
    assert path is not None
    return path


@EACH
def test_an_index_found_damaged_at_the_start_is_made_anew(world: World, damage: Damage) -> None:
    """Until the follower has turned to it all is `Busy`; then one line says so, and the index is the database."""
    world.index.close()
    damaged = _serving(world.index)
    damage(damaged)
    with pytest.raises(Busy):
        world.index.search(Query())
    assert world.index.reached() is None
    with capture_logs() as told:
        world.follower.catch_up()
    (line,) = [one for one in told if one["event"] == "the search index is made anew from the log"]
    assert "`folkmoot index rebuild`" in line["error"]
    assert str(damaged) in line["error"]
    assert _serving(world.index) != damaged
    assert world.index.search(Query()).count == len(world.made)
    assert verify(world.database, world.index).differences == 0


@pytest.mark.parametrize("damage", [_torn, _empty])
def test_an_index_damaged_while_it_serves_is_made_anew(world: World, damage: Damage) -> None:
    """Who reads beside the writer goes on with what it has open, and then with the new index."""
    second = TantivyIndex(world.index.root)
    reader = Follower(world.database, second)
    reader.catch_up()
    damage(_serving(world.index))
    with pytest.raises(Damaged):
        reader.catch_up()
    assert second.search(Query()).count == world.index.search(Query()).count == len(world.made)
    world.follower.catch_up()
    reader.catch_up()
    assert second.search(Query()).count == world.index.search(Query()).count == len(world.made)
    assert verify(world.database, world.index).differences == 0
    second.close()


def test_a_damaged_index_that_another_process_writes_is_left_to_it(world: World) -> None:
    """The writer has open what is gone and serves on; who starts beside it is `Busy`, and is served after a rebuild."""
    damaged = _serving(world.index)
    _segment_gone(damaged)
    second = TantivyIndex(world.index.root)
    reader = Follower(world.database, second)
    with pytest.raises(Damaged, match="`folkmoot index rebuild` makes it anew"):
        reader.catch_up()
    with pytest.raises(Busy):
        second.search(Query())
    assert _serving(world.index) == damaged
    world.follower.catch_up()
    assert world.index.search(Query()).count == len(world.made)
    operator = TantivyIndex(world.index.root)
    rebuild(world.database, operator)
    operator.close()
    reader.catch_up()
    assert second.search(Query()).count == len(world.made)
    second.close()


def test_the_follower_names_the_command_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread tells of an index that it may not make anew in one line, however often it looks."""
    _segment_gone(_serving(world.index))
    monkeypatch.setattr(follow, "POLL", 0.01)
    reader = Follower(world.database, TantivyIndex(world.index.root))
    with capture_logs() as told:
        reader.start()
        time.sleep(0.3)
        reader.stop()
    (line,) = told
    assert line["event"] == "the index cannot follow the log"
    assert "`folkmoot index rebuild`" in line["error"]


def test_searches_are_503_while_the_index_is_damaged(world: World, tmp_path: Path) -> None:
    """The answer is a problem that says when to ask again and names no folder; readiness says no."""
    world.index.close()
    _torn(_serving(world.index))
    http = client(create_app(make_services(world.database, tmp_path, organisation=None)))
    for path in ("/v1/search?q=parking", "/v1/contracts", "/v1/contracts?format=csv"):
        answer = http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
        assert answer.json()["detail"] == "The search index is damaged and has to be made anew. Try again in a moment."
        assert answer.headers["retry-after"] == "5"
    assert http.get("/health/ready").json()["checks"]["index"]["status"] == "failing"


def test_verify_of_a_damaged_index(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a server that holds it the command ends with one sentence; alone it makes the index anew and compares."""
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(world.index.root.parent))
    _segment_gone(_serving(world.index))
    beside = CliRunner().invoke(commands, ["verify"])
    assert isinstance(beside.exception, Damaged)
    assert "`folkmoot index rebuild`" in (failures.sentence(beside.exception) or "")
    world.index.close()
    alone = CliRunner().invoke(commands, ["verify"])
    assert alone.exit_code == 0, alone.output
    assert "0 differences" in alone.stdout


@pytest.mark.parametrize("said", ["TooManyOpenFiles", "PermissionDenied"])
def test_what_is_no_damage_throws_nothing_away(world: World, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine cannot open a file that is there, the index stays as it is, and serves when it can again."""
    world.index.close()
    before = _serving(world.index)
    message = f"Failed to open file for read: 'IoError {{ io_error: Os {{ kind: {said} }}, filepath: \"meta.json\" }}'"

    def refuses(*_: object) -> None:
        raise ValueError(message)

    with monkeypatch.context() as patch:
        patch.setattr(fields, "open_index", refuses)
        with pytest.raises(ValueError, match=said):
            world.follower.catch_up()
    world.follower.catch_up()
    assert _serving(world.index) == before
    assert world.index.count() == len(world.made)
