"""Custody: keys against bare AES-GCM with SQLite, sealing and opening against mere AES-GCM."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measure import Ratios
from domicile.custody.file_root import FileRoot
from domicile.custody.keyring import Keyring
from domicile.custody.streaming_aead import Opener, Sealer
from domicile.state import State

__all__ = ["KEYS", "Figures", "measure"]

KEYS = 1_000_000
SMALL, LARGE, LARGER = 2 << 10, 1 << 20, 16 << 20
_AT_ONCE = 10_000
_LOOKUPS = 20_000
_SEAL_S = 1.0
_BOUNDARY = "us"
_TABLE = (
    "CREATE TABLE data_keys (boundary TEXT, subject BLOB, version INTEGER, wrapped BLOB,"
    " PRIMARY KEY (boundary, subject)) WITHOUT ROWID"
)


@dataclass
class Figures:
    """creating, rewrapping: our rate over the peer's. created_s, rewrapped_s: our keys a second.
    row_bytes: what a key takes in the file, as made, after the rotation, and written anew.
    lookups_s: what single ones took, unwrapping included. sealing, opening:
    our rate over AES-GCM's, by an object's size."""

    creating: Ratios = field(default_factory=Ratios)
    rewrapping: Ratios = field(default_factory=Ratios)
    created_s: list[float] = field(default_factory=list)
    rewrapped_s: list[float] = field(default_factory=list)
    row_bytes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lookups_s: list[float] = field(default_factory=list)
    sealing: dict[int, Ratios] = field(default_factory=dict)
    opening: dict[int, Ratios] = field(default_factory=dict)

    def percentile_us(self, share: float) -> float:
        """The time in microseconds within which this share of the look-ups was answered."""
        return sorted(self.lookups_s)[int(share * (len(self.lookups_s) - 1))] * 1e6


def measure(directory: Path, pairs: int) -> Figures:
    """Everything, on the disk of this directory."""
    directory.mkdir()
    found = Figures()
    for pair in range(pairs):
        _keys(directory / f"keys-{pair}", found)
    for size in (SMALL, LARGE, LARGER):
        found.sealing[size], found.opening[size] = Ratios(), Ratios()
        for _ in range(pairs):
            _objects(size, found)
    return found


# --- keys


def _keys(directory: Path, found: Figures) -> None:
    """One turn: the peer's rows, ours, look-ups, a rotation of both."""
    directory.mkdir()
    subjects = [os.urandom(16) for _ in range(KEYS)]
    with _peer(directory / "peer.db") as peer, _ours(directory) as (ring, state):
        theirs = KEYS / _timed(lambda: _peer_create(peer, sorted(subjects)))
        keys = ring.open("move")
        ours = KEYS / _timed(lambda: keys.of(subjects))
        found.creating.add(ours, theirs)
        found.created_s.append(ours)
        path = directory / "state.sqlite"
        sizes = [path.stat().st_size / KEYS]
        chosen = random.Random(1).sample(subjects, _LOOKUPS)  # noqa: S311 - any will do
        found.lookups_s += [_timed(partial(keys.known, [one])) for one in chosen][500:]
        theirs = KEYS / _timed(lambda: _peer_rewrap(peer))
        ring.rotate()
        keys = ring.open("rotate")
        ours = KEYS / _timed(lambda: sum(keys.rewrap()))
        found.rewrapping.add(ours, theirs)
        found.rewrapped_s.append(ours)
        sizes.append(path.stat().st_size / KEYS)
        state.scrub()
        sizes.append(path.stat().st_size / KEYS)
        found.row_bytes = sizes[0], sizes[1], sizes[2]
    shutil.rmtree(directory)
    print(
        f"  custody, keys: {found.creating.values[-1]:.2f}, {found.rewrapping.values[-1]:.2f}",
        flush=True,
    )


@contextmanager
def _ours(directory: Path) -> Iterator[tuple[Keyring, State]]:
    root = FileRoot.create(directory / "bench.root", "a passphrase of the benchmark's own")
    state = State.beside(directory)
    try:
        yield Keyring(state, root, _BOUNDARY, lambda _: None), state
    finally:
        state.close()


