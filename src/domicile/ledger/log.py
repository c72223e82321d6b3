"""The log's files: growing the tree, signing and publishing it, and recovering after a crash.

Invariants:

* One process at a time holds the lock and writes.
* Write order: bundles and tiles (fsynced, renamed, directories fsynced); sign; the signed note
  kept in ``.log/signed``; the same note published as ``checkpoint``. Only then are partial tiles
  dropped, and only those whose complete tile is there.
* No file that a published checkpoint covers is ever written again.
* What was signed and kept is published, or nothing is: opening continues from the larger of the
  two notes and refuses a log whose right edge does not lead to both. It reads the edge alone;
  recomputing the whole tree is what `verify` does.
* A failed fsync, and any failure from the keeping of the signed note on, ends this writer: what
  the disk holds is unknown until the log is opened again.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger.disk import Disk, SyncFailed
from domicile.ledger.edge import read_edge
from domicile.ledger.entries import Body, Entry, decode, encode
from domicile.ledger.lock import WriterLock
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.note import Checkpoint, Verifier, open_checkpoint
from domicile.ledger.signing import Signer, sign_note
from domicile.ledger.store import CHECKPOINT, PRIVATE, SIGNED, VKEY, Store, stored_tiles
from domicile.ledger.tiles import TILE_WIDTH, Tile, TreeEdge, encode_bundle

__all__ = ["LedgerReader", "Log", "read_only", "refusal", "stamp"]

_REOPEN = "check the ledger's disk and directory, then open the ledger again"
_LOOK_FIRST = f"{_REOPEN}; see which entries it holds before repeating any"


def stamp(body: Body, charter: str) -> Entry:
    """An entry of now, by the system's clock. charter: SHA-256 (hex) of the charter in force."""
    return Entry(body, datetime.now(UTC), charter)


