"""Reading a log's directory: checkpoint, tiles, bundles. What is read is hostile until verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.merkle import HASH_BYTES
from domicile.ledger.note import MAX_NOTE_BYTES, parse_note
from domicile.ledger.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    split_hashes,
)

__all__ = ["CHECKPOINT", "PRIVATE", "SIGNED", "VKEY", "Store", "stored_tiles"]

CHECKPOINT = "checkpoint"
VKEY = "log.vkey"
PRIVATE = ".log"  # lock, temporary files, the last note signed: not for serving
SIGNED = f"{PRIVATE}/signed"


class Store:
    """A log's directory, for reading."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def note(self, name: str = CHECKPOINT) -> bytes | None:
        """The bytes of a note, None where there is no such file. Raises EvidenceError."""
        return self._read(name, MAX_NOTE_BYTES)

    def checkpoint(self) -> Checkpoint:
        """The published checkpoint, its signature not verified. Raises EvidenceError."""
        data = self.note()
        if data is None:
            raise _missing(f"{self.directory} holds no checkpoint")
        return Checkpoint.parse(parse_note(data).text)

    def hashes(self, tile: Tile) -> list[bytes]:
        """A tile's hashes. Raises EvidenceError where it is missing or has another length."""
        data = self._read(tile.path, TILE_WIDTH * HASH_BYTES)
        if data is not None:
            return split_hashes(data, tile.width)
        data = self._read(tile.full.path, TILE_WIDTH * HASH_BYTES)
        if data is None:
            raise _missing(f"{tile.path} is missing")
        return split_hashes(data, TILE_WIDTH)[: tile.width]

    def bundle(self, index: int, width: int) -> list[bytes]:
        """The first ``width`` entries of a bundle. Raises EvidenceError."""
        tile = Tile(None, index, width)
        data = self._read(tile.path, MAX_BUNDLE_BYTES)
        if data is not None:
            return decode_bundle(data, width)
        data = self._read(tile.full.path, MAX_BUNDLE_BYTES)
        if data is None:
            raise _missing(f"{tile.path} is missing")
        return decode_bundle(data, TILE_WIDTH)[:width]

    def entries(self, size: int, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries ``start`` to ``size`` with their indices. Raises EvidenceError."""
        for first in range(start - start % TILE_WIDTH, size, TILE_WIDTH):
            bundle = self.bundle(first // TILE_WIDTH, min(TILE_WIDTH, size - first))
            for offset, entry in enumerate(bundle):
                if first + offset >= start:
                    yield first + offset, entry

    def _read(self, name: str, limit_bytes: int) -> bytes | None:
        try:
            with (self.directory / name).open("rb") as file:
                data = file.read(limit_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _missing(f"{name} cannot be read ({error.strerror})") from error
        if len(data) > limit_bytes:
            raise _missing(f"{name} has more than {limit_bytes:,} bytes")
        return data


def stored_tiles(directory: Path) -> Iterator[Tile]:
    """Every tile and bundle that the directory holds, in no order; other names are left out."""
    for path in (directory / "tile").rglob("*"):
        tile = Tile.parse(path.relative_to(directory).as_posix())
        if tile is not None and path.is_file():
            yield tile


def _missing(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a log as C2SP tlog-tiles lays it out",
        next_step="restore the directory from a copy, then run `domicile ledger verify`",
    )
