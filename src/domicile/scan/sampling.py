"""Bounded samples of sites: some rows of every table, some keys of every store. Reads only.

Sampled values live in memory until they are counted (`proposal`); none is logged or kept. Tables
are sampled some dozen to a statement: a schema of a thousand tables takes some dozen statements,
each under a time limit, in read-only transactions.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

from domicile.people import PersonPath
from domicile.scan.keys import key_query
from domicile.scan.proposal.columns import family
from domicile.sites.objects.model import ObjectSite
from domicile.sites.postgres import (
    Column,
    Connection,
    Table,
    TableName,
    site_errors,
    site_name,
    table_identifier,
    table_rows,
)

__all__ = ["ROWS", "Sampler", "sample_keys"]

ROWS = 100  # of each table
_TABLES_AT_ONCE = 25
_SPREAD = 5  # so many times the rows are drawn from blocks all over a large table
_LARGE = 5_000
_LONGEST = 300  # characters of a value
_LARGEST_BYTES = 20_000  # of a value as stored; a larger one is passed over
_TOKENS_AT_ONCE = 5_000
_STATEMENT_MS = 15_000
_LOCK_MS = 2_000
_PAGES = 60
_KEYS = 20_000

Rows = Mapping[str, list[str]]
"""Values that are not NULL, by column."""
_UUID = re.compile(r"(?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}")  # as PostgreSQL reads them


@dataclass(slots=True)
class Sampler:
    """Draws samples in one read-only session. statements counts what was asked; failed says which
    tables gave no sample, and why."""

    connection: Connection
    statements: int = 0
    failed: dict[TableName, str] = field(default_factory=dict)

    def tables(self, tables: Iterable[Table]) -> Iterator[tuple[Table, Rows]]:
        """Up to `ROWS` rows of each table."""
        waiting = iter(tables)
        while batch := list(islice(waiting, _TABLES_AT_ONCE)):
            try:
                found = self._batch(batch)
            except psycopg.Error:
                self.connection.rollback()
                yield from self._singly(batch)
                continue
            for table in batch:
                # The planner's estimate may be old, and a sample of blocks may hit no rows.
                if not found[table.name] and table.estimated_rows > _LARGE:
                    yield from self._singly([table], sampled=False)
                else:
                    yield table, _columns(table, found[table.name])

    def _singly(
        self, tables: Sequence[Table], *, sampled: bool = True
    ) -> Iterator[tuple[Table, Rows]]:
        for table in tables:
            try:
                rows = self._batch([table], sampled=sampled)[table.name]
            except psycopg.Error as error:
                self.connection.rollback()
                self.failed[table.name] = type(error).__name__
                yield table, {}
            else:
                yield table, _columns(table, rows)

    def _batch(
        self, tables: Sequence[Table], *, sampled: bool = True
    ) -> dict[TableName, list[list[str | None]]]:
        parts = [_drawing(at, table, sampled=sampled) for at, table in enumerate(tables)]
        found: dict[TableName, list[list[str | None]]] = {table.name: [] for table in tables}
        for at, values in self._ask(sql.SQL(" UNION ALL ").join(parts)):
            found[tables[at].name].append(values)
        return found

    def spelled(self, table: Table, column: str) -> set[str]:
        """How a column spells things, in a sample of many rows."""
        query = sql.SQL(
            "SELECT DISTINCT left({}::text, 80) FROM (SELECT * FROM {} LIMIT 20000) AS s"
        )
        with site_errors(site_name(self.connection)):
            rows = self._ask(query.format(sql.Identifier("s", column), _from(table, 20_000)))
        return {row[0] for row in rows if row[0] is not None}

    def pairs(self, table: TableName, one: str, other: str) -> dict[str, str]:
        """Two columns of a small table, as text."""
        query = sql.SQL("SELECT {}::text, {}::text FROM {} LIMIT 1000").format(
            sql.Identifier(one), sql.Identifier(other), table_rows(table)
        )
        with site_errors(site_name(self.connection)):
            return {key: value for key, value in self._ask(query) if key and value}

    def persons(self, people: Table, key: str, tokens: Collection[str]) -> set[str]:
        """Those of these texts that are persons' keys."""
        kind = people.column(key).base_type
        wanted = sorted(token for token in tokens if _could_be(kind, token))
        column = sql.Identifier("p", key)
        found: set[str] = set()
        for at in range(0, len(wanted), _TOKENS_AT_ONCE):
            query = sql.SQL("SELECT {}::text FROM {} AS p WHERE {} = ANY({}::{}[])").format(
                column,
                table_identifier(people.name),
                column,
                sql.Literal(wanted[at : at + _TOKENS_AT_ONCE]),
                sql.Identifier(*kind.split(".", 1)),
            )
            with site_errors(site_name(self.connection)):
                found |= {row[0] for row in self._ask(query)}
        return found

    def keys_of_rows(
        self, path: PersonPath, key: Sequence[str], column: str
    ) -> tuple[tuple[str, str], ...]:
        """Keys of objects that a column names, with their row's person ("" for nobody)."""
        query = sql.SQL("{} LIMIT {}").format(key_query(path, tuple(key), column), 3 * ROWS)
        try:
            rows = self._ask(query)
        except psycopg.Error:
            self.connection.rollback()
            return ()
        return tuple((row[0], row[1] or "") for row in rows)

    def _ask(self, query: sql.Composed) -> list[tuple[Any, ...]]:
        self.statements += 1
        self.connection.execute(
            sql.SQL("SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}").format(
                _STATEMENT_MS, _LOCK_MS
            )
        )
        rows = self.connection.execute(query).fetchall()
        self.connection.rollback()
        return rows


