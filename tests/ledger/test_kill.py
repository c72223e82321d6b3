"""kill -9 in the middle of appending: what was acknowledged is there, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from domicile.ledger import decode
from tests.ledger.world import Noted, check, open_ledger

WRITER = """
import random, sys
from pathlib import Path
from tests.ledger.world import open_ledger, texts
directory, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
with open_ledger(directory) as ledger:
    for number in range(100_000):
        batch = texts(f"{seed}-{number}-", chance.choice([1, 1, 2, 40, 300]))
        ledger.append(batch)
        print(*(entry.body.text for entry in batch), flush=True)
"""


def acknowledged_until_killed(directory: Path, seed: int, seconds: float) -> list[str]:
    command = [sys.executable, "-c", WRITER, str(directory), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        lines = [first, *process.stdout]
    assert process.returncode == -signal.SIGKILL
    # A line that the kill cut off was printed after its acknowledgement, but not wholly.
    return [text for line in lines if line.endswith("\n") for text in line.split()]


def test_fifteen_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    directory, chance = tmp_path / "ledger", random.Random(7)  # noqa: S311 - seeded
    acknowledged: list[str] = []
    seen: list[bytes] = []
    for seed in range(15):
        acknowledged += acknowledged_until_killed(directory, seed, chance.uniform(0, 0.06))
        seen.append((directory / "checkpoint").read_bytes())
        seen.append((directory / ".log" / "signed").read_bytes())
    with open_ledger(directory) as ledger:
        bodies = [decode(data).body for _, data in ledger.entries()]
    found = [body.text for body in bodies if isinstance(body, Noted)]
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert [text for text in found if text in set(acknowledged)] == acknowledged
    verification = check(directory, seen=seen)
    assert verification.problems == ()