class LedgerReader:
    """A log as it was when it was opened, without the lock. Nothing is verified: see verify."""

    def __init__(self, directory: Path, checkpoint: Checkpoint) -> None:
        self._store = Store(directory)
        self.checkpoint = checkpoint

    @property
    def size(self) -> int:
        """How many entries the checkpoint covers."""
        return self.checkpoint.size

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` on, with their indices. Raises EvidenceError."""
        return self._store.entries(self.size, start)

    def established(self, claims: Collection[str]) -> frozenset[str]:
        """Those of ``claims`` that some entry establishes; reads the whole log once.

        Raises EvidenceError where an entry cannot be read.
        """
        return _established(self.entries(), claims)


def read_only(directory: Path) -> LedgerReader:
    """Open a log for reading. Raises EvidenceError where there is none."""
    return LedgerReader(directory, Store(directory).checkpoint())


class Log:
    """The log's one writer. Usable from several threads, not from a forked child."""

    def __init__(self, directory: Path, signer: Signer, disk: Disk, lock: WriterLock) -> None:
        self._directory, self._signer, self._disk, self._lock = directory, signer, disk, lock
        self._store = Store(directory)
        self._turn = Lock()
        self._ended = ""
        self._names = itertools.count()
        self._edge = TreeEdge()
        self._tail: list[bytes] = []

    @classmethod
    def open(cls, directory: Path, signer: Signer, origin: str, *, disk: Disk | None = None) -> Log:
        """Open the log for writing, or begin a new one; recover what a crash left.

        origin is the log's name and its key's: a URL without scheme, ``example.com/ledger``.
        Raises UsageError where somebody else writes to it or origin and key do not fit,
        EvidenceError where what was signed is not what is there, SiteRefused where the directory
        cannot be written.
        """
        if signer.name != origin:
            raise UsageError(
                f"the key {signer.name} cannot sign for the log {origin}",
                expected="a key of the log's own name",
                next_step="give the log the key that it was begun with",
            )
        disk = disk or Disk()
        with refusal("the ledger cannot be opened"):
            disk.make_directories(directory / PRIVATE / "tmp")
            lock = WriterLock(directory / PRIVATE / "lock")
        try:
            ledger = cls(directory, signer, disk, lock)
            with refusal("the ledger cannot be opened"):
                ledger._recover()
        except BaseException:
            lock.release()
            raise
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back. Everything acknowledged is durable already."""
        with self._turn:
            self._ended = self._ended or "it was closed"
            self._lock.release()

    @property
    def size(self) -> int:
        """How many entries the published checkpoint covers."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """The published root."""
        return self._edge.root()

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` to the size of now. Raises EvidenceError."""
        return self._store.entries(self.size, start)

    def established(self, claims: Collection[str]) -> frozenset[str]:
        """Those of ``claims`` that some entry establishes; reads the whole log once."""
        return _established(self.entries(), claims)

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Append all of ``entries`` or none; their indices. When it returns they are durable and
        under a published, signed checkpoint.

        Raises UsageError where an entry cannot be one, SiteRefused where it was not recorded or
        (the message says so) where that is unknown until the log is opened again.
        """
        return self.extend([encode(entry) for entry in entries])

    def extend(self, encoded: Sequence[bytes]) -> list[int]:
        """`append` for entries that are encoded already."""
        with self._turn:
            self._check_open()
            if not encoded:
                return []
            first = self.size
            self._commit(encoded)
        return list(range(first, first + len(encoded)))

    @property
    def ended(self) -> str:
        """Why this writer takes nothing any more; empty while it does."""
        return self._ended

    def _check_open(self) -> None:
        if self._ended or not self._lock.held:
            raise SiteRefused(
                f"the ledger takes no entries: {self._ended or 'another process holds its lock'}",
                expected="a ledger opened by this process",
                next_step="open the ledger again; see which entries it holds before repeating any",
            )

    def _commit(self, encoded: Sequence[bytes]) -> None:
        edge, tail = self._edge.copy(), list(self._tail)
        files = _grow(edge, tail, encoded)
        try:
            self._store_tiles(files)
        except OSError as error:
            if isinstance(error, SyncFailed):
                self._ended = "an fsync failed"
            raise _not_recorded(error, f"{len(encoded)} entries were not recorded") from error
        note = self._sign(edge)
        self._ended = (
            "an append broke off while publishing"  # stays so unless the next lines all succeed
        )
        self._publish(note, edge.size)
        self._edge, self._tail = edge, tail
        self._ended = ""
        with contextlib.suppress(OSError):  # the next opening drops them
            self._drop_superseded(files)

    def _store_tiles(self, files: Sequence[tuple[Tile, bytes]]) -> None:
        """Durable when it returns; nothing of it counts before a checkpoint covers it."""
        targets = [self._directory / tile.path for tile, _ in files]
        directories = dict.fromkeys(target.parent for target in targets)
        temporaries: list[Path] = []
        try:
            for _, data in files:
                temporaries.append(self._write(data))
            for directory in directories:
                self._disk.make_directories(directory)
            for temporary, target in zip(temporaries, targets, strict=True):
                self._disk.rename(temporary, target)
            for directory in directories:
                self._disk.sync_directory(directory)
        except BaseException:
            self._discard(temporaries)  # a full disk must not stay full of them
            raise

    def _sign(self, edge: TreeEdge) -> bytes:
        checkpoint = Checkpoint(self._signer.name, edge.size, edge.root())
        return sign_note(checkpoint.text, self._signer)

    def _publish(self, note: bytes, size: int) -> None:
        """Keep the signed note, then publish it."""
        try:
            self._put(SIGNED, note)
            self._put(CHECKPOINT, note)
        except OSError as error:
            failed = f"it is unknown whether entries {self.size} to {size - 1} were recorded"
            raise _not_recorded(error, failed, _LOOK_FIRST) from error

    def _put(self, name: str, data: bytes) -> None:
        target = self._directory / name
        self._disk.rename(self._write(data), target)
        self._disk.sync_directory(target.parent)

    def _write(self, data: bytes) -> Path:
        temporary = self._directory / PRIVATE / "tmp" / f"{os.getpid()}-{next(self._names)}"
        try:
            self._disk.write_synced(temporary, data)
        except BaseException:
            self._discard([temporary])
            raise
        return temporary

    def _discard(self, temporaries: Sequence[Path]) -> None:
        for temporary in temporaries:
            with contextlib.suppress(OSError):  # the next opening removes them
                self._disk.remove(temporary)

    def _drop_superseded(self, files: Sequence[tuple[Tile, bytes]]) -> None:
        for tile, _ in files:
            partials = self._directory / f"{tile.path}.p"
            if tile.width == TILE_WIDTH and partials.is_dir():
                for partial in partials.iterdir():
                    self._disk.remove(partial)
                self._disk.remove_directory(partials)

    def _recover(self) -> None:
        """Settle on the last signed note, prove the tree under it, cut what lies beyond."""
        for leftover in (self._directory / PRIVATE / "tmp").iterdir():
            self._disk.remove(leftover)
        stored = {name: self._store.note(name) for name in (SIGNED, CHECKPOINT)}
        notes = {name: note for name, note in stored.items() if note is not None}
        if not notes:
            self._begin()
            return
        verifier = Verifier.parse(self._signer.vkey)
        heads = {name: open_checkpoint(note, [verifier]) for name, note in notes.items()}
        self._prove(list(heads.values()))
        self._cut()
        self._settle(heads, notes)

    def _prove(self, heads: Sequence[Checkpoint]) -> None:
        """Read the right edge of each signed head: it must lead to the signed root."""
        for head in sorted(heads, key=lambda head: head.size):
            try:
                self._edge, self._tail = read_edge(self._store, head.size)
            except EvidenceError as error:
                raise _damaged(error.failed) from error
            if self._edge.root() != head.root:
                raise _damaged(f"the entries do not lead to what was signed at size {head.size}")

    def _settle(self, heads: dict[str, Checkpoint], notes: dict[str, bytes]) -> None:
        """Publish the larger of the two notes in both places, durable also where a crash came
        between a rename and its directory's fsync.
        """
        last = max(heads, key=lambda name: heads[name].size)
        for name in (SIGNED, CHECKPOINT):
            if notes.get(name) != notes[last]:
                self._put(name, notes[last])
            self._disk.sync_directory((self._directory / name).parent)

    def _begin(self) -> None:
        """Publish the checkpoint of the empty tree; tiles without one are damage."""
        if any(stored_tiles(self._directory)):
            raise _damaged(f"{self._directory} holds tiles but no checkpoint")
        self._put(VKEY, (self._signer.vkey + "\n").encode())
        self._publish(self._sign(self._edge), 0)

    def _cut(self) -> None:
        """Drop what no checkpoint covers, and partial tiles that are complete by now."""
        for tile in stored_tiles(self._directory):
            nodes = self.size // TILE_WIDTH ** (tile.level or 0) - tile.index * TILE_WIDTH
            superseded = tile.width < TILE_WIDTH <= nodes
            if tile.width > nodes or (superseded and (self._directory / tile.full.path).is_file()):
                self._disk.remove(self._directory / tile.path)


