"""The tree over spans that were examined: every tile above the entries, and the roots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from domicile.errors import EvidenceError
from domicile.ledger.merkle import EMPTY_ROOT
from domicile.ledger.spans import SpanReport
from domicile.ledger.store import Store
from domicile.ledger.tiles import Tile, TreeEdge

__all__ = ["Growth"]


@dataclass(slots=True)
class Growth:
    """Fed with one span after the other. edge: the tree so far. roots: those at the sizes that
    were wanted. Where is_complete is False, entries with their hashes are missing: then edge and
    roots say nothing."""

    store: Store
    edge: TreeEdge = field(default_factory=TreeEdge)
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    is_complete: bool = True
    _missing: tuple[int, int] = (0, 0)

    def grow(self, report: SpanReport) -> list[str]:
        """Take in a span; what is wrong with the tree over it."""
        found: list[str] = []
        for start, end in report.missing:
            found += self._miss(start, end)
        if self._missing[1] != report.end:
            found += self._tell_missing()
        if self.is_complete:
            found += self._append(report)
        return found

    def finish(self) -> list[str]:
        """What is wrong with the tree's right edge, when there are no more spans."""
        found = self._tell_missing()
        if self.is_complete:
            for tile, data in self.edge.partials():
                found += self._compare(tile, data)
        return found

    def _append(self, report: SpanReport) -> Iterator[str]:
        for top in report.tops:
            before = self.edge.copy() if report.stops else self.edge
            for tile, data in self.edge.append(top, level=1):
                yield from self._compare(tile, data)
            self._stop(report, before)
        before = self.edge.copy()
        for leaf in report.leaves:
            self.edge.append(leaf)
        self._stop(report, before)

    def _stop(self, report: SpanReport, before: TreeEdge) -> None:
        """The roots wanted between the tree as it was before a bundle and the one now."""
        for size, leaves in report.stops.items():
            if before.size < size <= self.edge.size:
                edge = before.copy()
                for leaf in leaves:
                    edge.append(leaf)
                self.roots[size] = edge.root()

    def _compare(self, tile: Tile, data: bytes) -> Iterator[str]:
        """Compare a tile above level 0; level 0 was compared with its entries."""
        if tile.level == 0:
            return
        try:
            stored = self.store.tile(tile)
        except EvidenceError as error:
            yield f"{tile.path}: {error.failed}"
            return
        if stored != data:
            yield f"{tile.path} does not follow from the entries under it"

    def _miss(self, start: int, end: int) -> list[str]:
        """One sentence for entries that are missing one behind the other, when they end."""
        self.is_complete = False
        if self._missing[1] == start and self._missing[0] < start:
            self._missing = (self._missing[0], end)
            return []
        told = self._tell_missing()
        self._missing = (start, end)
        return told

    def _tell_missing(self) -> list[str]:
        start, end = self._missing
        self._missing = (0, 0)
        return [f"entries {start} to {end - 1} are missing"] if start < end else []
