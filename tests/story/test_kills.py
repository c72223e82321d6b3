"""Killed at any instant: the whole process group of a command gets SIGKILL, again and again.

A kill comes when the command's progress (result files and ledger entries) has reached a seeded
value, and a seeded moment later. Then the same command runs again, until it ends by itself.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.story.stage import SITES, Stage, confirmed, group_ended

pytestmark = pytest.mark.xdist_group("story-kills")

LONG = os.environ.get("DOMICILE_LONG_TESTS") == "1"
"""The long form of the tests kills at some hundreds of points."""

_SEEDS = range(40) if LONG else range(2)
_KILLS = 6
_STEPS = ("copied", "verified", "erased", "absent", "certificates")
_WORDS = {
    "move": ("move", "--workers", "2"),
    "verify": ("verify", "--workers", "2"),
    "erase": ("erase", "--workers", "2", *confirmed(*SITES)),
}


@dataclass
class Killer:
    """Kills one command at seeded points of its progress. hits counts the kills that struck."""

    stage: Stage
    words: tuple[str, ...]
    rng: random.Random
    hits: int = 0

    def run_until_killed(self, most: int) -> bool:
        """Run the command; kill it at a point up to ``most`` further (the first kills nearer, so
        that a quick machine is not done before). False where it ended before."""
        early = self.hits < 3
        goal = _progress(self.stage) + self.rng.randint(0, most // 3 if early else most)
        delay_s = self.rng.choice((0.0, 0.0, 0.005, 0.03, 0.03 if early else 0.15))
        process = self.stage.start(*self.words)
        while process.poll() is None and _progress(self.stage) < goal:
            time.sleep(0.001)
        if process.poll() is None and goal == _progress(self.stage):
            delay_s += self.rng.random() * 0.2
        time.sleep(delay_s)
        was_running = process.poll() is None
        if was_running:
            os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        assert group_ended(process.pid)
        if was_running:
            self.hits += 1
        else:
            assert process.returncode == 0, f"{out}\n{err}"
        return was_running


def _progress(stage: Stage) -> int:
    """How far a run is, in result files and ledger entries."""
    files = 0
    for run in _directories(stage.records / "runs"):
        files += sum(len(_names(run / step)) for step in _STEPS)
    try:
        lines = (stage.records / "ledger" / "checkpoint").read_text().split("\n")
        return files + int(lines[1])
    except (OSError, ValueError, IndexError):
        return files


def _directories(path: Path) -> list[Path]:
    return [path / name for name in _names(path)]


def _names(path: Path) -> list[str]:
    try:
        return [name for name in os.listdir(path) if not name.startswith(".")]  # noqa: PTH208
    except FileNotFoundError:
        return []


def _kill_and_resume(
    stage: Stage, command: str, seed: int, check: Callable[[], list[str]], span: int
) -> None:
    killer = Killer(stage, _WORDS[command], random.Random(f"{command}/{seed}"))  # noqa: S311
    for _ in range(_KILLS):
        if not killer.run_until_killed(span):
            break
        assert check() == []
    assert killer.hits >= 2, "the kills came too late to prove anything"
    stage.run(*_WORDS[command]).expect(0)
    assert check() == []
    stage.run("ledger", "verify").expect(0)


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_move_that_is_killed_anywhere_goes_on_and_brings_everything_home(
    planned: Stage, seed: int
) -> None:
    _kill_and_resume(planned, "move", seed, planned.source_changes, 12)
    planned.run("verify", "--workers", "1").expect(0)
    assert planned.home_problems() == []


@pytest.mark.parametrize("seed", _SEEDS[:1] if not LONG else _SEEDS)
def test_a_verification_that_is_killed_anywhere_goes_on(moved: Stage, seed: int) -> None:
    _kill_and_resume(moved, "verify", seed, moved.source_changes, 12)
    assert moved.home_problems() == []


@pytest.mark.parametrize("seed", _SEEDS)
def test_an_erasure_that_is_killed_anywhere_goes_on_and_never_erases_what_is_not_home(
    verified: Stage, seed: int
) -> None:
    _kill_and_resume(verified, "erase", seed, verified.lost, 30)
    assert verified.problems() == []
    verified.run("scan", "--workers", "1").expect(0)


def test_after_a_killed_erasure_the_certificates_count_everything_that_was_erased(
    verified: Stage,
) -> None:
    shown = verified.run("erase", "--dry-run", "--json", *confirmed(*SITES)).expect(0).json
    planned = {site["site"]: site["items"] for site in shown["sites"]}
    killer = Killer(verified, _WORDS["erase"], random.Random(3))  # noqa: S311
    for _ in range(4):
        killer.run_until_killed(30)
    assert killer.hits
    ended = verified.run("erase", "--workers", "1", "--json", *confirmed(*SITES)).expect(0).json
    counted = {site["site"]: site["erased"] + site["reduced"] for site in ended["sites"]}
    assert counted == planned


def test_workers_do_not_outlive_a_command_that_is_killed_alone(planned: Stage) -> None:
    process = planned.start("move", "--workers", "2")
    before = _progress(planned)
    while process.poll() is None and _progress(planned) == before:
        time.sleep(0.001)
    assert len(_group(process.pid)) > 1
    process.kill()
    process.communicate()
    assert group_ended(process.pid, within_s=10), _group(process.pid)
    planned.run("move", "--workers", "2").expect(0)
    planned.run("ledger", "verify").expect(0)
    planned.run("verify", "--workers", "1").expect(0)
    assert planned.home_problems() == []


def _group(group: int) -> list[str]:
    """The command lines of a process group, as /proc tells."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        try:
            if name.isdigit() and os.getpgid(int(name)) == group:
                found.append(Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
