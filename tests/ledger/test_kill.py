"""kill -9 among processes that share a log: what was acknowledged is there, once."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from domicile.ledger import Ledger, decode
from domicile.ledger.lock import Taken
from tests.ledger.world import ORIGIN, SIGNER, Noted, check, texts

ROUNDS = 340 if os.environ.get("DOMICILE_LONG_TESTS") else 20
"""Of three kills each."""
APART = 0.3
"""So many of them have the tree grow in a process of its own, which outlives its sequencer."""
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["domicile.ledger", "tests.ledger.world"])


def write_until_killed(directory: Path, name: str, said: Path) -> None:
    """Append, and write down what was acknowledged, a line a request. Whoever finds the log taken
    for too long repeats, as the error says."""
    chance = random.Random(name)  # noqa: S311 - seeded
    line = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    apart, numbers = chance.random() < APART, itertools.count()
    while True:
        with suppress(Taken), Ledger.open(directory, [SIGNER], ORIGIN, apart=apart) as ledger:
            for number in numbers:
                batch = texts(f"{name}-{number}-", chance.choice([1, 1, 1, 2, 30]))
                ledger.append(batch, integrated=chance.random() < 0.3)
                words = " ".join(e.body.text for e in batch if isinstance(e.body, Noted))
                os.write(line, f"{words}\n".encode())


def acknowledged(said: Path) -> list[str]:
    """A line that the kill cut off was written after its acknowledgement, but not wholly."""
    lines = said.read_text().splitlines(keepends=True) if said.exists() else []
    return [text for line in lines if line.endswith("\n") for text in line.split()]


def wait_until_said(paths: Sequence[Path]) -> None:
    """Wait until something was acknowledged to one of them."""
    deadline = time.monotonic() + 120
    while not any(path.exists() and path.stat().st_size for path in paths):
        assert time.monotonic() < deadline, "nothing was acknowledged"
        time.sleep(0.005)


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join(30)
    assert process.exitcode == -9, "it ended before it was killed"


def test_kills_of_the_sequencer_and_its_clients_lose_and_double_nothing(tmp_path: Path) -> None:
    """In each round the first one to open is killed under the hands of the other two: one of them
    takes its place and both repeat what they had no answer to. Then they are killed too. In every
    fourth round each has been heard of before: it takes over on a slow machine as well."""
    directory, chance = tmp_path / "ledger", random.Random(7)  # noqa: S311 - seeded
    batches: list[list[list[str]]] = []
    seen: list[bytes] = []
    for number in range(ROUNDS):
        said = [tmp_path / f"{number}-{which}" for which in range(3)]
        writers = [
            SERVER.Process(target=write_until_killed, args=(directory, path.name, path))
            for path in said
        ]
        for process in writers:
            process.start()
        wait_until_said(said)
        for process, path in zip(writers, said, strict=True):
            if number % 4 == 0:
                wait_until_said([path])
            time.sleep(chance.uniform(0, 0.25))
            kill(process)
            if (directory / "checkpoint").exists():
                seen.append((directory / "checkpoint").read_bytes())
        batches.append([acknowledged(path) for path in said])
    with Ledger.open(directory, [SIGNER], ORIGIN) as ledger:
        ledger.append(texts("last", 1))
        bodies = [decode(data).body for _, data in ledger.entries()]
    place = {body.text: at for at, body in enumerate(bodies) if isinstance(body, Noted)}
    assert len(place) == len(bodies)
    assert sum(all(batch for batch in round_) for round_ in batches) >= ROUNDS // 10  # took over
    for batch in (batch for round_ in batches for batch in round_):
        assert set(batch) <= set(place)
        assert sorted(batch, key=place.__getitem__) == batch  # in its order
    assert check(directory, seen=seen).problems == ()
