"""Recompute a whole tree from its entries and compare it with every tile, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from domicile.errors import EvidenceError
from domicile.ledger.merkle import EMPTY_ROOT, leaf_hash
from domicile.ledger.store import Store, stored_tiles
from domicile.ledger.tiles import TILE_WIDTH, Tile, TreeEdge, split_hashes

__all__ = ["Walk"]


@dataclass(slots=True)
class Walk:
    """One pass over a log of ``size`` entries.

    report is called with one sentence per problem; it may raise, to stop at the first one.
    entries() yields what could be read; afterwards edge is the recomputed tree, tail the entries
    of the last partial bundle, and roots the root at every size in ``stops``.
    complete is False where entries or their hashes are missing: then edge says nothing.
    """

    store: Store
    size: int
    report: Callable[[str], None]
    stops: frozenset[int] = frozenset()
    edge: TreeEdge = field(default_factory=TreeEdge)
    tail: list[bytes] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    complete: bool = True

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """Read, recompute and compare everything; every readable entry with its index."""
        if 0 in self.stops:
            self.roots[0] = EMPTY_ROOT
        first = 0
        while first < self.size:
            width = min(TILE_WIDTH, self.size - first)
            entries = self._bundle(first // TILE_WIDTH, width)
            hashes = self._hashes(Tile(0, first // TILE_WIDTH, width))
            self.tail = entries if entries is not None and width < TILE_WIDTH else []
            if entries is None and hashes is None:
                first = self._skip(first)
                continue
            self._grow(first, entries, hashes)
            yield from enumerate(entries or (), first)
            first += width
        for tile, data in self.edge.partials():
            self._compare(tile, data)

    def _bundle(self, index: int, width: int) -> list[bytes] | None:
        try:
            return self.store.bundle(index, width)
        except EvidenceError as error:
            self.report(f"{Tile(None, index, width).path}: {error.failed}")
            return None

    def _hashes(self, tile: Tile) -> list[bytes] | None:
        try:
            return self.store.hashes(tile)
        except EvidenceError as error:
            self.report(f"{tile.path}: {error.failed}")
            return None

    def _grow(self, first: int, entries: list[bytes] | None, hashes: list[bytes] | None) -> None:
        """Grow the tree by the entries; where they cannot be read, by the tile's hashes."""
        leaves = [leaf_hash(entry) for entry in entries] if entries is not None else hashes
        if leaves is None:
            self.complete = False
            return
        for offset, leaf in enumerate(leaves):
            if hashes is not None and hashes[offset] != leaf:
                self.report(f"entry {first + offset} does not fit its hash in the tree")
            if self.complete:
                self._append(leaf)

    def _append(self, leaf: bytes) -> None:
        for tile, data in self.edge.append(leaf):
            self._compare(tile, data)
        if self.edge.size in self.stops:
            self.roots[self.edge.size] = self.edge.root()

    def _compare(self, tile: Tile, data: bytes) -> None:
        """Compare a tile above level 0; level 0 was compared entry by entry."""
        if tile.level == 0 or not self.complete:
            return
        stored = self._hashes(tile)
        if stored is not None and stored != split_hashes(data, tile.width):
            self.report(f"{tile.path} does not follow from the entries under it")

    def _skip(self, first: int) -> int:
        """Where the next bundle or tile begins. An unsigned size may be absurd: never count up
        to it.
        """
        self.complete = False
        blocks = (tile.index for tile in stored_tiles(self.store.directory) if not tile.level)
        later = (block * TILE_WIDTH for block in blocks if block * TILE_WIDTH > first)
        following = min(min(later, default=self.size), self.size)
        self.report(f"entries {first} to {following - 1} are missing")
        return following
