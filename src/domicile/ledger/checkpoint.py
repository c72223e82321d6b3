"""C2SP tlog-checkpoint: the text of a tree head. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domicile.errors import EvidenceError
from domicile.ledger.base64 import decode_base64, encode_base64
from domicile.ledger.merkle import HASH_BYTES

__all__ = ["Checkpoint"]

_MIN_LINES = 4  # origin, size, root, and what follows the last newline
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. root has 32 bytes; extensions are further lines, none empty."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text."""
        lines = [self.origin, str(self.size), encode_base64(self.root), *self.extensions]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text. Raises EvidenceError where it is no checkpoint."""
        lines = text.split("\n")
        if len(lines) < _MIN_LINES or lines.pop() or "" in lines or not _SIZE.match(lines[1]):
            raise _refused("the note is not a checkpoint")
        root = decode_base64(lines[2])
        if root is None or len(root) != HASH_BYTES:
            raise _refused("the checkpoint's root is not a SHA-256 hash")
        return cls(lines[0], int(lines[1]), root, tuple(lines[3:]))


def _refused(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a tree head as C2SP tlog-checkpoint spells it",
        next_step="fetch the checkpoint again; if it stays so, keep it as evidence",
    )
