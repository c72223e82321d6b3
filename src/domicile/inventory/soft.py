"""References without a foreign key: soft hops, by which a table's rows find their person. Pure.

The server doesn't keep them, so we do:
- What is attributed through a row is erased before it (`erase.order`, `erase.rows`).
- A row that stays reduced and keeps its columns *holds* the row to which these lead, as a foreign
  key would: without it nobody could say whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from domicile.people import Hop, PersonPath, held_values, parent_values
from domicile.sites.postgres import ForeignKey, TableName

__all__ = ["Reference", "SoftReference", "child_values", "referred_values", "soft_references"]


@dataclass(frozen=True, slots=True)
class SoftReference:
    """The rows of ``child`` lead over ``hop``. direct: to the person's own key, which the register
    knows without the row there."""

    child: TableName
    hop: Hop
    direct: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The child's."""
        return self.hop.columns

    @property
    def parent(self) -> TableName:
        """The table to which it leads."""
        return self.hop.parent

    @property
    def parent_columns(self) -> tuple[str, ...]:
        """What must be equal there."""
        return self.hop.parent_columns


Reference = ForeignKey | SoftReference


def soft_references(
    paths: Mapping[TableName, Sequence[PersonPath]], key: Sequence[str]
) -> Iterator[SoftReference]:
    """The soft hops with which these tables' paths begin, each once."""
    for table, ways in sorted(paths.items()):
        for hop in dict.fromkeys(path.hops[0] for path in ways if path.hops):
            if hop.foreign_key is None:
                last = any(path.hops == (hop,) for path in ways)
                yield SoftReference(table, hop, last and set(hop.parent_columns) == set(key))


def child_values(reference: Reference, alias: str) -> sql.Composable:
    """What a row of the referring table holds, in parentheses' worth of SQL."""
    if isinstance(reference, SoftReference):
        return sql.SQL(", ").join(held_values(reference.hop, alias))
    return _columns(reference.columns, alias)


def referred_values(reference: Reference, alias: str) -> sql.Composable:
    """What equals it in the row that is referred to."""
    if isinstance(reference, SoftReference):
        return sql.SQL(", ").join(parent_values(reference.hop, alias))
    return _columns(reference.parent_columns, alias)


def _columns(columns: Sequence[str], alias: str) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in columns)
