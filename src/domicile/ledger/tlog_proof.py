"""C2SP tlog-proof: one text that proves, offline, that an entry is in a log. Pure.

::

    c2sp.org/tlog-proof@v1
    extra BASE64                 where there is any: opaque, and authenticated by nothing
    index 73894
    BASE64                       the inclusion proof, from the leaf's sibling up to the root's child

    the signed checkpoint, verbatim
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domicile.errors import EvidenceError
from domicile.ledger.base64 import decode_base64, encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import Verifier
from domicile.ledger.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from domicile.ledger.note import MAX_NOTE_BYTES, cosigners, open_checkpoint, parse_note

__all__ = ["TlogProof"]

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})\Z")
_EXTRA = "extra "
_MAX_STEPS = 63  # a tree has at most 2**63 leaves
_MAX_BYTES = 2 * MAX_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That some entry is leaf ``index`` of the tree that the checkpoint signs. path holds the
    hashes of RFC 6962 section 2.1.1, checkpoint the note's bytes, extra what an application adds.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The text, for a file ``*.tlog-proof``."""
        extra = [f"{_EXTRA}{encode_base64(self.extra)}"] if self.extra else []
        steps = [encode_base64(step) for step in self.path]
        lines = [_HEADER, *extra, f"index {self.index}", *steps, "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> TlogProof:
        """Read a proof; nothing in it is verified. Raises EvidenceError where it is not spelled
        exactly as the specification says."""
        head, blank, checkpoint = data.partition(b"\n\n")
        if not blank or len(data) > _MAX_BYTES or not head.isascii():
            raise _refused("the proof is malformed")
        Checkpoint.parse(parse_note(checkpoint).text)
        lines = head.decode().split("\n")
        if lines.pop(0) != _HEADER:
            raise _refused("the proof does not begin as one")
        extra = b""
        if lines and lines[0].startswith(_EXTRA):
            extra = _bytes(lines.pop(0).removeprefix(_EXTRA))
        index = _INDEX.match(lines.pop(0) if lines else "")
        if index is None or len(lines) > _MAX_STEPS:
            raise _refused("the proof names no index, or has more steps than a tree has levels")
        return cls(int(index[1]), tuple(_hash(line) for line in lines), checkpoint, extra)

    def verify(
        self,
        entry: bytes,
        keys: Sequence[Verifier],
        *,
        witnesses: Sequence[Verifier] = (),
        quorum: int = 0,
    ) -> Checkpoint:
        """Check that ``entry`` is where this says, in a tree that the log (``keys``) signed and at
        least ``quorum`` of the witnesses co-signed. Returns the tree's head.

        Raises EvidenceError.
        """
        head = open_checkpoint(self.checkpoint, keys)
        others = [witness for witness in witnesses if witness.name != head.origin]
        found = cosigners(self.checkpoint, others)
        if len(found) < quorum:
            raise _refused(f"{len(found)} of the named witnesses co-signed, not {quorum}")
        verify_inclusion(leaf_hash(entry), self.index, head.size, self.path, head.root)
        return head


def _bytes(text: str) -> bytes:
    data = decode_base64(text)
    if not data:
        raise _refused("a line of the proof is not canonical base64")
    return data


def _hash(text: str) -> bytes:
    data = _bytes(text)
    if len(data) != HASH_BYTES:
        raise _refused("a step of the proof is not a SHA-256 hash")
    return data


def _refused(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a proof as C2SP tlog-proof@v1 spells it, under keys that you trust",
        next_step="export it again; if it stays so, keep it as evidence",
    )
