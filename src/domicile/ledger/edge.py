"""The right edge of a stored tree: all that a writer needs to go on, in a handful of files."""

from __future__ import annotations

from domicile.errors import EvidenceError
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.store import Store
from domicile.ledger.tiles import TILE_WIDTH, Tile, TreeEdge

__all__ = ["read_edge"]


def read_edge(store: Store, size: int) -> tuple[TreeEdge, list[bytes]]:
    """The edge of the tree of ``size`` leaves and the entries of its last, partial bundle.

    Raises EvidenceError where a file is missing or has another length, or where the last entries
    do not fit their hashes. The root is the caller's to compare.
    """
    edge = TreeEdge(size)
    nodes, level = size, 0
    while nodes:
        full, rest = divmod(nodes, TILE_WIDTH)
        edge.levels.append(store.hashes(Tile(level, full, rest)) if rest else [])
        nodes, level = full, level + 1
    tail = store.bundle(size // TILE_WIDTH, size % TILE_WIDTH) if size % TILE_WIDTH else []
    if [leaf_hash(entry) for entry in tail] != (edge.levels[0] if edge.levels else []):
        raise EvidenceError(
            f"the entries from {size - size % TILE_WIDTH} on do not fit their hashes in the tree",
            expected="every entry as it was signed",
            next_step="keep the directory as it is, restore a copy of it elsewhere and compare",
        )
    return edge, tail
