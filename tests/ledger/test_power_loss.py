"""The power fails after any call: what was acknowledged or signed is there, once."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest

from domicile.ledger import Ledger, decode, journal
from tests.ledger.power import RememberingDisk
from tests.ledger.world import ORIGIN, SIGNER, Noted, check, texts

POINTS = 2_000 if os.environ.get("DOMICILE_LONG_TESTS") else 80


@dataclass
class Run:
    """A run that was written down: texts acknowledged as durable, each with the number of calls
    by then; checkpoints likewise."""

    disk: RememberingDisk
    acknowledged: list[tuple[int, list[str]]] = field(default_factory=list)
    published: list[tuple[int, bytes]] = field(default_factory=list)

    def until(self, calls: int) -> set[str]:
        return {text for at, batch in self.acknowledged if at <= calls for text in batch}

    def seen(self, calls: int) -> list[bytes]:
        return [note for at, note in self.published if at <= calls]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two threads append, some entries one by one and some in batches, over a bundle's end; the
    journal's segments are small, so that they are changed and dropped; once it is reopened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "SEGMENT_BYTES", 8_192)
        patch.setattr(journal, "KEPT_REQUESTS", 5)
        directory = tmp_path_factory.mktemp("power") / "ledger"
        directory.mkdir()
        run = Run(RememberingDisk(directory))
        for opening in range(2):
            with Ledger.open(directory, [SIGNER], ORIGIN, disk=run.disk) as ledger:
                threads = [
                    Thread(target=_append, args=(run, ledger, opening, which)) for which in range(2)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
    assert check(directory).sound
    assert check(directory).size > 300
    return run


def _append(run: Run, ledger: Ledger, opening: int, which: int) -> None:
    chance = random.Random(which)  # noqa: S311 - seeded
    for number in range(25):
        batch = texts(f"{opening}-{which}-{number}-", chance.choice([1, 1, 1, 2, 12]))
        integrated = chance.random() < 0.3
        ledger.append(batch, integrated=integrated)
        done = [entry.body.text for entry in batch if isinstance(entry.body, Noted)]
        run.acknowledged.append((len(run.disk.calls), done))
        note = (run.disk.root / "checkpoint").read_bytes()
        run.published.append((len(run.disk.calls), note))


def test_nothing_acknowledged_is_lost_and_nothing_signed_is_taken_back(
    run: Run, tmp_path: Path
) -> None:
    chance = random.Random(11)  # noqa: S311 - seeded
    for seed in range(POINTS):
        calls = chance.randrange(len(run.disk.calls) + 1)
        directory = tmp_path / f"{seed}"
        run.disk.after_power_loss(calls, seed, directory)
        with Ledger.open(directory, [SIGNER], ORIGIN) as ledger:
            ledger.append(texts("after", 1))
            bodies = [decode(data).body for _, data in ledger.entries()]
        found = [body.text for body in bodies if isinstance(body, Noted)]
        assert len(found) == len(set(found)), (seed, calls)
        assert run.until(calls) <= set(found), (seed, calls)
        verification = check(directory, seen=run.seen(calls))
        assert verification.problems == (), (seed, calls)
