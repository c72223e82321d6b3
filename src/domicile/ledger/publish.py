"""Copying a log to where readers fetch it: another directory, a bucket.

Invariants:

* The checkpoint goes last, and only once everything under it is at the target: a reader of the
  target never sees a checkpoint whose tiles are missing.
* Only what the target lacks is written, and nothing that is there is ever replaced by other bytes,
  but the checkpoint; so a copy that broke off goes on, and a log that was tampered with since
  cannot take the place of what others have read.
* A target is only ever extended: it must hold nothing, or a checkpoint of the same log that is
  consistent with the one copied.
* Partial tiles go when their complete one is there and the checkpoint covers it.

One process at a time publishes to a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.disk import Disk
from domicile.ledger.keys import Verifier
from domicile.ledger.log import refusal
from domicile.ledger.merkle import verify_consistency
from domicile.ledger.note import open_checkpoint
from domicile.ledger.proofs import Prover
from domicile.ledger.sources import DirectorySource, Source
from domicile.ledger.store import CHECKPOINT, VKEY, Store
from domicile.ledger.tiles import MAX_BUNDLE_BYTES, TILE_WIDTH, Tile, encode_bundle

__all__ = ["DirectoryTarget", "Published", "Target", "publish"]

_MAX_KEYS_BYTES = 16_384


class Target(Source, Protocol):
    """A place to which a log's files can be written."""

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file there, in the place of one that is there; durable when it returns,
        never seen half-written. Raises SiteError.
        """
        ...

    def drop_partials(self, tile: Tile) -> None:
        """Remove every partial tile of a complete one. Raises SiteError."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it: the log, how many entries the target's checkpoint covered before and covers
    now, and what was written."""

    origin: str
    before: int
    size: int
    files: int
    bytes: int


def publish(source: Path | Source, target: Target, vkeys: Sequence[str]) -> Published:
    """Bring a target up to the source's published checkpoint, which ``vkeys`` must have signed.

    Raises EvidenceError where the source is damaged or the target holds something else, SiteError
    where the target cannot be written.
    """
    keys = [Verifier.parse(vkey) for vkey in vkeys]
    store = Store(source)
    note = store.note()
    if note is None:
        raise _refused(f"{store.source.place} holds no checkpoint", "publish a log that was begun")
    head = open_checkpoint(note, keys)
    before = _before(store, Store(target), head, keys)
    written = [
        len(data) for name, data in _files(store, before, head.size) if _put(target, name, data)
    ]
    if target.read(CHECKPOINT, len(note)) != note:
        target.write(CHECKPOINT, note)
        written.append(len(note))
    for tile in _completed(before, head.size):
        target.drop_partials(tile)
    return Published(head.origin, before, head.size, len(written), sum(written))


def _before(store: Store, target: Store, head: Checkpoint, keys: Sequence[Verifier]) -> int:
    """The size that the target is at: 0, or that of a checkpoint which the source extends."""
    note = target.note()
    if note is None:
        return 0
    there = open_checkpoint(note, keys)
    if there.origin != head.origin:
        raise _refused(f"{target.source.place} holds another log, {there.origin}", _ELSEWHERE)
    if there.size > head.size:
        raise _refused(
            f"{target.source.place} holds {there.size} entries and this log {head.size}: one of"
            " them was rolled back",
            "keep both as they are and find out which; do not publish over it",
        )
    proof = Prover(store, head.size).consistency(there.size)
    verify_consistency(there.size, there.root, head.size, head.root, proof)
    return there.size


def _files(store: Store, before: int, size: int) -> Iterator[tuple[str, bytes]]:
    """Everything that a tree of ``size`` has and one of ``before`` entries lacks."""
    keys = store.source.read(VKEY, _MAX_KEYS_BYTES)
    if keys is not None:
        yield VKEY, keys
    for tile in _tiles(None, size, before):
        yield tile.path, encode_bundle(store.bundle(tile.index, tile.width))
    level, span = 0, 1
    while size >= span:
        for tile in _tiles(level, size // span, before // span):
            yield tile.path, store.tile(tile)
        level, span = level + 1, span * TILE_WIDTH


def _tiles(level: int | None, nodes: int, before: int) -> Iterator[Tile]:
    """Tiles of a level with so many nodes, from the first that was not complete before."""
    for index in range(before // TILE_WIDTH, -(-nodes // TILE_WIDTH)):
        yield Tile(level, index, min(TILE_WIDTH, nodes - index * TILE_WIDTH))


def _completed(before: int, size: int) -> Iterator[Tile]:
    """Tiles that were partial at a size and are complete now."""
    tile = Tile(None, before // TILE_WIDTH)
    if tile.index < size // TILE_WIDTH:
        yield tile
    level, span = 0, 1
    while size >= span * TILE_WIDTH:
        index = before // span // TILE_WIDTH
        if index < size // span // TILE_WIDTH:
            yield Tile(level, index)
        level, span = level + 1, span * TILE_WIDTH


def _put(target: Target, name: str, data: bytes) -> bool:
    """Write a file that is never written again; whether it was not there yet."""
    there = target.read(name, MAX_BUNDLE_BYTES)
    if there is None:
        target.write(name, data)
    elif there != data:
        raise _refused(f"{target.place} holds another {name} than this log", _ELSEWHERE)
    return there is None


@dataclass(frozen=True, slots=True)
class DirectoryTarget(DirectorySource):
    """A directory that a web server serves as it is."""

    def write(self, name: str, data: bytes) -> None:
        """See `Target.write`."""
        disk, path = Disk(), self.directory / name
        fresh = path.with_name(f".{path.name}.new")
        with refusal(f"{name} could not be published"):
            disk.make_directories(path.parent)
            disk.remove(fresh)
            disk.write_synced(fresh, data)
            disk.rename(fresh, path)
            disk.sync_directory(path.parent)

    def drop_partials(self, tile: Tile) -> None:
        """See `Target.drop_partials`."""
        partials = self.directory / f"{tile.path}.p"
        with refusal(f"{tile.path}.p could not be removed"):
            if partials.is_dir():
                disk = Disk()
                for partial in partials.iterdir():
                    disk.remove(partial)
                disk.remove_directory(partials)


_ELSEWHERE = "publish to another place, and find out what is there"


def _refused(failed: str, next_step: str) -> EvidenceError:
    return EvidenceError(
        failed, expected="a target that holds nothing, or this log's beginning", next_step=next_step
    )
