"""Pairs of runs, one after the other, and what their ratios say. No absolute time leaves here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

__all__ = ["Command", "Ratios", "busy_seconds", "timed"]

_SAMPLE_S = 0.03


@dataclass
class Ratios:
    """Ours over theirs, a pair a run."""

    values: list[float] = field(default_factory=list)

    def add(self, ours: float, theirs: float) -> None:
        """Take in one pair."""
        self.values.append(ours / theirs)

    @property
    def median(self) -> float:
        """The median."""
        return median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"**{self.median:.2f}** ({low:.2f} to {high:.2f}, {len(self.values)} pairs)"


@dataclass(frozen=True, slots=True)
class Command:
    """What a command took. peak_mib: of each of its processes that held at least 20 MiB."""

    seconds: float
    cpu_seconds: float
    peaks_mib: tuple[int, ...]
    output: str

    @property
    def peak_mib(self) -> int:
        """Of the largest process."""
        return max(self.peaks_mib, default=0)


def timed(
    command: Sequence[str | Path], environ: dict[str, str], *, memory: bool = False
) -> Command:
    """Run a command to its end and raise `RuntimeError` where it fails. With ``memory`` its
    processes' high-water marks are read as it runs (this costs some time)."""
    before = os.times()
    begun = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        peaks = _watch(process) if memory else {}
        output, _ = process.communicate()
    seconds = time.perf_counter() - begun
    after = os.times()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {process.returncode}\n{output[-3000:]}")
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Command(seconds, cpu, tuple(sorted(peaks.values(), reverse=True)), output)


def busy_seconds() -> float:
    """Processor time that the whole machine has spent."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = [int(word) for word in words]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _watch(process: subprocess.Popen[str]) -> dict[int, int]:
    """High-water marks in MiB by process, until the first one ends."""
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in family(process.pid):
            if (mib := peak_mib(pid)) >= 20:
                peaks[pid] = max(mib, peaks.get(pid, 0))
        time.sleep(_SAMPLE_S)
    return peaks


def family(pid: int) -> list[int]:
    """A process with everything that came of it and still lives."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            found += family(int(child))
    return found


def peak_mib(pid: int) -> int:
    """The most memory that a process ever held; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0")
    return int(line.split()[1]) // 1024