def sample_keys(site: ObjectSite) -> set[str]:
    """Keys from every part of a listing: a page, then on behind the deepest folder that the whole
    page lies in."""
    found: set[str] = set()
    after = ""
    for _ in range(_PAGES):
        page = next(iter(site.versions(after=after)), [])
        found |= {version.key for version in page}
        if not page or len(found) >= _KEYS:
            break
        shared = posixpath.commonprefix([page[0].key, page[-1].key])
        folder, slash, _ = shared.rpartition("/")
        # "0" follows "/" in every order of bytes. One key may be all that its folder has.
        after = f"{folder}0" if slash and page[0].key != page[-1].key else page[-1].key
    return found


def _drawing(at: int, table: Table, *, sampled: bool) -> sql.Composable:
    values = sql.SQL(", ").join(map(_text, table.columns))
    return sql.SQL(
        "(SELECT {}, ARRAY[{}]::text[] FROM (SELECT * FROM {} LIMIT {}) AS s LIMIT {})"
    ).format(
        at,
        values,
        _from(table, ROWS * _SPREAD if sampled else 0),
        ROWS * _SPREAD if sampled else ROWS,
        ROWS,
    )


def _from(table: Table, rows: int) -> sql.Composable:
    name = table_rows(table.name)
    if not rows or table.estimated_rows <= max(_LARGE, 2 * rows):
        return name
    percent = max(min(100.0, 100.0 * rows / table.estimated_rows), 0.000_1)
    return sql.SQL("{} TABLESAMPLE SYSTEM ({})").format(name, percent)


def _text(column: Column) -> sql.Composable:
    """A value as text: the beginning of it, nothing of what is large."""
    name = sql.Identifier("s", column.name)
    kind = family(column.base_type)
    if kind == "B":
        return sql.SQL("NULL")
    if kind in "NDIUT":
        return sql.SQL("{}::text").format(name)
    return sql.SQL("CASE WHEN pg_column_size({}) < {} THEN left({}::text, {}) END").format(
        name, _LARGEST_BYTES, name, _LONGEST
    )


def _columns(table: Table, rows: Sequence[Sequence[str | None]]) -> Rows:
    return {
        column.name: [value for row in rows if (value := row[at]) is not None]
        for at, column in enumerate(table.columns)
    }


def _could_be(kind: str, token: str) -> bool:
    """Whether a text can be cast to the key's type: one that can't would fail them all."""
    if family(kind) == "N":
        written = token.isascii() and token.isdigit() and str(int(token[:20])) == token
        most = {"int2": 2**15, "int4": 2**31}.get(kind.removeprefix("pg_catalog."), 2**63)
        return written and len(token) <= 19 and int(token) < most
    if family(kind) == "U":
        return _UUID.fullmatch(token) is not None
    return family(kind) == "S" and 0 < len(token) <= 255 and "\0" not in token
