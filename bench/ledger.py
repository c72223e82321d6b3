"""The ledger: appending against SQLite, verifying against mere hashing, what it takes to keep."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median

from bench.ledger_world import (
    ENTRIES,
    ENTRY_BYTES,
    append_for,
    open_ledger,
    vkeys,
)
from bench.measure import Ratios, timed
from domicile.ledger import verify_log
from domicile.ledger.proofs import Prover
from domicile.ledger.sources import DirectorySource
from domicile.ledger.store import PRIVATE, Store
from domicile.ledger.tiles import Tile

__all__ = ["CALLERS", "CLIENTS", "Figures", "measure"]

CALLERS = 64
CLIENTS = os.cpu_count() or 1
_SECONDS = 3.0
_PROOFS = 200
_WORLD = [sys.executable, "-m", "bench.ledger_world"]


@dataclass
class Figures:
    """threads, sockets: our rate over SQLite's. per_sync: our rate with threads over that of bare
    fdatasyncs. in_time: shares of an open loop at half our rate. verifying, processor: by workers,
    the time, and the processors' time, of mere reading and hashing over ours. storage: bytes of
    the log's published files over those of its entries; private_mib: what the sequencer keeps
    beside them. proof_files: most and median files read for a proof. peaks: MiB by what was run.
    """

    threads: Ratios = field(default_factory=Ratios)
    sockets: Ratios = field(default_factory=Ratios)
    per_sync: Ratios = field(default_factory=Ratios)
    in_time: list[float] = field(default_factory=list)
    verifying: dict[int, Ratios] = field(default_factory=dict)
    processor: dict[int, Ratios] = field(default_factory=dict)
    storage: float = 0.0
    private_mib: float = 0.0
    proof_files: tuple[int, float] = (0, 0.0)
    peaks: dict[str, int] = field(default_factory=dict)


def measure(directory: Path, pairs: int) -> Figures:
    """Everything, on the disk of this directory."""
    directory.mkdir()
    found = Figures()
    rate = median(_append(directory / f"append-{pair}", found) for pair in range(pairs))
    for pair in range(pairs):
        os.sync()  # what was measured before is not to be written back meanwhile
        words = [str(rate / 2 / CLIENTS), str(CALLERS // CLIENTS), str(_SECONDS)]
        counts = [line.split() for line in _clients(directory / f"open-{pair}", "open", words)]
        found.in_time.append(sum(int(n) for _, n in counts) / sum(int(n) for n, _ in counts))
        print(f"  ledger, open loop: {found.in_time[-1]:.2%} in time", flush=True)
        shutil.rmtree(directory / f"open-{pair}")
    log = directory / "million"
    print(f"  ledger: loading {ENTRIES:,} entries", flush=True)
    what = f"the sequencer, loading {ENTRIES:,} entries"
    found.peaks[what] = timed([*_WORLD, "load", log, str(ENTRIES)], {}, memory=True).peak_mib
    found.storage, found.private_mib = _storage(log)
    found.proof_files = _proof_files(log)
    _verify(log, pairs, found)
    return found


def _append(directory: Path, found: Figures) -> float:
    """One turn of everything that appends; our rate through the door."""
    directory.mkdir()
    theirs = _sqlite(directory / "rows.db")
    syncs = _syncs(directory / "synced")
    threads = append_for(directory / "threads", CALLERS, _SECONDS) / _SECONDS
    words = [str(CALLERS // CLIENTS), str(_SECONDS)]
    sockets = sum(map(int, _clients(directory / "sockets", "append", words))) / _SECONDS
    found.threads.add(threads, theirs)
    found.sockets.add(sockets, theirs)
    found.per_sync.add(sockets, syncs)
    shutil.rmtree(directory)
    print(f"  ledger, appending: {threads / theirs:.1f}, {sockets / theirs:.1f}", flush=True)
    return sockets


def _sqlite(path: Path) -> float:
    """Rows a second, committed one by one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, data BLOB)")
        row, count, begun = os.urandom(ENTRY_BYTES), 0, time.perf_counter()
        while (took := time.perf_counter() - begun) < _SECONDS:
            database.execute("INSERT INTO entry (data) VALUES (?)", (row,))
            count += 1
    return count / took


