"""Reading a log: checkpoint, tiles, bundles. What is read is hostile until it is verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.merkle import HASH_BYTES
from domicile.ledger.note import MAX_NOTE_BYTES, parse_note
from domicile.ledger.sources import DirectorySource, Source, unreadable
from domicile.ledger.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    Tile,
    check_width,
    decode_bundle,
    split_hashes,
)

__all__ = ["CHECKPOINT", "PRIVATE", "SIGNED", "VKEY", "Store"]

CHECKPOINT = "checkpoint"
VKEY = "log.vkey"
PRIVATE = ".log"  # lock, temporary files, the last note signed: not for serving
SIGNED = f"{PRIVATE}/signed"


class Store:
    """A log's files, for reading: a directory's, or another source's."""

    def __init__(self, source: Path | Source) -> None:
        self.source = DirectorySource(source) if isinstance(source, Path) else source

    def note(self, name: str = CHECKPOINT) -> bytes | None:
        """The bytes of a note, None where there is no such file. Raises EvidenceError."""
        return self.source.read(name, MAX_NOTE_BYTES)

    def checkpoint(self) -> Checkpoint:
        """The published checkpoint, its signature not verified. Raises EvidenceError."""
        data = self.note()
        if data is None:
            raise unreadable(f"{self.source.place} holds no checkpoint")
        return Checkpoint.parse(parse_note(data).text)

    def tile(self, tile: Tile) -> bytes:
        """A tile's hashes, one behind the other; out of the complete tile where that has replaced
        it. Raises EvidenceError where it is missing or has another length."""
        data = self.source.read(tile.path, TILE_WIDTH * HASH_BYTES)
        if data is None and tile.width < TILE_WIDTH:
            data = self.source.read(tile.full.path, TILE_WIDTH * HASH_BYTES)
            if data is not None:
                data = check_width(data, TILE_WIDTH)[: tile.width * HASH_BYTES]
        if data is None:
            raise unreadable(f"{tile.path} is missing")
        return check_width(data, tile.width)

    def hashes(self, tile: Tile) -> list[bytes]:
        """A tile's hashes. Raises EvidenceError where it is missing or has another length."""
        return split_hashes(self.tile(tile), tile.width)

    def bundle(self, index: int, width: int) -> list[bytes]:
        """The first ``width`` entries of a bundle. Raises EvidenceError."""
        tile = Tile(None, index, width)
        data = self.source.read(tile.path, MAX_BUNDLE_BYTES)
        if data is not None:
            return decode_bundle(data, width)
        data = self.source.read(tile.full.path, MAX_BUNDLE_BYTES) if width < TILE_WIDTH else None
        if data is None:
            raise unreadable(f"{tile.path} is missing")
        return decode_bundle(data, TILE_WIDTH)[:width]

    def entries(self, size: int, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries ``start`` to ``size`` with their indices. Raises EvidenceError."""
        for first in range(start - start % TILE_WIDTH, size, TILE_WIDTH):
            bundle = self.bundle(first // TILE_WIDTH, min(TILE_WIDTH, size - first))
            for offset, entry in enumerate(bundle):
                if first + offset >= start:
                    yield first + offset, entry
