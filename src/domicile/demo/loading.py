"""Load the demo's world into a PostgreSQL server: tables, rows, then keys, indexes, references."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import psycopg
from psycopg import sql

from domicile.demo.rows import TABLES, chunks
from domicile.demo.world import World

__all__ = ["create_database", "load"]

Progress = Callable[[str, int], None]
"""Called with what is being made and how many more of it there are now."""

_AFTER_THE_DATA = "-- after the data"


def create_database(server_url: str, database: str) -> None:
    """Make an empty database on a server."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def load(url: str, world: World, progress: Progress = lambda _what, _more: None) -> dict[str, int]:
    """Fill an empty database with the world and return the number of rows of each table."""
    before, _, after = _schema().partition(_AFTER_THE_DATA)
    with psycopg.connect(url) as connection:
        connection.execute(before.encode())
        rows = {table: _copy(connection, world, table, progress) for table in TABLES}
        progress("indexes", 0)
        connection.execute(("--" + after).encode())
        _set_sequences(connection)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return rows


def _schema() -> str:
    return resources.files("domicile.demo").joinpath("schema.sql").read_text(encoding="utf-8")


def _copy(
    connection: psycopg.Connection[tuple[object, ...]], world: World, table: str, progress: Progress
) -> int:
    columns = sql.SQL(", ").join(map(sql.Identifier, TABLES[table][0].split(",")))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    rows = 0
    with connection.cursor().copy(statement) as copy:
        for more, block in chunks(world, table):
            copy.write(block)
            rows += more
            progress(table, more)
    return rows


_IDENTITIES = """
SELECT c.relname::text, a.attname::text
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attidentity <> '' AND c.relnamespace = 'public'::regnamespace
"""


def _set_sequences(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """COPY does not advance the sequences behind identity columns."""
    for table, column in connection.execute(_IDENTITIES).fetchall():
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {} HAVING count(*) > 0"
            ).format(
                sql.Literal(table),
                sql.Literal(column),
                sql.Identifier(str(column)),
                sql.Identifier(str(table)),
            )
        )
