"""What the charter and the catalogue together say about each table's rows. Pure.

A table's rows are one of: *personal* (paths lead to persons; protected or public), *whole* (public
and about nobody: reference data, copied whole), or *undecided* (not examined).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from domicile.charter import Classification
from domicile.inventory.projection import Projection
from domicile.inventory.soft import (
    Reference,
    SoftReference,
    child_values,
    referred_values,
)
from domicile.people import (
    Lists,
    PersonPath,
    Undecided,
    alone,
    belongs,
    shared,
)
from domicile.sites.postgres import Database, Table, TableName, table_rows

__all__ = ["DatabaseRules", "TableRules", "identity"]

_LISTS = Lists()


@dataclass(frozen=True, slots=True)
class TableRules:
    """How one table is treated on one database. dataset is its name in the charter, or the
    table's own. paths is empty for a whole table. referrers are foreign keys into it, but of tables
    that can't be read, and what holds its rows softly. copies: a row with several persons goes to
    each of them. large_objects: the columns that name some. lists: where sessions have persons."""

    dataset: str
    table: Table
    classification: Classification
    paths: tuple[PersonPath, ...]
    projection: Projection
    referrers: tuple[Reference, ...]
    copies: bool = False
    large_objects: tuple[str, ...] = ()
    lists: Lists = _LISTS

    @property
    def whole(self) -> bool:
        """Public and about nobody."""
        return not self.paths

    @property
    def protected(self) -> bool:
        """Members' rows must lie at home and nowhere else."""
        return bool(self.paths) and self.classification == "protected"

    @property
    def keyed(self) -> bool:
        """Whether a key names its rows."""
        return bool(identity(self.table))

    def keeps(self, columns: Sequence[str]) -> bool:
        """Whether an erasure leaves these columns as they are in rows that stay."""
        return not self.protected or self.projection.keeps(columns)

    def names_one(self, columns: Sequence[str]) -> bool:
        """Whether no two rows have the same in these columns."""
        keys = [key for key in (self.table.primary_key, *self.table.unique) if key]
        return any(set(key) <= set(columns) for key in keys)

    def never_null(self, columns: Sequence[str]) -> bool:
        """Whether every row holds something in each of these columns."""
        return all(self.table.column(name).not_null for name in columns)

    @property
    def reducible(self) -> bool:
        """Whether rows may have to stay, reduced: others can refer to them, by a key."""
        return bool(self.referrers) and self.keyed

    def reduced(self, alias: str) -> sql.Composable:
        """Nothing protected is left in the row, and somebody still refers to it."""
        if not self.referrers:
            return sql.SQL("false")
        return sql.SQL("(CASE WHEN {} THEN {} ELSE false END)").format(
            self.projection.at_placeholders(alias), self.referred(alias)
        )

    def referred(self, alias: str) -> sql.Composable:
        """Whether any row refers to the row ``alias``."""
        return sql.SQL("({})").format(
            sql.SQL(" OR ").join(_refers(key, alias) for key in self.referrers)
        )

    def belong(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's, and nobody else's where each person gets a copy:
        what leaves the old site."""
        if self.copies:
            return alone(self.paths, key, alias, self.lists)
        return belongs(self.paths, key, alias, self.lists.members)

    def shared(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's and somebody else's, of whom each gets a copy:
        what comes home and stays."""
        if not self.copies:
            return sql.SQL("false")
        return shared(self.paths, key, alias, self.lists)

    def homeward(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether home must hold the row ``alias``."""
        if not self.copies:
            return self.belong(key, alias)
        return sql.SQL("({} OR {})").format(self.belong(key, alias), self.shared(key, alias))

    def empty(self, alias: str) -> sql.Composable:
        """Whether nothing protected is in the row ``alias`` (any more), of a table to which others
        can refer."""
        if not self.reducible:
            return sql.SQL("(false)")
        return sql.SQL("({})").format(self.projection.at_placeholders(alias))

    def bare(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's with nothing protected in it (any more). Says
        nothing of who refers to it: that changes while others' rows are erased."""
        if not self.reducible:
            return sql.SQL("false")
        return sql.SQL("({} AND {})").format(
            self.belong(key, alias), self.projection.at_placeholders(alias)
        )

    def members(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's, and not bare: what is copied, verified and
        erased by key range."""
        if not self.reducible:
            return self.belong(key, alias)
        return sql.SQL("({} AND ({}) IS NOT TRUE)").format(
            self.belong(key, alias), self.projection.at_placeholders(alias)
        )


@dataclass(frozen=True, slots=True)
class DatabaseRules:
    """Every table of one database: treated by its rules, or undecided with the reason. soft: the
    soft hops of tables to others, public ones too; holding: those by which a row that stays holds
    another. register: the base types of a person's key, where the database has no people table of
    its own.
    """

    database: Database
    tables: Mapping[TableName, TableRules]
    undecided: Mapping[TableName, Undecided]
    key: tuple[str, ...]
    soft: tuple[SoftReference, ...] = ()
    holding: tuple[SoftReference, ...] = ()
    register: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """What makes a row stay where others that stay refer to it."""
        return (*self.database.foreign_keys, *self.holding)

    @property
    def erased_first(self) -> tuple[Reference, ...]:
        """References whose child must be erased before its parent, or with it."""
        needed = (soft for soft in self.soft if not soft.direct or soft in self.holding)
        return (*self.database.foreign_keys, *needed)

    @property
    def protected(self) -> list[TableRules]:
        """The protected tables, in name order."""
        return [rules for _, rules in sorted(self.tables.items()) if rules.protected]


def identity(table: Table) -> tuple[str, ...]:
    """Columns that name a row: the primary key, else a unique key without nulls, else none."""
    if table.primary_key:
        return table.primary_key
    for columns in table.unique:
        if all(table.column(name).not_null for name in columns):
            return columns
    return ()


def _refers(key: Reference, alias: str) -> sql.Composable:
    return sql.SQL("EXISTS (SELECT FROM {} AS referrer WHERE ({}) = ({}))").format(
        table_rows(key.child),
        child_values(key, "referrer"),
        referred_values(key, alias),
    )
