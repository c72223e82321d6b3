"""The log's files: growing the tree, signing and publishing it, and recovering after a crash.

Invariants:

* One process at a time holds the lock and writes.
* Write order: bundles and tiles (fsynced, renamed, directories fsynced); sign; the signed note
  kept in ``.log/signed``; the witnesses asked; the note with their lines published as
  ``checkpoint``. Only then are partial tiles dropped, and only those whose complete tile is there.
* Where too few witnesses answer, the signed tree is *ahead* of the published one. It may grow
  further; it is never taken back.
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
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.cosigning import Cosigner, NotCosigned, Unwitnessed
from domicile.ledger.disk import Disk, SyncFailed
from domicile.ledger.edge import read_edge
from domicile.ledger.entries import Entry, encode
from domicile.ledger.keys import Verifier
from domicile.ledger.lock import WriterLock
from domicile.ledger.merkle import leaf_hashes
from domicile.ledger.note import Note, open_checkpoint, parse_note
from domicile.ledger.proofs import Prover
from domicile.ledger.signing import Signer, sign_note
from domicile.ledger.sources import stored_tiles
from domicile.ledger.store import CHECKPOINT, PRIVATE, SIGNED, VKEY, Store
from domicile.ledger.tiles import TILE_WIDTH, Tile, TreeEdge, decode_bundle, encode_bundle

__all__ = ["Log", "refusal"]

_REOPEN = "check the ledger's disk and directory, then open the ledger again"
_LOOK_FIRST = f"{_REOPEN}; see which entries it holds before repeating any"


class Log:
    """The log's one writer. Usable from several threads, not from a forked child."""

    def __init__(
        self,
        directory: Path,
        signers: Sequence[Signer],
        cosigner: Cosigner,
        disk: Disk,
        lock: WriterLock,
    ) -> None:
        self._directory, self._disk, self._lock = directory, disk, lock
        self._signers, self._cosigner = tuple(signers), cosigner
        self._store = Store(directory)
        self._turn = Lock()
        self._ended = ""
        self._ahead: Note | None = None  # signed and kept, not published
        self._published = 0
        self._grown: list[Tile] = []  # since the last publication
        self._names = itertools.count()
        self._edge = TreeEdge()
        self._tail: list[bytes] = []

    @classmethod
    def open(
        cls,
        directory: Path,
        signers: Sequence[Signer],
        origin: str,
        *,
        cosigner: Cosigner | None = None,
        disk: Disk | None = None,
    ) -> Log:
        """Open the log for writing, or begin a new one; recover what a crash left.

        origin is the log's name and its keys': a URL without scheme, ``example.com/ledger``.
        Raises UsageError where somebody else writes to it or origin and key do not fit,
        EvidenceError where what was signed is not what is there, SiteRefused where the directory
        cannot be written.
        """
        names = {signer.name for signer in signers}
        if names != {origin}:
            raise UsageError(
                f"keys of {', '.join(sorted(names)) or 'nobody'} cannot sign for the log {origin}",
                expected="keys of the log's own name",
                next_step="give the log the keys that it was begun with",
            )
        disk = disk or Disk()
        with refusal("the ledger cannot be opened"):
            disk.make_directories(directory / PRIVATE / "tmp")
            lock = WriterLock(directory / PRIVATE / "lock")
        try:
            ledger = cls(directory, signers, cosigner or Unwitnessed(), disk, lock)
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
        """How many entries the signed tree has."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """The signed root."""
        return self._edge.root()

    @property
    def published_size(self) -> int:
        """How many entries the published checkpoint covers: fewer while witnesses are away."""
        return self._published

    @property
    def is_ahead(self) -> bool:
        """Whether something is signed that is not published: too few witnesses co-signed it."""
        return self._ahead is not None

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` to the size of now. Raises EvidenceError."""
        return self._store.entries(self.size, start)

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Append all of ``entries`` or none; their indices. When it returns they are durable and
        under a published, signed checkpoint.

        Raises UsageError where an entry cannot be one, NotCosigned where they are signed and not
        published, SiteRefused where they were not recorded or (the message says so) where that is
        unknown until the log is opened again.
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

    def grow(self, bundle: bytes, count: int) -> None:
        """`extend` by the ``count`` entries of a bundle."""
        self.extend(decode_bundle(bundle, count))

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

    def publish(self) -> None:
        """Publish what is signed, if it is not yet. Raises NotCosigned, SiteRefused."""
        with self._turn:
            self._check_open()
            self._publish()

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
        self._keep(SIGNED, note, edge.size)
        self._edge, self._tail, self._ahead = edge, tail, note
        self._grown += (tile for tile, _ in files)
        self._publish()

    def _publish(self) -> None:
        if self._ahead is None:
            return
        note = self._cosigner.cosign(self._ahead, Prover(self._store, self.size))
        self._keep(CHECKPOINT, note, self.size)
        self._ahead, self._published = None, self.size
        grown, self._grown = self._grown, []
        with contextlib.suppress(OSError):  # the next opening drops them
            self._drop_superseded(grown)

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

    def _sign(self, edge: TreeEdge) -> Note:
        checkpoint = Checkpoint(self._signers[0].name, edge.size, edge.root())
        return sign_note(checkpoint.text, self._signers, int(time.time()))

    def _keep(self, name: str, note: Note, size: int) -> None:
        """Write a signed note durably; until that is done this writer counts as ended."""
        self._ended = "an append broke off while publishing"
        try:
            self._put(name, note.encode())
        except OSError as error:
            failed = f"it is unknown whether entries {self._published} to {size - 1} were recorded"
            raise _not_recorded(error, failed, _LOOK_FIRST) from error
        self._ended = ""

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

    def _drop_superseded(self, grown: Sequence[Tile]) -> None:
        for tile in grown:
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
        keys = [Verifier.parse(signer.vkey) for signer in self._signers]
        heads = {name: open_checkpoint(note, keys) for name, note in notes.items()}
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
        """Keep the larger of the two notes and publish it, durable also where a crash came between
        a rename and its directory's fsync.
        """
        last = max(heads, key=lambda name: heads[name].size)
        if heads.get(SIGNED) != heads[last]:
            self._put(SIGNED, notes[last])
        for name in (SIGNED, CHECKPOINT):
            self._disk.sync_directory((self._directory / name).parent)
        published = heads.get(CHECKPOINT)
        self._published = published.size if published else 0
        if published != heads[last]:
            self._ahead = parse_note(notes[last])
            with contextlib.suppress(NotCosigned):  # whoever appends is told
                self._publish()

    def _begin(self) -> None:
        """Publish the checkpoint of the empty tree; tiles without one are damage."""
        if any(stored_tiles(self._directory)):
            raise _damaged(f"{self._directory} holds tiles but no checkpoint")
        self._put(VKEY, "".join(f"{signer.vkey}\n" for signer in self._signers).encode())
        self._ahead = self._sign(self._edge)
        self._put(SIGNED, self._ahead.encode())
        with contextlib.suppress(NotCosigned):
            self._publish()

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
    at = 0
    while at < len(encoded):
        part = encoded[at : at + TILE_WIDTH - len(tail)]
        files += edge.extend(leaf_hashes(part))
        tail += part
        if len(tail) == TILE_WIDTH:
            files.append((Tile(None, edge.size // TILE_WIDTH - 1), encode_bundle(tail)))
            tail.clear()
        at += len(part)
    if tail:
        files.append((Tile(None, edge.size // TILE_WIDTH, len(tail)), encode_bundle(tail)))
    return files + [(tile, data) for tile, data in edge.partials() if tile not in before]


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
