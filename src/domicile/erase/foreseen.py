"""What an erasure is about to do with rows, written down before it takes effect: a reduced row
names nobody any more, so who finds it done can't count it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from domicile.errors import EvidenceError
from domicile.inventory import write_bytes

__all__ = ["RowErasure", "read_foreseen", "write_foreseen"]


@dataclass(frozen=True, slots=True)
class RowErasure:
    """What became of a shard's rows. before: rows that were there."""

    shard: str
    before: int
    erased: int
    reduced: int


def write_foreseen(path: Path, done: Sequence[RowErasure]) -> None:
    """Write down, durably, what becomes of shards. Raises SiteRefused."""
    write_bytes(path, msgspec.json.encode(list(done)))


def read_foreseen(path: Path) -> dict[str, RowErasure]:
    """What was written down last, by shard; nothing where nothing was. Raises EvidenceError."""
    try:
        done = msgspec.json.decode(path.read_bytes(), type=list[RowErasure])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError):
        raise EvidenceError(
            f"what an erasure foresaw cannot be read: {path.name}",
            expected="the file as it was written before the erasure",
            next_step="see who changed the records; without the file, what is left is counted",
        ) from None
    return {erasure.shard: erasure for erasure in done}
