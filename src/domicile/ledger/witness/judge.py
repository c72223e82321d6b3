"""What a witness answers to a checkpoint: C2SP tlog-witness, add-checkpoint. Pure.

The rules, in the order in which they are judged:

1. 400: the body is no old size, no consistency proof of at most 63 hashes, no checkpoint.
2. 404: its origin is none that the witness knows.
3. 403: no trusted key of that origin signed it, or one of them signed it wrongly.
4. 400: the old size is larger than the checkpoint's.
5. 409, with the size: the old size is not that of the last checkpoint that the witness co-signed
   (zero where there was none).
6. 422: the root is another for the same size, or not that of the empty tree for size zero; or the
   proof does not lead from the one tree to the other (from the empty tree it is empty).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domicile.errors import EvidenceError
from domicile.ledger.base64 import decode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import Verifier
from domicile.ledger.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from domicile.ledger.note import Note, parse_note, signed_part

__all__ = ["MAX_PROOF_LINES", "Refusal", "Submission", "judge", "read_submission"]

MAX_PROOF_LINES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint that its log signed, handed in. note carries the lines of trusted keys alone."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    head: Checkpoint


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a checkpoint is not co-signed. status is HTTP's; size, with 409, that of the last
    checkpoint that was. is_split: the log signed two trees of one size, which is proof."""

    status: int
    failed: str
    size: int | None = None
    is_split: bool = False


def read_submission(body: bytes, logs: Mapping[str, Sequence[Verifier]]) -> Submission | Refusal:
    """Rules 1 to 4. logs: the trusted keys by origin."""
    lines, blank, note_bytes = body.partition(b"\n\n")
    asked = _read_lines(lines) if blank else None
    if asked is None:
        return Refusal(400, "expected an old size, at most 63 hashes, an empty line, a checkpoint")
    try:
        note = parse_note(note_bytes)
        head = Checkpoint.parse(note.text)
    except EvidenceError as error:
        return Refusal(400, error.failed)
    if head.origin not in logs:
        return Refusal(404, "this witness does not know the log")
    try:
        note = signed_part(note, logs[head.origin])
    except EvidenceError as error:
        return Refusal(403, error.failed)
    old_size, proof = asked
    if old_size > head.size:
        return Refusal(400, f"the old size {old_size} is larger than the checkpoint's {head.size}")
    return Submission(old_size, proof, note, head)


def judge(submission: Submission, seen: Checkpoint | None) -> Refusal | None:
    """Rules 5 and 6; None: it is to be co-signed. seen: the last one that was."""
    head, old = submission.head, seen or Checkpoint(submission.head.origin, 0, EMPTY_ROOT)
    if submission.old_size != old.size:
        return Refusal(409, f"the last checkpoint co-signed has size {old.size}", old.size)
    if head.size == old.size and head.root != old.root:
        is_split = seen is not None and head.size > 0
        return Refusal(422, f"the root of size {head.size} is another one", is_split=is_split)
    try:
        verify_consistency(old.size, old.root, head.size, head.root, submission.proof)
    except EvidenceError as error:
        return Refusal(422, error.failed)
    return None


def _read_lines(lines: bytes) -> tuple[int, tuple[bytes, ...]] | None:
    """The old size and the hashes of the proof; None where it is something else."""
    first, *hashes = lines.decode("ascii", errors="replace").split("\n")
    old = _OLD.match(first)
    if old is None or len(hashes) > MAX_PROOF_LINES:
        return None
    proof = [data for data in map(decode_base64, hashes) if data and len(data) == HASH_BYTES]
    return (int(old[1]), tuple(proof)) if len(proof) == len(hashes) else None
