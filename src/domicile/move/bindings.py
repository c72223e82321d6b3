"""Which object ids belong under which key at home: what proofs say, and the store does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from domicile.move.history import proven

__all__ = ["Bound", "read_bindings"]

_COLUMNS = ["key", "kind", "dataset", "object_ids"]


@dataclass(slots=True)
class Bound:
    """What was proven at home under one key: its dataset, and the ids of its sealed versions, in
    hex."""

    dataset: str
    object_ids: set[str] = field(default_factory=set)


def read_bindings(proofs: Iterable[Path], first: str, last: str) -> dict[str, Bound]:
    """What these proofs bind to the keys from first to last. Raises EvidenceError where one cannot
    be read."""
    found: dict[str, Bound] = {}
    for row in proven(proofs, _COLUMNS, first, last):
        if row["kind"] == "version":
            bound = found.setdefault(row["key"], Bound(row["dataset"]))
            bound.object_ids.update(row["object_ids"])
    return found
