"""Finding entries: the index says where to look, the log says what is there.

Every entry that is shown was read from the log, fits its hash in the tile, and an inclusion proof
leads from that tile to the signed root. Where the index names an entry that is not asked for, it
is made anew and asked again, before anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn

from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.index import Index, Misled
from domicile.ledger.keys import Verifier
from domicile.ledger.merkle import leaf_hash, verify_inclusion
from domicile.ledger.note import open_checkpoint
from domicile.ledger.proofs import Prover
from domicile.ledger.store import Store
from domicile.ledger.terms import Found, Query, read_found
from domicile.ledger.tiles import TILE_WIDTH

__all__ = ["Search"]

_KEPT_BUNDLES = 256
"""Proved with one `Prover`, which keeps their tiles: 5 MiB."""


class Search:
    """Finds entries of the log in a directory, as far as its published checkpoint goes.

    head is that checkpoint, signed under one of ``vkeys``. Raises UsageError on a malformed key,
    EvidenceError where the checkpoint is not signed or the log does not lead to it.
    """

    def __init__(self, directory: Path, vkeys: Sequence[str], index: Path) -> None:
        self._store = Store(directory)
        verifiers = [Verifier.parse(vkey) for vkey in vkeys]
        self.head: Checkpoint = open_checkpoint(self._note(), verifiers)
        self._index = Index(index, self._store, self.head)

    @property
    def made_anew(self) -> str:
        """Why the index was made anew, if it was."""
        return self._index.made_anew

    def rebuild(self) -> None:
        """Make the index anew, whatever it is like."""
        self._index.rebuild("it was asked for")

    def find(self, query: Query, limit: int) -> list[int]:
        """The numbers of the first ``limit`` entries that are asked for, in the log's order."""
        try:
            return list(islice(self._find(query), limit))
        except Misled as error:
            self._index.rebuild(error.why)
        return list(islice(self._find(query), limit))

    def read(self, numbers: Iterable[int]) -> Iterator[Found]:
        """Entries out of the log, each proved to be under the signed root. Raises EvidenceError."""
        proved = _Proved(self._store, self.head)
        for number in numbers:
            yield read_found(number, proved.entry(number))

    def _find(self, query: Query) -> Iterator[int]:
        for found in self.read(self._within(self._index.candidates(query))):
            if not query.fits(found):
                raise Misled(f"it takes entry {found.number} for what it is not")
            if query.reads(found):
                yield found.number

    def _within(self, numbers: Iterator[int]) -> Iterator[int]:
        for number in numbers:
            if not 0 <= number < self.head.size:
                raise Misled(f"it names an entry {number}, which the log does not have")
            yield number

    def _note(self) -> bytes:
        note = self._store.note()
        return note if note is not None else _no_checkpoint()


class _Proved:
    """Reads entries that are proved, a bundle at a time."""

    def __init__(self, store: Store, head: Checkpoint) -> None:
        self._store, self._head = store, head
        self._prover, self._used = Prover(store, head.size), 0
        self._block = -1
        self._entries: list[bytes] = []
        self._leaves: list[bytes] = []

    def entry(self, number: int) -> bytes:
        block, offset = divmod(number, TILE_WIDTH)
        if block != self._block:
            self._turn_to(block)
        data = self._entries[offset]
        if leaf_hash(data) != self._leaves[offset]:
            raise EvidenceError(
                f"entry {number} does not fit its hash in the tree",
                expected="every entry as it was signed",
                next_step="run `domicile ledger verify`, then restore the log from a copy",
            )
        return data

    def _turn_to(self, block: int) -> None:
        """Prove a tile's first leaf: the path is computed from all other hashes of the tile, so
        that one proof proves them all."""
        if self._used == _KEPT_BUNDLES:
            self._prover, self._used = Prover(self._store, self._head.size), 0
        self._used += 1
        first = block * TILE_WIDTH
        leaves, path = self._prover.leaves(block), self._prover.inclusion(first)
        verify_inclusion(leaves[0], first, self._head.size, path, self._head.root)
        width = min(TILE_WIDTH, self._head.size - first)
        self._entries, self._leaves = self._store.bundle(block, width), leaves
        self._block = block


def _no_checkpoint() -> NoReturn:
    raise EvidenceError(
        "there is no ledger here: it has no checkpoint",
        expected="a log with its signed checkpoint",
        next_step="run `domicile scan`, or restore the ledger's directory from a copy",
    )
