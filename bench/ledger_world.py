"""The ledger that is measured: its kinds of entry, its keys, and what runs in other processes."""

from __future__ import annotations

import itertools
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from domicile.ledger import (
    Body,
    Count,
    Entry,
    FileSigner,
    Ledger,
    encode,
    entry_kind,
    verify_log,
)
from domicile.ledger.door import ANSWER, Busy, connect, encode_request
from domicile.ledger.journal import Request
from domicile.ledger.keys import COSIGN_MLDSA44

__all__ = [
    "ENTRIES",
    "ENTRY_BYTES",
    "IN_TIME_S",
    "Accessed",
    "Granted",
    "append_for",
    "append_through",
    "entry_of",
    "load",
    "main",
    "open_ledger",
    "open_loop",
    "vkeys",
]

ENTRIES = 1_000_000
ENTRY_BYTES = 500
IN_TIME_S = 0.02
GRANTS = 1_000
_ORIGIN = "bench.invalid/ledger"
_CHARTER = "ab" * 32
_REQUEST = 500  # entries
_BUSY_S = 0.02


@entry_kind("bench.granted", version=1)
class Granted(Body, frozen=True):
    """Somebody may access something."""

    grant: str
    staff: str

    def establishes(self) -> frozenset[str]:
        """That it was granted, and (in place of its text) the charter."""
        return frozenset({f"grant:{self.grant}", f"charter:{_CHARTER}"})


@entry_kind("bench.accessed", version=1)
class Accessed(Body, frozen=True):
    """Somebody accessed something, by a grant."""

    staff: str
    purpose: str
    dataset: str
    person: str
    decision: str
    grant: str
    rows: Count
    columns: tuple[str, ...]
    note: str = ""

    def requires(self) -> frozenset[str]:
        """Its grant."""
        return frozenset({f"grant:{self.grant}"})


def entry_of(number: int, padding: int = 50) -> Entry:
    """The first thousand are grants; each of the others has about 500 bytes and rests on one."""
    digest = sha256(b"%d" % number).hexdigest()
    grant = f"grant-{number % GRANTS}"
    if number < GRANTS:
        return Entry(Granted(grant, f"staff-{digest[:16]}"), datetime.now(UTC), _CHARTER)
    body = Accessed(
        staff=f"staff-{digest[:16]}",
        purpose="moderation",
        dataset="messages",
        person=f"person-{digest[16:48]}",
        decision=digest,
        grant=grant,
        rows=number % 100,
        columns=("id", "text", "sent"),
        note="x" * padding,
    )
    return Entry(body, datetime.now(UTC), _CHARTER)


def _now(body: Body) -> Entry:
    return Entry(body, datetime.now(UTC), _CHARTER)


def _signers() -> list[FileSigner]:
    seed = bytes(range(32))
    return [FileSigner(_ORIGIN, seed), FileSigner(_ORIGIN, seed, COSIGN_MLDSA44)]


def vkeys() -> list[str]:
    """The log's public keys."""
    return [signer.vkey for signer in _signers()]


def open_ledger(directory: Path) -> Ledger:
    """As its sequencer, or through the process that is."""
    return Ledger.open(directory, _signers(), _ORIGIN, apart=True)


def append_for(directory: Path, callers: int, seconds: float) -> int:
    """How many entries so many threads got durable, one after the other each, in so many
    seconds."""
    with open_ledger(directory) as ledger:
        begun = threading.Barrier(callers)
        counts = [0] * callers

        def run(number: int) -> None:
            body = entry_of(GRANTS + number).body
            begun.wait()
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                ledger.append([_now(body)], integrated=False)
                counts[number] += 1

        _join(run, callers)
    return sum(counts)


