"""Which object ids belong under which key at home: what proofs say, and the store does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from domicile.inventory import Evidence
from domicile.ledger import decode
from domicile.ledger.entries import kind_of
from domicile.move.entries import ShardVerified
from domicile.move.history import is_of_objects, proven, recorded_proofs

__all__ = ["Bindings", "Bound", "read_bindings"]

_MOST_KEPT = 10_000
_VERIFIED = f'"kind":"{kind_of(ShardVerified)[0]}"'.encode()
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


class Bindings:
    """What the proofs in the ledger bind to home's keys, as it grows."""

    def __init__(self, records: Path, evidence: Evidence) -> None:
        self._records, self._evidence = records, evidence
        self._mark: tuple[int, ...] | None = None
        self._size = 0
        self._proofs: list[Path] = []
        self._known: dict[str, Bound | None] = {}

    def of(self, key: str) -> Bound | None:
        """What was proven under a key, if anything. Raises EvidenceError where a proof is not the
        one in the ledger, or can't be read."""
        self._read()
        if key not in self._known:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[key] = read_bindings(self._proofs, key, key).get(key)
        return self._known[key]

    def _read(self) -> None:
        mark = self._evidence.mark()
        if mark == self._mark:
            return
        for at, data in self._evidence.since(self._size):
            body = decode(data).body if _VERIFIED in data else None
            if isinstance(body, ShardVerified) and is_of_objects(body):
                self._proofs += recorded_proofs(self._records, body)
                self._known.clear()
            self._size = at + 1
        self._mark = mark
