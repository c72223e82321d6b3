"""What a witness remembers: of each log the last checkpoint that it co-signed, as it answered it.

``logs/<SHA-256 of the origin>/checkpoint``: the names of the monitoring interface, so any web
server can serve the directory. The note is proof of itself: what this very witness did not sign is
refused. Written by rename, durable before it returns.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.disk import Disk, SyncFailed
from domicile.ledger.keys import TIMESTAMP_BYTES, Verifier
from domicile.ledger.note import MAX_NOTE_BYTES, Note, parse_note, verify_note

__all__ = ["Cosigned", "Memory", "origin_hash"]

_MOST_SPLITS = 16


def origin_hash(origin: str) -> str:
    """A log's name in the monitoring interface: hex SHA-256 of its origin."""
    return sha256(origin.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with the log's lines and the witness's; time_s is what those say."""

    head: Checkpoint
    time_s: int
    note: Note


class Memory:
    """The directory of one witness; keys are the witness's own. One writer at a time per log."""

    def __init__(self, directory: Path, keys: Sequence[Verifier], disk: Disk) -> None:
        self._logs, self._temporary = directory / "logs", directory / "tmp"
        self._keys, self._disk = tuple(keys), disk
        for path in (self._logs, self._temporary):
            disk.make_directories(path)
        for leftover in self._temporary.iterdir():
            disk.remove(leftover)

    def load(self, origin: str) -> Cosigned | None:
        """The last one of a log. Raises EvidenceError where it is not this witness's, or damaged;
        OSError."""
        path = self._logs / origin_hash(origin) / "checkpoint"
        if not path.exists():
            return None
        self._disk.sync_directory(path.parent)  # its name may not have been durable yet
        with path.open("rb") as file:
            data = file.read(MAX_NOTE_BYTES + 1)
        try:
            note = parse_note(data)
            signed, head = verify_note(note, self._keys), Checkpoint.parse(note.text)
        except EvidenceError as error:
            raise _not_ours(path, error.failed) from error
        if set(signed) != set(self._keys) or head.origin != origin:
            raise _not_ours(path, "it is of another log or another witness")
        return Cosigned(head, self._time_of(note), note)

    def keep(self, cosigned: Cosigned) -> None:
        """Durable when it returns. Raises SyncFailed where it is unknown what the disk holds;
        another OSError where it holds the one before."""
        directory = self._logs / origin_hash(cosigned.head.origin)
        fresh = self._write(directory, cosigned.note)
        try:
            self._disk.rename(fresh, directory / "checkpoint")
            self._disk.sync_directory(directory)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error

    def keep_split(self, head: Checkpoint, note: Note) -> None:
        """Keep what proves that the log signed two trees of one size; the first few of them."""
        directory = self._logs / origin_hash(head.origin)
        name = f"split-{head.size}-{head.root.hex()[:16]}"
        known = [path.name for path in directory.glob("split-*")]
        if name not in known and len(known) < _MOST_SPLITS:
            self._disk.rename(self._write(directory, note), directory / name)
            self._disk.sync_directory(directory)

    def _write(self, directory: Path, note: Note) -> Path:
        self._disk.make_directories(directory)
        fresh = self._temporary / directory.name
        self._disk.remove(fresh)
        try:
            self._disk.write_synced(fresh, note.encode())
        except OSError:
            with contextlib.suppress(OSError):  # the next opening removes it
                self._disk.remove(fresh)
            raise
        return fresh

    def _time_of(self, note: Note) -> int:
        ours = {key.key_id for key in self._keys}
        stamps = [s.signature[:TIMESTAMP_BYTES] for s in note.signatures if s.key_id in ours]
        return max(int.from_bytes(stamp, "big") for stamp in stamps)


def _not_ours(path: Path, why: str) -> EvidenceError:
    return EvidenceError(
        f"{os.fspath(path)} is not what this witness signed: {why}",
        expected="the last checkpoint that it co-signed, under its own keys",
        next_step="restore key files and logs of one and the same witness, the newest there are;"
        " never begin a known log anew",
    )
