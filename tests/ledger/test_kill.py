"""kill -9 among processes that share a log: what was acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from domicile.ledger import Ledger, decode
from tests.ledger.world import ORIGIN, SIGNER, Noted, check, texts

ROUNDS = 100 if os.environ.get("DOMICILE_LONG_TESTS") else 10
WRITER = """
import random, sys
from pathlib import Path
from domicile.ledger import Ledger
from tests.ledger.world import ORIGIN, SIGNER, texts
directory, name = Path(sys.argv[1]), sys.argv[2]
chance = random.Random(name)
print("ready", flush=True)
sys.stdin.readline()
with Ledger.open(directory, [SIGNER], ORIGIN) as ledger:
    for number in range(100_000):
        batch = texts(f"{name}-{number}-", chance.choice([1, 1, 2, 40, 300]))
        ledger.append(batch, integrated=chance.random() < 0.3)
        print(*(entry.body.text for entry in batch), flush=True)
"""


def writer(directory: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> list[str]:
    """What it printed as acknowledged until it was killed."""
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    # A line that the kill cut off was printed after its acknowledgement, but not wholly.
    return [
        text for line in out.splitlines(keepends=True) if line[-1] == "\n" for text in line.split()
    ]


def test_kills_of_the_sequencer_and_its_clients_lose_and_double_nothing(tmp_path: Path) -> None:
    """In each round the first one to open is killed under the hands of the other two: one of them
    takes its place and both repeat what they had no answer to. Then they are killed too."""
    directory, chance = tmp_path / "ledger", random.Random(7)  # noqa: S311 - seeded
    rounds: list[list[list[str]]] = []
    seen: list[bytes] = []
    for number in range(ROUNDS):
        writers = [writer(directory, f"{number}-{which}") for which in range(3)]
        for process in writers:
            begin(process)
        rounds.append([])
        for process in writers:
            time.sleep(chance.uniform(0, 0.4))
            rounds[-1].append(kill(process))
            if (directory / "checkpoint").exists():
                seen.append((directory / "checkpoint").read_bytes())
    with Ledger.open(directory, [SIGNER], ORIGIN) as ledger:
        ledger.append(texts("last", 1))
        bodies = [decode(data).body for _, data in ledger.entries()]
    found = [body.text for body in bodies if isinstance(body, Noted)]
    assert len(found) == len(set(found))
    assert any(all(batches) for batches in rounds)  # somebody did take over
    for batch in (batch for batches in rounds for batch in batches):
        assert set(batch) <= set(found)
        assert [text for text in found if text in set(batch)] == batch  # in its order
    verification = check(directory, seen=seen)
    assert verification.problems == ()
