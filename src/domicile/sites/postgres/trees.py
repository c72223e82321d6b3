"""Trees of tables that inherit (INHERITS), from what the catalogue says. Pure.

Each table of a tree is one of its own: its rows are read ``ONLY``, keys and foreign keys are its
own. A query that names a table without ONLY reads what inherits from it as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from domicile.sites.postgres.catalogue_queries import RelationRow

__all__ = ["heirs_of"]


def heirs_of(relations: Iterable[RelationRow]) -> dict[int, set[int]]:
    """By table, what inherits from it, however far below; itself included."""
    parents = {row.oid: row.inherits for row in relations}
    heirs: dict[int, set[int]] = {oid: {oid} for oid in parents}
    for oid, above in parents.items():
        waiting = list(above)
        while waiting:
            parent = waiting.pop()
            if parent in heirs and oid not in heirs[parent]:
                heirs[parent].add(oid)
                waiting += parents[parent]
    return heirs