def _syncs(path: Path) -> float:
    """Fdatasyncs a second of a prewritten file, with nothing else to do."""
    with path.open("wb", buffering=0) as file:
        file.write(bytes(4 << 20))
        os.fsync(file.fileno())
        page, count, begun = os.urandom(4096), 0, time.perf_counter()
        while (took := time.perf_counter() - begun) < _SECONDS / 3:
            os.pwrite(file.fileno(), page, count % 1024 * 4096)
            os.fdatasync(file.fileno())
            count += 1
    return count / took


def _clients(directory: Path, task: str, words: list[str]) -> list[str]:
    """What other processes print that append through this one, the sequencer."""
    with open_ledger(directory):
        door = directory / PRIVATE / "door"
        clients = [
            subprocess.Popen([*_WORLD, task, door, *words], stdout=subprocess.PIPE, text=True)
            for _ in range(CLIENTS)
        ]
        return [client.communicate()[0] for client in clients]


def _verify(log: Path, pairs: int, found: Figures) -> None:
    counts = sorted({1, os.cpu_count() or 1})
    for workers in counts:
        found.verifying[workers], found.processor[workers] = Ratios(), Ratios()
        command = [*_WORLD, "verify", str(log), str(workers)]
        what = f"the verifier, {ENTRIES:,} entries, --workers {workers}"
        found.peaks[what] = timed(command, {}, memory=True).peak_mib
    for _ in range(pairs):
        theirs, their_processor = _seconds(partial(_hash_all, log))
        for workers in counts:
            ours, our_processor = _seconds(partial(_check, log, workers))
            found.verifying[workers].add(theirs, ours)
            found.processor[workers].add(their_processor, our_processor)
            print(f"  ledger, verifying, {workers}: {theirs / ours:.2f}", flush=True)


def _seconds(run: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of the processors' time, that of ended children too."""
    used, begun = os.times(), time.perf_counter()
    run()
    took, now = time.perf_counter() - begun, os.times()
    return took, sum(now[:4]) - sum(used[:4])


def _check(log: Path, workers: int) -> None:
    checked = verify_log(log, vkeys(), None, workers=workers)
    if not checked.sound or checked.size != ENTRIES:
        raise RuntimeError(checked.problems[:3])


def _bundles(log: Path) -> Iterator[bytes]:
    for index in range(-(-ENTRIES // 256)):
        tile = Tile(None, index, min(256, ENTRIES - 256 * index))
        yield (log / tile.path).read_bytes()


def _entries(bundles: Iterator[bytes]) -> Iterator[bytes]:
    for data in bundles:
        at = 0
        while at < len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : end]
            at = end


def _hash_all(log: Path) -> None:
    """Read the same bundles, take them apart and hash each entry: no tree, no JSON, no claims."""
    for data in _bundles(log):
        at = 0
        while at < len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            sha256(data[at + 2 : end]).digest()
            at = end


def _storage(log: Path) -> tuple[float, float]:
    private = sum(path.stat().st_size for path in (log / PRIVATE).rglob("*") if path.is_file())
    held = sum(path.stat().st_size for path in log.rglob("*") if path.is_file())
    entries = sum(map(len, _entries(_bundles(log))))
    return (held - private) / entries, private / (1 << 20)


@dataclass(frozen=True, slots=True)
class _Counted(DirectorySource):
    """Notes what is read."""

    names: list[str] = field(default_factory=list)

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Read and note."""
        self.names.append(name)
        return DirectorySource.read(self, name, limit_bytes)


def _proof_files(log: Path) -> tuple[int, float]:
    """Files read for an entry, its proof and the checkpoint that it leads to."""
    indices = random.Random(1).sample(range(ENTRIES), _PROOFS)  # noqa: S311 - any will do
    counts = [_files_of(log, index) for index in indices]
    return max(counts), median(counts)


def _files_of(log: Path, index: int) -> int:
    source = _Counted(log)
    store = Store(source)
    size = store.checkpoint().size
    store.bundle(index // 256, min(256, size - index // 256 * 256))
    Prover(store, size).inclusion(index)
    return len(set(source.names))
