"""The files of one key in the directory driver: versions, delete markers, unfinished writes.

A version ``id`` is ``id.data`` (the bytes) and ``id.json`` (the sidecar); a delete marker is a
sidecar alone. Invariants:

- The rename of ``id.tmp`` to ``id.json`` commits: without a sidecar there is no version.
- A writer holds ``flock`` on ``id.tmp`` until it commits, and the kernel drops it when the writer
  dies. Leftovers are files of an id that has no sidecar and whose lock is free.
- Deleting unlinks the bytes before the sidecar, so an interrupted deletion is still listed and is
  repeated, never forgotten.
- Ids sort by creation within a key, whatever the clock does, and are unique across processes.
"""

# Paths are plain strings: Path costs more than the file system does.
# ruff: noqa: PTH104, PTH106, PTH108, PTH110, PTH123, PTH208

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from domicile.sites.objects.directory_files import fsync_directory, make_directory, write_all
from domicile.sites.objects.model import Attributes

__all__ = [
    "KeyFiles",
    "PendingVersion",
    "Sidecar",
    "clean",
    "is_version_id",
    "read_sidecar",
    "scan",
    "unlink_version",
]

_ID = re.compile(r"[0-9a-f]{24}")
_FILE = re.compile(r"([0-9a-f]{24})\.(data|json|tmp)")
_ATTEMPTS = 20


class Sidecar(msgspec.Struct, frozen=True):
    """What is known of a version beside its bytes. ``modified_ns`` is Unix time."""

    is_marker: bool
    size_bytes: int
    etag: str
    modified_ns: int
    attributes: Attributes


_decoder = msgspec.json.Decoder(Sidecar)


def is_version_id(text: str) -> bool:
    """Whether this can be a version id at all; anything else names nothing."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """One look at a key's directory: committed ids newest first, ids without a sidecar, and the
    names that are none of ours."""

    committed: list[str]
    unfinished: list[str]
    foreign: list[str]


def scan(directory: str) -> KeyFiles:
    """Read a key's directory; an absent one is empty."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return KeyFiles([], [], [])
    matches = [(name, _FILE.fullmatch(name)) for name in names]
    committed = {match[1] for _, match in matches if match and match[2] == "json"}
    every = {match[1] for _, match in matches if match}
    return KeyFiles(
        sorted(committed, reverse=True),
        sorted(every - committed),
        [name for name, match in matches if not match],
    )


def read_sidecar(directory: str, version_id: str) -> Sidecar | None:
    """A version's sidecar; None where it is gone. Raises `msgspec.DecodeError` otherwise."""
    try:
        with open(f"{directory}/{version_id}.json", "rb", buffering=0) as file:
            return _decoder.decode(file.read())
    except FileNotFoundError:
        return None


class PendingVersion:
    """A version being written; nobody sees it before `commit`."""

    def __init__(self, directory: str, version_id: str, lock: int, *, durable: bool) -> None:
        self.version_id = version_id
        self._directory = directory
        self._lock: int | None = lock
        self._data: int | None = None
        self._durable = durable
        self._closing = threading.Lock()
        self._bytes = hashlib.blake2b(digest_size=16)

    @property
    def etag(self) -> str:
        """A change detector of the bytes so far, as stores give one; nobody takes it for proof."""
        return self._bytes.hexdigest()

    @classmethod
    def begin(cls, root: str, names: Iterable[str], *, durable: bool) -> PendingVersion:
        """Make the key's directory and take the next id in it."""
        directory = "/".join((root, *names))
        for _ in range(_ATTEMPTS):
            is_new = make_directory(root, directory, durable=durable)
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                found = KeyFiles([], [], []) if is_new else scan(directory)
                clean(directory, found.unfinished)
                version_id = _next_id(found)
                lock = _locked_new_file(f"{directory}/{version_id}.tmp")
                if lock is not None:
                    return cls(directory, version_id, lock, durable=durable)
        raise OSError(errno.EBUSY, "the key's directory is removed as often as it is made")

    def write(self, chunk: bytes) -> None:
        """Append to the version's bytes."""
        if self._data is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._data = os.open(f"{self._directory}/{self.version_id}.data", flags, 0o600)
        write_all(self._data, chunk)
        self._bytes.update(chunk)

    def commit(self, sidecar: Sidecar) -> None:
        """Make the version appear; durable (files, then directory) if it was begun so."""
        with self._closing:
            if self._lock is None:
                return
            write_all(self._lock, msgspec.json.encode(sidecar))
            if self._durable:
                if self._data is not None:
                    os.fsync(self._data)
                os.fsync(self._lock)
            base = f"{self._directory}/{self.version_id}"
            os.rename(f"{base}.tmp", f"{base}.json")
            self._close()
            if self._durable:
                fsync_directory(self._directory)

    def discard(self) -> None:
        """Drop what was not committed."""
        with self._closing:
            if self._lock is None:
                return
            _unlink_unfinished(self._directory, self.version_id)
            self._close()
            with contextlib.suppress(OSError):
                os.rmdir(self._directory)

    def _close(self) -> None:
        for descriptor in (self._data, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._data = self._lock = None


def _next_id(found: KeyFiles) -> str:
    newest = max([*found.committed[:1], *found.unfinished], default="0" * 24)
    tick = max(time.time_ns(), int(newest[:16], 16) + 1)
    return f"{tick:016x}{os.urandom(4).hex()}"


def _locked_new_file(path: str) -> int | None:
    """A new file under our lock; None where another process cleaned it before we had the lock."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 1:
            return descriptor
    os.close(descriptor)
    return None


def clean(directory: str, unfinished: Iterable[str]) -> bool:
    """Drop the leftovers of dead writers; True if none is left."""
    left = [version_id for version_id in unfinished if not _clean_one(directory, version_id)]
    return not left


def _clean_one(directory: str, version_id: str) -> bool:
    try:
        lock = os.open(f"{directory}/{version_id}.tmp", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        lock = None
    try:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.exists(f"{directory}/{version_id}.json"):  # else it was committed just now
            _unlink_unfinished(directory, version_id)
    except BlockingIOError:
        return False
    finally:
        if lock is not None:
            os.close(lock)
    return True


def _unlink_unfinished(directory: str, version_id: str) -> None:
    for suffix in ("data", "tmp"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{directory}/{version_id}.{suffix}")


def unlink_version(directory: str, version_id: str) -> None:
    """Delete one version's files, bytes first; absent ones count as deleted."""
    for suffix in ("data", "json"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{directory}/{version_id}.{suffix}")