@contextmanager
def _peer(path: Path) -> Iterator[sqlite3.Connection]:
    """As durable and as thorough as ours: SQLite's defaults, deleted content overwritten."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = ON")
        database.execute(_TABLE)
        yield database


def _peer_create(database: sqlite3.Connection, subjects: list[bytes]) -> None:
    """The same rows, wrapped with one cipher, by `executemany`."""
    cipher = AESGCM(bytes(32))

    def insert(some: list[bytes]) -> None:
        rows = [(_BOUNDARY, one, 1, _wrapped(cipher, one, os.urandom(32))) for one in some]
        _transaction(database, "INSERT INTO data_keys VALUES (?, ?, ?, ?)", rows)

    _each(insert, subjects)


def _peer_rewrap(database: sqlite3.Connection) -> None:
    before, after, last = AESGCM(bytes(32)), AESGCM(bytes(31) + b"\1"), b""
    query = (
        "SELECT subject, wrapped FROM data_keys WHERE boundary = ? AND subject > ?"
        f" ORDER BY subject LIMIT {_AT_ONCE}"
    )
    update = "UPDATE data_keys SET version = 2, wrapped = ? WHERE boundary = ? AND subject = ?"
    while rows := database.execute(query, (_BOUNDARY, last)).fetchall():
        last = rows[-1][0]
        opened = [(one, before.decrypt(data[:12], data[12:], one)) for one, data in rows]
        anew = [(_wrapped(after, one, key), _BOUNDARY, one) for one, key in opened]
        _transaction(database, update, anew)


def _wrapped(cipher: AESGCM, subject: bytes, key: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + cipher.encrypt(nonce, key, subject)


def _transaction(
    database: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]
) -> None:
    database.execute("BEGIN")
    database.executemany(statement, rows)
    database.execute("COMMIT")


def _each(act: Callable[[list[bytes]], object], subjects: list[bytes]) -> None:
    for first in range(0, len(subjects), _AT_ONCE):
        act(subjects[first : first + _AT_ONCE])


def _timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


# --- objects


def _objects(size: int, found: Figures) -> None:
    """One turn of one size: objects a second sealed and opened, each under a key of its own."""
    data, key, name = os.urandom(size), os.urandom(32), os.urandom(16)
    sealer = Sealer(key, name)
    sealed = b"".join([sealer.header, *map(bytes, sealer.update(data)), sealer.finish()])
    if _open(key, name, sealed) != size:
        raise RuntimeError(size)
    nonce, room, back = bytes(12), bytearray(size + 16), bytearray(size)
    AESGCM(key).encrypt_into(nonce, data, name, room)
    theirs = _rate(lambda: AESGCM(key).encrypt_into(nonce, data, name, room))
    found.sealing[size].add(_rate(lambda: _seal(key, name, data)), theirs)
    theirs = _rate(lambda: AESGCM(key).decrypt_into(nonce, room, name, back))
    found.opening[size].add(_rate(lambda: _open(key, name, sealed)), theirs)
    ratios = found.sealing[size].values[-1], found.opening[size].values[-1]
    print(f"  custody, {size >> 10} KiB: {ratios[0]:.2f}, {ratios[1]:.2f}", flush=True)


def _seal(key: bytes, name: bytes, data: bytes) -> int:
    """How many bytes came, each segment looked at as it comes and not kept."""
    sealer = Sealer(key, name)
    count = len(sealer.header) + sum(map(len, sealer.update(data)))
    return count + len(sealer.finish())


def _open(key: bytes, name: bytes, sealed: bytes) -> int:
    opener = Opener(key, name)
    return sum(map(len, opener.update(sealed))) + len(opener.finish())


def _rate(act: Callable[[], object]) -> float:
    """How often a second, over at least _SEAL_S."""
    count, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < _SEAL_S:
        act()
        count += 1
    return count / took
