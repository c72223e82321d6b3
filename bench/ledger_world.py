"""The ledger that is measured: its kinds of entry, its keys, and what runs in other processes."""

from __future__ import annotations

import itertools
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import cast

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
    "Accessed",
    "Granted",
    "append_for",
    "append_through",
    "entry_of",
    "latencies",
    "load",
    "main",
    "open_ledger",
    "vkeys",
]

ENTRIES = 1_000_000
ENTRY_BYTES = 500
GRANTS = 1_000
_ORIGIN = "bench.invalid/ledger"
_CHARTER = "ab" * 32
_REQUEST = 500  # entries


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
    return Ledger.open(directory, _signers(), _ORIGIN)


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


def append_through(door: Path, callers: int, seconds: float) -> int:
    """The same through so many connections to a sequencer's door, each of which waits for its
    answer before it sends the next entry; served by one thread, as a server would."""
    count = 0
    stem, numbers = os.urandom(8), itertools.count()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:

        def send(connection: socket.socket, body: Body) -> None:
            request = Request.of(stem + next(numbers).to_bytes(8, "big"), [encode(_now(body))])
            connection.sendall(encode_request(request, integrated=False))

        for number in range(callers):
            connection = stack.enter_context(connect(door, 30.0))
            body = entry_of(GRANTS + number).body
            selector.register(connection, selectors.EVENT_READ, body)
            send(connection, body)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for key, _ in selector.select():
                connection = cast("socket.socket", key.fileobj)
                status, *_ = ANSWER.unpack(connection.recv(ANSWER.size))
                if status != b"D":
                    raise RuntimeError(status)
                count += 1
                send(connection, key.data)
    return count


def latencies(directory: Path, rate: float, callers: int, seconds: float) -> list[float]:
    """How long each entry took to be durable, counted from when it was due: ``rate`` a second
    are, whether those before them are done or not."""
    found: list[float] = []
    with open_ledger(directory) as ledger:
        begun = time.perf_counter() + 0.2

        def run(number: int) -> None:
            body = entry_of(GRANTS + number).body
            for turn in range(number, int(rate * seconds), callers):
                due = begun + turn / rate
                if (early := due - time.perf_counter()) > 0:
                    time.sleep(early)
                ledger.append([_now(body)], integrated=False)
                found.append(time.perf_counter() - due)

        _join(run, callers)
    return found


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
                    time.sleep(0.02)


def main(words: list[str]) -> None:
    """``append DOOR CALLERS SECONDS``, ``load DIRECTORY ENTRIES`` or ``verify DIRECTORY
    WORKERS``, as a process of its own."""
    task, directory, *rest = words
    if task == "append":
        print(append_through(Path(directory), int(rest[0]), float(rest[1])))
    elif task == "load":
        load(Path(directory), int(rest[0]))
    elif not verify_log(Path(directory), vkeys(), None, workers=int(rest[0])).sound:
        sys.exit("the log is not sound")


if __name__ == "__main__":
    main(sys.argv[1:])
