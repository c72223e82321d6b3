"""RFC 6962 section 2.1: hashes, roots, inclusion and consistency proofs. Pure.

A leaf is ``SHA-256(0x00 || entry)``, an inner node ``SHA-256(0x01 || left || right)``; a tree of n
leaves splits at the largest power of two smaller than n. Proofs are verified as RFC 9162 sections
2.1.3.2 and 2.1.4.2 spell out, over the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from domicile.errors import EvidenceError

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "leaf_hashes",
    "node_hash",
    "root_from_consistency",
    "root_from_inclusion",
    "root_of",
    "subtree_hashes",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """The hash of each entry."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes (or over the roots of equal, complete subtrees, of which only the
    last may be incomplete).
    """
    if not leaves:
        return EMPTY_ROOT
    row = list(leaves)
    while len(row) > 1:
        odd = [row[-1]] if len(row) % 2 else []
        pairs = zip(row[::2], row[1::2], strict=False)  # an odd one stays
        row = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return row[0]


def subtree_hashes(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that make up leaves ``start`` to ``end``, left to right, each as its
    level and its index among the subtrees of 2**level leaves. start is a multiple of the largest.
    """
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf ``index``, from the leaf's sibling upwards.

    Raises IndexError where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that the tree over the first ``first`` leaves is a prefix of the whole.

    Raises IndexError unless ``0 <= first <= len(leaves)``. Empty for 0 and for the whole.
    """
    if not 0 <= first <= len(leaves):
        raise IndexError(first)
    return [] if first == 0 else _subproof(leaves, first, known=True)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise EvidenceError unless ``leaf`` is leaf ``index`` of the tree of that size and root."""
    if root_from_inclusion(leaf, index, size, proof) != root:
        raise _broken(f"leaf {index} is not in the tree of size {size}")


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise EvidenceError unless the second tree only appends to the first."""
    if not 0 <= first <= second:
        raise _broken(f"size {second} cannot extend size {first}")
    if first == 0:
        if proof or first_root != EMPTY_ROOT:
            raise _broken("the empty tree has one root and needs no proof")
        return
    if root_from_consistency(first, first_root, second, proof) != second_root:
        raise _broken(f"the tree of size {second} does not extend the tree of size {first}")


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that the proof leads to (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise _broken(f"leaf {index} cannot be in a tree of size {size}")
    node, last, root = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise _broken("the inclusion proof is too long")
        if node & 1 or node == last:
            root = node_hash(step, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, step)
        node, last = node >> 1, last >> 1
    if last:
        raise _broken("the inclusion proof is too short")
    return root


def root_from_consistency(
    first: int, first_root: bytes, second: int, proof: Sequence[bytes]
) -> bytes:
    """The second root that the proof leads to (RFC 9162 section 2.1.4.2). ``first`` is above 0."""
    if first == second:
        if proof:
            raise _broken("equal sizes need no proof")
        return first_root
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        raise _broken("the consistency proof is too short")
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            raise _broken("the consistency proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    if last or old != first_root:
        raise _broken(f"the proof does not start from the tree of size {first}")
    return new


def _split(size: int) -> int:
    """The largest power of two smaller than ``size`` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _subproof(leaves: Sequence[bytes], first: int, *, known: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2; ``known``: the verifier has this subtree's root."""
    if first == len(leaves):
        return [] if known else [root_of(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_subproof(leaves[:split], first, known=known), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], first - split, known=False), root_of(leaves[:split])]


def _broken(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a proof that leads to the signed root",
        next_step="fetch the proof and the checkpoint again; if it stays, keep both as evidence",
    )
