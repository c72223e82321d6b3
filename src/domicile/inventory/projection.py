"""The public projection of a table's rows: what may stay where others still refer to them. Pure.

Kept: the primary key, a person's key in the people table, the columns the charter calls public,
whatever other tables' foreign keys refer to, and the columns of foreign keys that may not be null
(those references stay). So it is with soft references, to the register too; values inside JSON do
not stay.
Every other column becomes null, or a named placeholder where null is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from domicile.inventory.soft import Reference, SoftReference
from domicile.sites.postgres import Column, Database, Table

__all__ = ["Projection", "project"]

_REMOVED = "removed-"
_DIGEST_LENGTH = 32  # of md5, in hex: tells apart what is too long to be written out
_LONGEST: Mapping[str, int] = {
    "pg_catalog.int2": 6,
    "pg_catalog.int4": 11,
    "pg_catalog.int8": 20,
    "pg_catalog.uuid": 36,
}
"""Types whose texts, joined by ``-``, can be told apart again; and their longest text."""

_PLACEHOLDERS: Mapping[str, str] = {"B": "false", "N": "0", "D": "epoch", "T": "0", "A": "{}"}
_BASE_PLACEHOLDERS: Mapping[str, str] = {
    "pg_catalog.time": "00:00",
    "pg_catalog.timetz": "00:00+00",
    "pg_catalog.date": "epoch",
    "pg_catalog.bytea": "",
    "pg_catalog.json": "{}",
    "pg_catalog.jsonb": "{}",
    "pg_catalog.inet": "::",
    "pg_catalog.cidr": "::/128",
    "pg_catalog.macaddr": "00:00:00:00:00:00",
    "pg_catalog.bit": "0",
    "pg_catalog.varbit": "",
    "pg_catalog.tsvector": "",
    "pg_catalog.xml": "",
    "pg_catalog.int4range": "empty",
    "pg_catalog.int8range": "empty",
    "pg_catalog.numrange": "empty",
    "pg_catalog.daterange": "empty",
    "pg_catalog.tsrange": "empty",
    "pg_catalog.tstzrange": "empty",
}


@dataclass(frozen=True, slots=True)
class Projection:
    """How a row of ``table`` looks without what is protected in it.

    kept: columns left as they are; removed: columns replaced, in table order.
    problems: why the table cannot be projected (each blocks a plan that needs it).
    """

    table: Table
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    problems: tuple[str, ...]

    def value(self, column: Column, alias: str) -> sql.Composable:
        """The projected value of one stored column of the row ``alias``."""
        if column.name in self.kept:
            return sql.Identifier(alias, column.name)
        return sql.SQL("CAST({} AS {})").format(
            self.placeholder(column, alias), sql.SQL(column.type)
        )

    def placeholder(self, column: Column, alias: str) -> sql.Composable:
        """What stands for a removed column, before a domain says whether it takes it."""
        return sql.SQL("CAST({} AS {})").format(
            _placeholder(self.table, column, alias), sql.SQL(column.plain_type)
        )

    def at_placeholders(self, alias: str) -> sql.Composable:
        """Whether nothing protected is left in the row ``alias``."""
        if not self.removed:
            return sql.SQL("true")
        return sql.SQL(" AND ").join(
            sql.SQL("{}::text IS NOT DISTINCT FROM ({})::text").format(
                sql.Identifier(alias, name), self.placeholder(self.table.column(name), alias)
            )
            for name in self.removed
        )

    def keeps(self, columns: Sequence[str]) -> bool:
        """Whether a reference through these columns survives the projection."""
        return all(column in self.kept for column in columns)


def project(
    database: Database,
    table: Table,
    public: Sequence[str],
    soft: Sequence[SoftReference] = (),
) -> Projection:
    """Decide the projection of a table, given its public columns and what refers softly."""
    references: list[Reference] = [*database.foreign_keys, *soft]
    outgoing = [key for key in references if key.child == table.name]
    incoming = [key for key in references if key.parent == table.name]
    kept = _kept(table, public, outgoing, incoming)
    stored = [column for column in table.stored_columns if column.name not in kept]
    problems = [reason for column in stored if (reason := _problem(table, column))]
    return Projection(
        table,
        tuple(column.name for column in table.stored_columns if column.name in kept),
        tuple(column.name for column in stored),
        tuple(problems),
    )


def _kept(
    table: Table,
    public: Sequence[str],
    outgoing: Sequence[Reference],
    incoming: Sequence[Reference],
) -> set[str]:
    kept = set(table.primary_key) | set(public)
    for key in incoming:
        kept |= set(key.parent_columns)
    for key in outgoing:
        in_json = isinstance(key, SoftReference) and key.hop.pointer
        if not in_json and all(table.column(name).not_null for name in key.columns):
            kept |= set(key.columns)
    return kept


def _problem(table: Table, column: Column) -> str:
    if not column.not_null:
        return ""
    where = f"{table.name}.{column.name}"
    unique = any(column.name in columns for columns in table.unique)
    short = not (_fits(table, column) or _fits_digest(column))
    distinct = column.base_type == "pg_catalog.uuid" or (column.category == "S" and not short)
    if unique and not (distinct and table.primary_key):
        return f"{where} is NOT NULL and UNIQUE, and {column.type} has no distinct placeholder"
    simple = {*_PLACEHOLDERS, "S", "E"}
    if column.category in simple or column.base_type in {*_BASE_PLACEHOLDERS, "pg_catalog.uuid"}:
        return ""
    return f"{where} is NOT NULL and {column.type} has no placeholder"


def _placeholder(table: Table, column: Column, alias: str) -> sql.Composable:
    if not column.not_null:
        return sql.SQL("NULL")
    if column.base_type == "pg_catalog.uuid":
        return sql.SQL("md5({})").format(_identity(table, alias))
    if column.category == "S":
        return _removed(table, column, alias)
    if column.category == "E":
        return sql.SQL("enum_first(NULL::{})").format(sql.SQL(column.type))
    fallback = _PLACEHOLDERS.get(column.category, "")
    return sql.Literal(_BASE_PLACEHOLDERS.get(column.base_type, fallback))


def _removed(table: Table, column: Column, alias: str) -> sql.Composable:
    """``removed-<id>``; where that may be too long, with the id's digest, or cut short."""
    text = sql.SQL("{} || {}").format(sql.Literal(_REMOVED), _identity(table, alias))
    if _fits(table, column):
        return text
    if _fits_digest(column):
        return sql.SQL("{} || md5({})").format(sql.Literal(_REMOVED), _identity(table, alias))
    return sql.SQL("left({}, {})").format(text, sql.Literal(column.max_length))


def _fits(table: Table, column: Column) -> bool:
    """Whether ``removed-`` and any row's identity have room in the column."""
    if column.max_length is None:
        return True
    room = column.max_length - len(_REMOVED)
    for name in table.primary_key:
        part = table.column(name)
        longest = _LONGEST.get(part.base_type, part.max_length)
        if longest is None or (len(table.primary_key) > 1 and part.base_type not in _LONGEST):
            return False
        room -= longest
    return room - max(len(table.primary_key) - 1, 0) >= 0


def _fits_digest(column: Column) -> bool:
    return column.max_length is None or column.max_length >= len(_REMOVED) + _DIGEST_LENGTH


def _identity(table: Table, alias: str) -> sql.Composable:
    """The primary key as one text, which no two rows share."""
    if not table.primary_key:
        return sql.SQL("''")
    parts = [sql.Identifier(alias, name) for name in table.primary_key]
    plain = all(table.column(name).base_type in _LONGEST for name in table.primary_key)
    if len(parts) > 1 and not plain:
        return sql.SQL("ROW({})::text").format(sql.SQL(", ").join(parts))
    return sql.SQL(" || '-' || ").join(sql.SQL("{}::text").format(part) for part in parts)