class _Callers:
    """Callers behind one connection, as those of a server's process are: each waits for its answer
    before it appends again, and repeats what it is turned away with."""

    def __init__(self, connection: socket.socket, count: int) -> None:
        self._connection = connection
        self._stem, self._numbers = os.urandom(8), itertools.count()
        self._waiting: dict[bytes, tuple[Body, float, bytes]] = {}
        self._received = b""
        self.idle = [entry_of(GRANTS + number).body for number in range(count)]

    def send(self, dues: Sequence[float]) -> None:
        """As many idle callers append, each at the time when its entry was due."""
        requests = []
        for due in dues:
            body = self.idle.pop()
            identity = self._stem + next(self._numbers).to_bytes(8, "big")
            entry = Request.of(identity, [encode(_now(body))])
            requests.append(request := encode_request(entry, integrated=False))
            self._waiting[identity] = body, due, request
        self._connection.sendall(b"".join(requests))

    def receive(self) -> list[float]:
        """Wait for answers; when the entries that became durable had been due."""
        data = self._received + self._connection.recv(64 << 10)
        dues, at = [], 0
        refused = b""
        while at + ANSWER.size <= len(data):
            status, identity, _, length = ANSWER.unpack_from(data, at)
            if at + ANSWER.size + length > len(data):
                break
            at += ANSWER.size + length
            if status == b"D":
                body, due, _ = self._waiting.pop(identity)
                self.idle.append(body)
                dues.append(due)
            else:
                refused += self._waiting[identity][2]
        self._received = data[at:]
        self._repeat(refused)
        return dues

    def _repeat(self, refused: bytes) -> None:
        if refused:
            time.sleep(_BUSY_S)
            self._connection.sendall(refused)


def append_through(door: Path, callers: int, seconds: float) -> int:
    """The same through a sequencer's door."""
    count = 0
    with connect(door, 30.0) as connection:
        served = _Callers(connection, callers)
        served.send([0.0] * callers)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            dues = served.receive()
            count += len(dues)
            served.send(dues)
    return count


def open_loop(door: Path, rate: float, callers: int, seconds: float) -> tuple[int, int]:
    """How many entries were appended, and how many of them were durable within `IN_TIME_S` of when
    they were due: ``rate`` a second are, whether those before them are done or not."""
    total = int(rate * seconds)
    sent = answered = in_time = 0
    with connect(door, 30.0) as connection:
        served = _Callers(connection, callers)
        begun = time.perf_counter()
        while answered < total:
            now = time.perf_counter() - begun
            count = min(int(now * rate) + 1 - sent, total - sent, len(served.idle))
            served.send([(sent + each) / rate for each in range(count)])
            sent += count
            has_next = sent < total and served.idle
            wait_s = max(0.0, sent / rate - (time.perf_counter() - begun)) if has_next else None
            if select.select([connection], [], [], wait_s)[0]:
                dues = served.receive()
                now = time.perf_counter() - begun
                answered += len(dues)
                in_time += sum(now - due <= IN_TIME_S for due in dues)
    return total, in_time


def _join(run: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def load(directory: Path, entries: int) -> None:
    """Append so many through the sequencer, which turns callers away where it cannot keep up."""
    with open_ledger(directory) as ledger:
        for first in range(0, entries, _REQUEST):
            batch = [entry_of(number) for number in range(first, min(first + _REQUEST, entries))]
            identity = os.urandom(16)
            while True:
                try:
                    ledger.append(batch, identity=identity, integrated=False)
                    break
                except Busy:
                    time.sleep(_BUSY_S)


def main(words: list[str]) -> None:
    """``append DOOR CALLERS SECONDS``, ``open DOOR RATE CALLERS SECONDS``, ``load DIRECTORY
    ENTRIES`` or ``verify DIRECTORY WORKERS``, as a process of its own."""
    task, directory, *rest = words
    if task == "append":
        print(append_through(Path(directory), int(rest[0]), float(rest[1])))
    elif task == "open":
        print(*open_loop(Path(directory), float(rest[0]), int(rest[1]), float(rest[2])))
    elif task == "load":
        load(Path(directory), int(rest[0]))
    elif not verify_log(Path(directory), vkeys(), None, workers=int(rest[0])).sound:
        sys.exit("the log is not sound")


if __name__ == "__main__":
    main(sys.argv[1:])
