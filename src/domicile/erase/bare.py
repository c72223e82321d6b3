"""Erasing members' rows in which nothing is protected: those that nobody refers to any more.

They lie at home with their public columns, which verification compared. Who refers to them is
known only when the rows that did are erased, so they come after their table's other rows. What
others still refer to is the public projection already, and stays.
"""

from __future__ import annotations

from functools import partial

import psycopg
from psycopg import sql

from domicile.erase.dependents import led_to
from domicile.erase.foreseen import RowErasure
from domicile.erase.rows import in_one_transaction, not_as_verified
from domicile.inventory import DatabaseRules, TableRules, Workplace
from domicile.move import KEYS_TABLE, RowShard, load_keys, same_key, site_digest
from domicile.sites.postgres import TableName, note_large_objects, remove_large_objects, table_rows

__all__ = ["erase_bare"]


def erase_bare(
    here: Workplace,
    session: tuple[psycopg.Connection, DatabaseRules],
    site: str,
    shard: RowShard,
    verified: tuple[int, str],
) -> RowErasure:
    """Erase what of a shard nobody refers to. ``verified``: rows and digest. Where nothing such is
    left, an earlier attempt did it. Raises SourceChanged, SiteError."""
    return in_one_transaction(
        session[0], site, partial(_erase, here, session, site, shard, verified)
    )


def _erase(
    here: Workplace,
    session: tuple[psycopg.Connection, DatabaseRules],
    site: str,
    shard: RowShard,
    verified: tuple[int, str],
) -> RowErasure:
    connection, rules = session
    table = rules.tables[TableName(shard.schema, shard.table)]
    load_keys(here, session, shard)
    there = site_digest(session, shard)
    if there.sha256 != verified[1] and _unreferred(connection, rules, table):
        raise not_as_verified(site, shard)
    if table.large_objects:
        rows = sql.SQL("SELECT t.* FROM {} AS t, {} AS k WHERE {}").format(
            *_tables(table), _condition(rules, table)
        )
        note_large_objects(connection, rows, table.large_objects)
    erased = connection.execute(
        sql.SQL("DELETE FROM {} AS t USING {} AS k WHERE {}").format(
            *_tables(table), _condition(rules, table)
        )
    ).rowcount
    if table.large_objects:
        remove_large_objects(connection)
    left = there.rows - erased
    return RowErasure(shard.id, there.rows, max(verified[0] - left, 0), left)


def _unreferred(connection: psycopg.Connection, rules: DatabaseRules, table: TableRules) -> bool:
    row = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} AS t, {} AS k WHERE {})").format(
            *_tables(table), _condition(rules, table)
        )
    ).fetchone()
    return bool(row and row[0])


def _tables(table: TableRules) -> tuple[sql.Composable, sql.Composable]:
    return table_rows(table.table.name), sql.Identifier("pg_temp", KEYS_TABLE)


def _condition(rules: DatabaseRules, table: TableRules) -> sql.Composable:
    return sql.SQL("{} AND {} AND NOT {} AND {} IS NOT TRUE").format(
        same_key(table.table, "t", "k"),
        table.bare(rules.key, "t"),
        table.referred("t"),
        led_to(rules, table.table.name, "t", {}),
    )
