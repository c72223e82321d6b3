"""Proofs from tiles are those that the whole list of leaves gives, and verify."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.errors import EvidenceError
from domicile.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from domicile.ledger.proofs import Prover
from domicile.ledger.store import Store
from domicile.ledger.tiles import TreeEdge

LEAVES = [sha256(number.to_bytes(4, "big")).digest() for number in range(66_000)]


class Tiles:
    """The tiles of a tree as files would be, in memory; counts what is read."""

    place = "memory"

    def __init__(self, size: int) -> None:
        edge = TreeEdge()
        self.files = {tile.path: d for leaf in LEAVES[:size] for tile, d in edge.append(leaf)}
        self.files |= {tile.path: data for tile, data in edge.partials()}
        self.reads = 0

    def read(self, name: str, limit_bytes: int) -> bytes | None:  # noqa: ARG002
        self.reads += 1
        return self.files.get(name)

    def tiles(self) -> None:
        """Nobody asks."""


STORES = {size: Tiles(size) for size in (1, 2, 255, 256, 257, 512, 1_000, 65_536, 66_000)}


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(STORES)))
def test_inclusion_proofs_are_those_of_the_whole_list(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = Prover(Store(STORES[size]), size).inclusion(index)
    if size <= 1_000:
        assert proof == inclusion_proof(LEAVES[:size], index)
    verify_inclusion(LEAVES[index], index, size, proof, _root(size))


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(STORES)))
def test_consistency_proofs_are_those_of_the_whole_list(data: st.DataObject, size: int) -> None:
    first = data.draw(st.integers(0, size))
    prover = Prover(Store(STORES[size]), size)
    proof = prover.consistency(first)
    if size <= 1_000:
        assert proof == consistency_proof(LEAVES[:size], first)
    verify_consistency(first, root_of(LEAVES[:first]), size, _root(size), proof)
    assert prover.root() == _root(size)


_roots: dict[int, bytes] = {}


def _root(size: int) -> bytes:
    return _roots.setdefault(size, root_of(LEAVES[:size]))


def test_a_proof_reads_a_handful_of_tiles() -> None:
    store = STORES[66_000]
    store.reads = 0
    Prover(Store(store), 66_000).inclusion(12_345)
    assert store.reads <= 5


def test_an_older_size_is_proven_from_the_tiles_of_a_later_one() -> None:
    later = Store(Tiles(600))
    Prover(later, 512).inclusion(300)
    with pytest.raises(EvidenceError, match="missing"):
        Prover(later, 555).inclusion(540)  # its partial tile is gone


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_what_is_not_there_has_no_proof(index: int) -> None:
    with pytest.raises(IndexError):
        Prover(Store(Tiles(5)), 5).inclusion(index)


def test_no_tree_is_longer_than_itself() -> None:
    with pytest.raises(IndexError):
        Prover(Store(Tiles(5)), 5).consistency(6)
