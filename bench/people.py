"""What a person costs as there are more of them: the demo's story at several sizes."""

from __future__ import annotations

import math
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Command, timed
from domicile.demo.servers import stop_all
from domicile.demo.workspace import give_keys, remove_workspace, write_workspace
from domicile.demo.world import build

__all__ = ["PEOPLE", "STEPS", "Story", "exponent", "measure"]

PEOPLE = (10_000, 30_000, 100_000)
"""How many live in each world; with ``--people`` a larger one."""
STEPS = ("scan", "plan", "move", "verify", "erase")
_SITES = ("virginia-media", "singapore-media", "virginia-db", "singapore-db")
_SEED = 7


@dataclass
class Story:
    """One world: its people, the seconds of each step, and the largest process."""

    people: int
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: int = 0

    @property
    def whole(self) -> float:
        """Seconds of all steps."""
        return sum(self.seconds.values())


def measure(directory: Path, sizes: tuple[int, ...] = PEOPLE) -> list[Story]:
    """Tell the story once at each size, with two workers."""
    return [_tell(directory / str(people), people) for people in sizes]


def exponent(stories: list[Story], step: str | None = None) -> float:
    """The k of ``seconds = c * people ** k`` that fits best (least squares of the logarithms), of
    one step or of all: 1 where a person costs the same however many there are."""
    points = [
        (math.log(each.people), math.log(each.seconds[step] if step else each.whole))
        for each in stories
    ]
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread: float = sum((a - x) ** 2 for a, _ in points)
    shared: float = sum((a - x) * (b - y) for a, b in points)
    return shared / spread


def _tell(workspace: Path, people: int) -> Story:
    made = write_workspace(workspace, build(people, _SEED, objects=people // 4))
    rows = sum(made.rows.values())
    give_keys(workspace)
    story = Story(people)
    try:
        _run(workspace, "custody", "create")
        for step in STEPS:
            _step(workspace, story, step, rows)
    finally:
        stop_all(workspace)
        remove_workspace(workspace)
        shutil.rmtree(workspace, ignore_errors=True)
    print(f"  people, {people:,}: {story.whole / people * 1000:.2f} s a thousand", flush=True)
    return story


def _step(workspace: Path, story: Story, step: str, rows: int) -> None:
    words = [step, *([] if step == "plan" else ["--workers", "2"])]
    if step == "erase":
        words += [word for site in _SITES for word in ("--site", site, "--confirm", site)]
        words += ["--max-items", str(10 * rows)]
    ran = _run(workspace, *words)
    story.seconds[step] = ran.seconds
    story.peak_mib = max(story.peak_mib, ran.peak_mib)


def _run(workspace: Path, *words: str) -> Command:
    command = [sys.executable, "-m", "domicile", *words]
    command += ["--charter", str(workspace / "domicile.toml")]
    if words[0] == "scan":  # one that found something ends with 1
        command = ["bash", "-c", '"$@" || [ $? = 1 ]', "bash", *command]
    return timed(command, {}, memory=True)
