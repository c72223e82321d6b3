from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError
from domicile.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# From the tests of certificate-transparency: its eight leaves and the root at each size.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
LEAVES.append("606162636465666768696a6b6c6d6e6f")
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = max(2**e for e in range(20) if 2**e < len(hashes))
    return node_hash(naive_root(hashes[:split]), naive_root(hashes[split:]))


def test_the_empty_tree_has_the_published_root() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]).hex() == empty


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert root_of(hashes).hex() == ROOTS[size - 1]


@given(st.integers(0, 200))
def test_roots_equal_a_naive_tree(size: int) -> None:
    assert root_of(leaves(size)) == naive_root(leaves(size))


@given(st.data())
def test_every_inclusion_proof_verifies_and_no_altered_one(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 130))
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    proof, root = inclusion_proof(hashes, index), root_of(hashes)
    verify_inclusion(hashes[index], index, size, proof, root)
    for wrong in _altered(proof, data):
        with pytest.raises(EvidenceError):
            verify_inclusion(hashes[index], index, size, wrong, root)
    for other in {index - 1, index + 1, size + index}:
        with pytest.raises(EvidenceError):
            verify_inclusion(hashes[index], other, size, proof, root)


@given(st.data())
def test_every_consistency_proof_verifies_and_no_altered_one(data: st.DataObject) -> None:
    second = data.draw(st.integers(1, 130))
    first = data.draw(st.integers(1, second))
    hashes = leaves(second)
    proof = consistency_proof(hashes, first)
    old, new = root_of(hashes[:first]), root_of(hashes)
    verify_consistency(first, old, second, new, proof)
    for wrong in _altered(proof, data):
        with pytest.raises(EvidenceError):
            verify_consistency(first, old, second, new, wrong)
    with pytest.raises(EvidenceError):
        verify_consistency(first, leaf_hash(b"other"), second, new, proof)
    with pytest.raises(EvidenceError):
        verify_consistency(first, old, second, leaf_hash(b"other"), proof)


def test_anything_extends_the_empty_tree_and_nothing_shrinks() -> None:
    verify_consistency(0, EMPTY_ROOT, 5, root_of(leaves(5)), [])
    with pytest.raises(EvidenceError):
        verify_consistency(0, leaf_hash(b"x"), 5, root_of(leaves(5)), [])
    with pytest.raises(EvidenceError):
        verify_consistency(5, root_of(leaves(5)), 4, root_of(leaves(4)), [])


def test_proofs_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(leaves(3), 3)
    with pytest.raises(IndexError):
        consistency_proof(leaves(3), 4)


def _altered(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    wrong = [[*proof, leaf_hash(b"more")]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        wrong += [proof[:at] + proof[at + 1 :], [*proof[:at], flipped, *proof[at + 1 :]]]
    return wrong