def _grow(edge: TreeEdge, tail: list[bytes], encoded: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
    """Grow edge and tail by the entries; every bundle and tile that this changes."""
    before = {tile for tile, _ in edge.partials()}
    files: list[tuple[Tile, bytes]] = []
    for data in encoded:
        files += edge.append(leaf_hash(data))
        tail.append(data)
        if len(tail) == TILE_WIDTH:
            files.append((Tile(None, edge.size // TILE_WIDTH - 1), encode_bundle(tail)))
            tail.clear()
    if tail:
        files.append((Tile(None, edge.size // TILE_WIDTH, len(tail)), encode_bundle(tail)))
    return files + [(tile, data) for tile, data in edge.partials() if tile not in before]


def _established(entries: Iterator[tuple[int, bytes]], claims: Collection[str]) -> frozenset[str]:
    wanted, found = frozenset(claims), set[str]()
    if not wanted:
        return frozenset()
    for _, data in entries:
        found |= wanted & decode(data).body.establishes()
    return frozenset(found)


def _damaged(failed: str) -> EvidenceError:
    return EvidenceError(
        f"the ledger is damaged: {failed}",
        expected="every entry and tile as they were signed",
        next_step="keep the directory as it is, restore a copy of it elsewhere and compare",
    )


@contextlib.contextmanager
def refusal(failed: str) -> Iterator[None]:
    """The disk's errors as what they mean: not recorded, and what to do."""
    try:
        yield
    except OSError as error:
        raise _not_recorded(error, failed) from error


def _not_recorded(error: OSError, failed: str, next_step: str = "") -> SiteRefused:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    why = "the disk is full" if full else error.strerror or type(error).__name__
    repeat = "free space on the ledger's disk and repeat" if full else _REOPEN
    return SiteRefused(
        f"{failed}: {why}",
        expected="a disk that takes and keeps the ledger's files",
        next_step=next_step or repeat,
    )
