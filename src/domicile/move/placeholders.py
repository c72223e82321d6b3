"""Trying placeholders before anything moves: what CHECK constraints and domains say of the rows
that a plan would project. Asked with SELECT alone, of the very rows; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from domicile.inventory import DatabaseRules, TableRules, in_keys
from domicile.sites.postgres import TableName, table_rows

__all__ = ["placeholder_blockers"]

_CHECKS = """
SELECT c.conname, pg_get_expr(c.conbin, c.conrelid), ARRAY(
    SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) ORDER BY a.attnum)
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n
    ON n.oid = r.relnamespace
WHERE (n.nspname, r.relname) = (%s, %s) AND c.contype = 'c'
    AND coalesce(to_jsonb(c) ->> 'conenforced', 'true') = 'true'
ORDER BY c.conname
"""
_DOMAINS = """
SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE (n.nspname, r.relname) = (%s, %s) AND t.typtype = 'd' AND a.attnum > 0
ORDER BY a.attnum
"""
_GENERATED = """
SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE (n.nspname, r.relname) = (%s, %s) AND a.attgenerated <> ''
ORDER BY a.attnum
"""
_REFUSED = (psycopg.errors.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException)


def placeholder_blockers(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    keys: Mapping[TableName, str],
    rows: Mapping[TableName, int],
    site: str,
) -> Iterator[str]:
    """Constraints that the public projections of rows would break. ``keys``: by table, the
    session's temporary table that names them; ``rows``: how many they are. What cannot be asked
    (an expression that this user may not evaluate) is left to the move, which stops there."""
    for name, temporary in sorted(keys.items()):
        table = rules.tables[name]
        if not rows.get(name) or table.projection.problems or not table.projection.removed:
            continue
        where = in_keys(table.table, temporary, "t")
        for problem in _domains(connection, table, where) or _checks(connection, table, where):
            yield f"{site}: {rows[name]:,} rows of {name} need a public projection, but {problem}"


def _domains(connection: psycopg.Connection, table: TableRules, where: sql.Composable) -> list[str]:
    broken = []
    for column, domain in _catalogue(connection, _DOMAINS, table):
        if column in table.projection.removed:
            value = table.projection.value(table.table.column(column), "t")
            query = sql.SQL("SELECT count({}) < 0 FROM {} AS t WHERE {}")
            if _refuses(connection, query.format(value, _name(table), where)):
                broken.append(
                    f"the placeholder of {table.table.name}.{column} breaks the domain"
                    f" {domain}: make the column public, or loosen the domain"
                )
    return broken


def _checks(connection: psycopg.Connection, table: TableRules, where: sql.Composable) -> list[str]:
    generated = _catalogue(connection, _GENERATED, table)
    changed = {*table.projection.removed, *(name for name, _ in generated)}
    broken = []
    for name, expression, columns in _catalogue(connection, _CHECKS, table):
        query = sql.SQL("SELECT EXISTS (SELECT FROM ({}) AS r WHERE ({}) IS FALSE)").format(
            _projected(table, generated, where), sql.SQL(expression)
        )
        if changed & set(columns) and _refuses(connection, query):
            broken.append(
                f"placeholders break the CHECK constraint {name} of {table.table.name}"
                f" ({', '.join(columns)}): make these columns public, or nullable, or loosen the"
                " constraint"
            )
    return broken


def _projected(
    table: TableRules, generated: Sequence[tuple[str, str]], where: sql.Composable
) -> sql.Composable:
    """The rows as they would be, under their columns' names, generated ones computed anew."""
    stored = sql.SQL("SELECT {} FROM {} AS t WHERE {}").format(
        sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(
                table.projection.value(column, "t"), sql.Identifier(column.name)
            )
            for column in table.table.stored_columns
        ),
        _name(table),
        where,
    )
    computed = [
        sql.SQL("({}) AS {}").format(sql.SQL(expression), sql.Identifier(name))
        for name, expression in generated
    ]
    return sql.SQL("SELECT {} FROM ({}) AS s").format(
        sql.SQL(", ").join([sql.SQL("s.*"), *computed]), stored
    )


def _refuses(connection: psycopg.Connection, query: sql.Composable) -> bool:
    """Whether the answer is yes, or the server refuses a value."""
    try:
        with connection.transaction():
            row = connection.execute(sql.Composed([query])).fetchone()
    except _REFUSED:
        return True
    except psycopg.ProgrammingError:
        return False
    return bool(row and row[0])


def _catalogue(
    connection: psycopg.Connection, query: str, table: TableRules
) -> list[tuple[Any, ...]]:
    name = table.table.name
    return connection.execute(query.encode(), (name.schema, name.name)).fetchall()


def _name(table: TableRules) -> sql.Composable:
    return table_rows(table.table.name)
