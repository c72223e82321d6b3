"""Inclusion and consistency proofs out of stored tiles: a few files, whatever the log's size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from domicile.ledger.merkle import root_of, subtree_hashes
from domicile.ledger.store import Store
from domicile.ledger.tiles import TILE_WIDTH, Tile

__all__ = ["Prover"]

_HEIGHT = 8  # a tile spans this many levels of the tree


@dataclass(slots=True)
class Prover:
    """Proves things about the tree of ``size`` leaves. Keeps the tiles that it read and the nodes
    that it made of them: one for some thousands of proofs, not for a million."""

    store: Store
    size: int
    _tiles: dict[Tile, list[bytes]] = field(default_factory=dict)
    _nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def inclusion(self, index: int) -> list[bytes]:
        """The audit path of leaf ``index`` (RFC 6962 section 2.1.1).

        Raises IndexError where there is no such leaf, EvidenceError where a tile is missing.
        """
        if not 0 <= index < self.size:
            raise IndexError(index)
        return _path(self._range, 0, self.size, index)

    def consistency(self, first: int) -> list[bytes]:
        """The proof that the tree of the first ``first`` leaves is a prefix of this one (RFC 6962
        section 2.1.2). Empty for 0 and for the whole. Raises like `inclusion`."""
        if not 0 <= first <= self.size:
            raise IndexError(first)
        return [] if first == 0 else _subproof(self._range, 0, self.size, first, known=True)

    def leaves(self, block: int) -> list[bytes]:
        """The leaf hashes of the level-0 tile ``block``, the same that proofs are made from."""
        return self._hashes(Tile(0, block, min(TILE_WIDTH, self.size - block * TILE_WIDTH)))

    def root(self) -> bytes:
        """The root that the tiles lead to."""
        return self._range(0, self.size)

    def _range(self, start: int, end: int) -> bytes:
        """The hash of the subtree over these leaves; start is a multiple of its full width."""
        parts = [self._known(level, at) for level, at in subtree_hashes(start, end)]
        while len(parts) > 1:
            parts[-2:] = [root_of(parts[-2:])]
        return parts[0] if parts else root_of([])

    def _known(self, level: int, index: int) -> bytes:
        if (level, index) not in self._nodes:
            self._nodes[level, index] = self._node(level, index)
        return self._nodes[level, index]

    def _node(self, level: int, index: int) -> bytes:
        """A node of the complete tree: ``index`` among those that span 2**level leaves."""
        stored, above = divmod(level, _HEIGHT)
        first, last = index << above, (index + 1) << above
        nodes = self.size >> (_HEIGHT * stored)
        tile_index = first // TILE_WIDTH
        width = min(TILE_WIDTH, nodes - tile_index * TILE_WIDTH)
        hashes = self._hashes(Tile(stored, tile_index, width))
        offset = tile_index * TILE_WIDTH
        return root_of(hashes[first - offset : last - offset])

    def _hashes(self, tile: Tile) -> list[bytes]:
        if tile not in self._tiles:
            self._tiles[tile] = self.store.hashes(tile)
        return self._tiles[tile]


_Range = Callable[[int, int], bytes]


def _path(hash_of: _Range, start: int, end: int, index: int) -> list[bytes]:
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start = middle
    return path[::-1]


def _subproof(hash_of: _Range, start: int, end: int, first: int, *, known: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962; first counts from the log's beginning."""
    if first == end:
        return [] if known else [hash_of(start, end)]
    middle = start + _split(end - start)
    if first <= middle:
        return [*_subproof(hash_of, start, middle, first, known=known), hash_of(middle, end)]
    return [*_subproof(hash_of, middle, end, first, known=False), hash_of(start, middle)]


def _split(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)
