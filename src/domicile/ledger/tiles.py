"""C2SP tlog-tiles: names and contents of tiles and entry bundles, and the growing tree. Pure.

A tile holds up to 256 hashes of one level (level L: roots of subtrees of 256**L leaves); a bundle
the entries under one level-0 tile. The rightmost of a level is partial: ``.p/W``, W from 1 to 255.
What is complete never changes again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from domicile.errors import EvidenceError
from domicile.ledger.merkle import EMPTY_ROOT, HASH_BYTES, root_of

__all__ = [
    "MAX_BUNDLE_BYTES",
    "MAX_ENTRY_BYTES",
    "TILE_WIDTH",
    "Tile",
    "TreeEdge",
    "check_width",
    "decode_bundle",
    "encode_bundle",
    "split_hashes",
    "tiles_of",
]

TILE_WIDTH = 256
MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Names one tile, or (level None) the entry bundle ``index``. width is 1 to 256."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """``tile/0/x001/x234/067.p/8``, ``tile/entries/000``."""
        level = "entries" if self.level is None else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{level}/{_number(self.index)}{partial}"

    @property
    def full(self) -> Tile:
        """The same tile once it is complete."""
        return Tile(self.level, self.index)

    @classmethod
    def parse(cls, path: str) -> Tile | None:
        """The tile that a path names, or None: only the one canonical spelling counts."""
        match = _PATH.match(path)
        if match is None:
            return None
        level = None if match[1] == "entries" else int(match[1])
        width = int(match[3]) if match[3] else TILE_WIDTH
        tile = cls(level, int(match[2].replace("/", "").replace("x", "")), width)
        return tile if tile.path == path else None

    def within(self, size: int) -> bool:
        """Whether a tree of ``size`` leaves has this very tile, as complete or as partial."""
        span: int = TILE_WIDTH ** (self.level or 0)
        nodes = size // span - self.index * TILE_WIDTH
        return nodes >= TILE_WIDTH if self.width == TILE_WIDTH else nodes == self.width


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile (not bundle) of a tree of ``size`` leaves, level by level, partial ones last."""
    level, nodes = 0, size
    while nodes:
        full, rest = divmod(nodes, TILE_WIDTH)
        yield from (Tile(level, index) for index in range(full))
        if rest:
            yield Tile(level, full, rest)
        level, nodes = level + 1, full


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each behind its length as a big-endian uint16. None may exceed 65,535 bytes."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The ``width`` entries of a bundle. Raises EvidenceError on any other number of them."""
    entries: list[bytes] = []
    at = 0
    try:
        for _ in range(width):
            begin = at + 2
            at = begin + (data[at] << 8 | data[at + 1])
            entries.append(data[begin:at])
    except IndexError:
        at = len(data) + 1
    if at != len(data):  # where it is equal, no slice can have been cut off
        raise _misfit(data, width)
    return entries


def _misfit(data: bytes, width: int) -> EvidenceError:
    """What is wrong with a bundle that does not hold exactly so many entries."""
    count = at = 0
    while at < len(data) and count <= width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            return _broken(f"the bundle is cut off after {count} entries", width)
        count, at = count + 1, end
    more = "more" if count > width else "only"
    return _broken(f"the bundle holds {more} {min(count, width)} entries", width)


def check_width(data: bytes, width: int) -> bytes:
    """A tile of ``width`` hashes. Raises EvidenceError on any other length."""
    if len(data) != width * HASH_BYTES:
        raise _broken(f"the tile has {len(data)} bytes", width)
    return data


def split_hashes(data: bytes, width: int) -> list[bytes]:
    """The ``width`` hashes of a tile. Raises EvidenceError on any other length."""
    check_width(data, width)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


@dataclass(slots=True)
class TreeEdge:
    """The right edge of a growing tree: all that appending and the root need.

    Invariant: ``levels[L]`` holds the hashes of level L's partial tile, 0 to 255 of them.
    """

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)

    def copy(self) -> TreeEdge:
        """An edge that grows independently."""
        return TreeEdge(self.size, [list(level) for level in self.levels])

    def append(self, node: bytes, level: int = 0) -> list[tuple[Tile, bytes]]:
        """Add a leaf hash, or the hash of 256**level leaves where no leaf waits below that level;
        the tiles that became complete by it, with their contents."""
        self.size += TILE_WIDTH**level
        complete: list[tuple[Tile, bytes]] = []
        carried = node
        while True:
            while level >= len(self.levels):
                self.levels.append([])
            row = self.levels[level]
            row.append(carried)
            if len(row) < TILE_WIDTH:
                return complete
            index = self.size // TILE_WIDTH ** (level + 1) - 1
            complete.append((Tile(level, index), b"".join(row)))
            carried = root_of(row)
            row.clear()
            level += 1

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """`append` for leaf hashes of which only the last may complete a tile."""
        if not leaves:
            return []
        if not self.levels:
            self.levels.append([])
        self.levels[0] += leaves[:-1]
        self.size += len(leaves) - 1
        return self.append(leaves[-1])

    def partials(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles of this size, with their contents."""
        return [
            (Tile(level, self.size // TILE_WIDTH ** (level + 1), len(row)), b"".join(row))
            for level, row in enumerate(self.levels)
            if row
        ]

    def root(self) -> bytes:
        """The root of the tree of this size."""
        lower: list[bytes] = []  # the incomplete subtree right of a level's hashes, if any
        for row in self.levels:
            if row or lower:
                lower = [root_of([*row, *lower])]
        return lower[0] if lower else EMPTY_ROOT


def _number(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def _broken(failed: str, width: int) -> EvidenceError:
    return EvidenceError(
        failed,
        expected=f"exactly {width} of them",
        next_step="restore the file from a copy of the log; the checkpoint tells which is right",
    )
