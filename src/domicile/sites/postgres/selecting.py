"""SQL that reads and writes a table's rows, alike on every server. Pure.

Identifiers are always quoted. An order or a digest built here depends on no collation, no enum's
definition and no setting that a server may have its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from psycopg import sql

from domicile.sites.postgres.model import Column, TableName

__all__ = [
    "CopyFormat",
    "column_list",
    "copy_format",
    "copy_from_statement",
    "copy_to_statement",
    "order_terms",
    "ordered_as_text",
    "row_digests",
    "table_identifier",
    "table_rows",
]

CopyFormat = Literal["binary", "text"]

# Types whose own order is the same on every server.
_PLAIN = frozenset(
    f"pg_catalog.{name}"
    for name in (
        *("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "money", "uuid", "bytea"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "bit", "varbit"),
        *("inet", "cidr", "macaddr", "macaddr8", "pg_lsn"),
    )
)
# Types with a collation, whose order a server's locale would decide.
_TEXT_LIKE = frozenset(f"pg_catalog.{name}" for name in ("text", "varchar", "bpchar", "name"))


def copy_format(columns: Iterable[Column]) -> CopyFormat:
    """Binary where every column's type is on the allow-list, else text."""
    return "binary" if all(column.binary_safe for column in columns) else "text"


def table_identifier(table: TableName) -> sql.Identifier:
    """``"schema"."name"``."""
    return sql.Identifier(table.schema, table.name)


def table_rows(table: TableName) -> sql.Composable:
    """How every query names the rows of a table that it reads, changes or deletes.

    A partitioned table's are those of its partitions. Any other's are its own (``ONLY``): what
    inherits from it is a table of its own. Raises ValueError for a name that isn't the catalogue's:
    nothing says which of the two it is.
    """
    if table.is_root is None:
        raise ValueError(f"{table}: take the name from the database's catalogue")
    named = sql.SQL("{}") if table.is_root else sql.SQL("ONLY {}")
    return named.format(table_identifier(table))


def column_list(names: Iterable[str], alias: str = "") -> sql.Composed:
    """The columns, quoted, comma-separated, each under ``alias`` where one is given."""
    prefix = (alias,) if alias else ()
    return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in names)


def copy_to_statement(query: sql.Composable, form: CopyFormat) -> sql.Composed:
    """``COPY (query) TO STDOUT``."""
    return sql.SQL("COPY ({}) TO STDOUT (FORMAT {})").format(query, sql.SQL(form))


def copy_from_statement(table: TableName, columns: Sequence[str], form: CopyFormat) -> sql.Composed:
    """``COPY table (columns) FROM STDIN``; without columns, for a table that has none to load.
    Values for GENERATED ALWAYS AS IDENTITY columns are taken as they come."""
    listed = sql.SQL(" ({})").format(column_list(columns)) if columns else sql.SQL("")
    return sql.SQL("COPY {}{} FROM STDIN (FORMAT {})").format(
        table_identifier(table), listed, sql.SQL(form)
    )


def order_terms(columns: Iterable[Column], alias: str = "") -> sql.Composed:
    """What goes behind ORDER BY to sort by these columns in one way everywhere: text by the
    bytes it is stored as; what has an order of one server only by its text's (enums, arrays,
    composites, ranges, what holds an OID, types of extensions)."""
    return sql.SQL(", ").join(_order_term(column, alias) for column in columns)


def ordered_as_text(column: Column) -> bool:
    """Whether a column is compared by its text in an order made here."""
    return column.base_type not in _PLAIN | _TEXT_LIKE


def row_digests(query: sql.Composable, columns: Iterable[Column]) -> sql.Composed:
    """For rows without a key: the SHA-256 of each row's text, sorted. Equal for equal multisets
    of rows. ``query`` must name its columns as ``columns`` does; copy it in either format."""
    return sql.SQL(
        "SELECT pg_catalog.sha256(pg_catalog.textsend(CAST(ROW({}) AS text))) AS digest"
        " FROM ({}) AS rows ORDER BY 1"
    ).format(column_list((column.name for column in columns), "rows"), query)


def _order_term(column: Column, alias: str) -> sql.Composable:
    name = sql.Identifier(*((alias,) if alias else ()), column.name)
    if ordered_as_text(column):
        return sql.SQL('CAST({} AS text) COLLATE "C"').format(name)
    if column.base_type in _TEXT_LIKE:
        return sql.SQL('{} COLLATE "C"').format(name)
    return name
