"""Killed at any instant: the whole process group of a command gets SIGKILL, again and again.

A kill comes at a seeded one of the changes that the command and its workers make to files (see
`tests.story.struck.sitecustomize`), just before it or a moment later: the work is as far on a
quick machine as on a slow one. Then the same command runs again, until it ends by itself.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.story.stage import SITES, Stage, confirmed, group_ended, wait_until_stopped

LONG = os.environ.get("DOMICILE_LONG_TESTS") == "1"
"""The long form of the tests kills the stories some four hundred times."""

_SEEDS = range(12) if LONG else range(1)
_KILLS = 6 if LONG else 4
_CHANGES = {"move": 300, "verify": 230, "erase": 640}
"""How many changes to files the whole of a command makes here."""


def _words(command: str, workers: int) -> tuple[str, ...]:
    sites = confirmed(*SITES) if command == "erase" else ()
    return (command, "--workers", str(workers), *sites)


@dataclass
class Killer:
    """Kills a command at seeded points. hits counts the kills that struck."""

    stage: Stage
    command: str
    workers: int
    rng: random.Random
    hits: int = 0

    def run_until_killed(self) -> bool:
        """Run the command; kill it in the next quarter of its work. False where it had less to do.

        A run that resumes makes at least the changes that are left: the first three kills strike.
        """
        nth = self.rng.randint(1, _CHANGES[self.command] // 4)
        delay_s = self.rng.choice((0.003, 0.01, 0.02)) if self.hits % 2 else 0.0
        words = _words(self.command, self.workers)
        process = self.stage.start_struck(signal.SIGKILL, nth, *words, delay_s=delay_s)
        out, err = process.communicate(timeout=120)
        assert group_ended(process.pid)
        assert process.returncode in (0, -signal.SIGKILL), f"{out}\n{err}"
        self.hits += process.returncode != 0
        return process.returncode != 0


def _kill_and_resume(stage: Stage, command: str, seed: int, check: Callable[[], list[str]]) -> None:
    rng = random.Random(f"{command}/{seed}")  # noqa: S311 - seeded
    killer = Killer(stage, command, 2 - seed % 2, rng)
    for _ in range(_KILLS):
        if not killer.run_until_killed():
            break
        assert check() == []
    assert killer.hits >= 3, "there were fewer changes to files than there should be"
    stage.run(*_words(command, killer.workers)).expect(0)
    assert check() == []
    stage.run("ledger", "verify").expect(0)


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_move_that_is_killed_anywhere_goes_on_and_brings_everything_home(
    planned: Stage, seed: int
) -> None:
    _kill_and_resume(planned, "move", seed, planned.source_changes_but_probes)
    assert planned.source_changes() == []
    planned.run("verify", "--workers", "1").expect(0)
    assert planned.home_problems() == []


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_verification_that_is_killed_anywhere_goes_on(moved: Stage, seed: int) -> None:
    _kill_and_resume(moved, "verify", seed, moved.source_changes_but_probes)
    assert moved.source_changes() == []
    assert moved.home_problems() == []


@pytest.mark.parametrize("seed", _SEEDS)
def test_an_erasure_that_is_killed_anywhere_goes_on_and_never_erases_what_is_not_home(
    verified: Stage, seed: int
) -> None:
    _kill_and_resume(verified, "erase", seed, verified.lost)
    assert verified.problems() == []
    verified.run("scan", "--workers", "1").expect(0)


def test_after_a_killed_erasure_the_certificates_count_everything_that_was_erased(
    verified: Stage,
) -> None:
    shown = verified.run("erase", "--dry-run", "--json", *confirmed(*SITES)).expect(0).json
    planned = {site["site"]: site["items"] for site in shown["sites"]}
    killer = Killer(verified, "erase", 2, random.Random(3))  # noqa: S311 - seeded
    for _ in range(4):
        killer.run_until_killed()
    assert killer.hits >= 3
    ended = verified.run("erase", "--workers", "1", "--json", *confirmed(*SITES)).expect(0).json
    counted = {site["site"]: site["erased"] + site["reduced"] for site in ended["sites"]}
    assert counted == planned


def test_workers_do_not_outlive_a_command_that_is_killed_alone(planned: Stage) -> None:
    process = planned.start_struck(signal.SIGSTOP, 100, *_words("move", 2))
    wait_until_stopped(process)
    assert any("spawn_main" in line for line in _group(process.pid))
    process.kill()
    os.killpg(process.pid, signal.SIGCONT)
    process.communicate()
    assert group_ended(process.pid, within_s=60), _group(process.pid)
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
