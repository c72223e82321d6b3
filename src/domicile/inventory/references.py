"""Which rows others still need: the closure of a set of rows over foreign keys, in the server.

Used on both sides of a move. Home needs what its members' rows refer to; the old site keeps what
the rows that stay refer to. Keys of the rows found are put into temporary tables of the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count

import psycopg
from psycopg import sql

from domicile.errors import PlanError
from domicile.inventory.soft import Reference, child_values, referred_values
from domicile.inventory.tables import DatabaseRules, identity
from domicile.sites.postgres import Table, TableName, table_rows

__all__ = ["Closure", "Condition", "close_references", "in_keys"]

_ROUND = "domicile: found in round"
Condition = Callable[[str], sql.Composable]
"""From a row's alias to an SQL condition on it."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Per table, the temporary table that holds the keys found, and how many they are."""

    tables: Mapping[TableName, str]
    rows: Mapping[TableName, int]


def close_references(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    *,
    seeds: Mapping[TableName, Condition],
    candidates: Mapping[TableName, Condition],
) -> Closure:
    """The candidate rows that seed rows refer to, closed over the references which the found
    rows' public projections keep. Runs in the caller's transaction; its temporary tables vanish
    at the end of it.

    Raises PlanError where a table that is referred to has no key to name its rows by.
    """
    keys = [key for key in rules.references if key.parent in candidates]
    tables = {
        parent: _create(connection, rules.database.tables[parent], number)
        for number, parent in enumerate(sorted({key.parent for key in keys}))
    }
    search = _Search(connection, rules, candidates, tables)
    found = search.follow(
        0, [(key, _seeded(key, seeds[key.child])) for key in keys if key.child in seeds]
    )
    for last in count():
        chained = [
            (key, search.found(key, last))
            for key in keys
            if key.child in found and rules.tables[key.child].projection.keeps(key.columns)
        ]
        if not chained:
            break
        found = search.follow(last + 1, chained)
    return Closure(tables, {name: _count(connection, temp) for name, temp in tables.items()})


def in_keys(table: Table, temporary: str, alias: str) -> sql.Composable:
    """Whether the row ``alias`` is one of the keys found."""
    return sql.SQL("({}) IN (SELECT {} FROM {})").format(
        _columns(identity(table), alias),
        sql.SQL(", ").join(sql.Identifier(name) for name in identity(table)),
        sql.Identifier("pg_temp", temporary),
    )


def _create(connection: psycopg.Connection, table: Table, number: int) -> str:
    columns = identity(table)
    if not columns:
        raise PlanError(
            f"rows of {table.name} are referred to, and it has neither primary nor unique key",
            expected="a key that names each row",
            next_step=f"add a primary key to {table.name}",
        )
    name = f"domicile_keys_{number}"
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("pg_temp", name)))
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ({}, {} int, PRIMARY KEY ({})) ON COMMIT DROP").format(
            sql.Identifier(name),
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(
                    sql.Identifier(column),
                    sql.SQL(table.column(column).type),
                )
                for column in columns
            ),
            sql.Identifier(_ROUND),
            sql.SQL(", ").join(sql.Identifier(column) for column in columns),
        )
    )
    return name


@dataclass(frozen=True, slots=True)
class _Search:
    """A search in rounds, of which each looks only at what the round before found: chains of
    references get longer as there are more people."""

    connection: psycopg.Connection
    rules: DatabaseRules
    candidates: Mapping[TableName, Condition]
    tables: Mapping[TableName, str]

    def follow(
        self, number: int, references: Iterable[tuple[Reference, sql.Composable]]
    ) -> set[TableName]:
        """Do a round: add what is referred to. The tables of which there is something new."""
        found = {key.parent for key, values in references if self._add(number, key, values)}
        for name in sorted(found):
            temporary = sql.Identifier("pg_temp", self.tables[name])
            self.connection.execute(sql.SQL("ANALYZE {}").format(temporary))
        return found

    def _add(self, number: int, key: Reference, values: sql.Composable) -> int:
        cursor = self.connection.execute(
            sql.SQL(
                "INSERT INTO {} SELECT {}, {} FROM {} AS t WHERE ({}) IN ({}) AND {}"
                " ON CONFLICT DO NOTHING"
            ).format(
                sql.Identifier("pg_temp", self.tables[key.parent]),
                _columns(identity(self.rules.database.tables[key.parent]), "t"),
                sql.Literal(number),
                table_rows(key.parent),
                referred_values(key, "t"),
                values,
                self.candidates[key.parent]("t"),
            )
        )
        return cursor.rowcount

    def found(self, key: Reference, number: int) -> sql.Composable:
        """What the rows refer to that a round found."""
        columns = identity(self.rules.database.tables[key.child])
        return sql.SQL(
            "SELECT {} FROM {} AS s WHERE ({}) IN (SELECT {} FROM {} WHERE {} = {})"
        ).format(
            child_values(key, "s"),
            table_rows(key.child),
            _columns(columns, "s"),
            sql.SQL(", ").join(sql.Identifier(name) for name in columns),
            sql.Identifier("pg_temp", self.tables[key.child]),
            sql.Identifier(_ROUND),
            sql.Literal(number),
        )


def _seeded(key: Reference, seed: Condition) -> sql.Composable:
    return sql.SQL("SELECT {} FROM {} AS s WHERE {}").format(
        child_values(key, "s"), table_rows(key.child), seed("s")
    )


def _count(connection: psycopg.Connection, temporary: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("pg_temp", temporary))
    ).fetchone()
    return int(row[0]) if row else 0


def _columns(columns: tuple[str, ...], alias: str) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in columns)
