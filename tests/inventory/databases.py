"""A fresh database with a script run in it, for tests of what the server is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql

from domicile.charter import Charter
from domicile.inventory import DatabaseRules, rules_for
from domicile.people import key_columns, load_people
from domicile.sites.postgres import Connection, TableName, read_database
from tests.services.postgres import PostgresServer, fresh_database

Session = tuple[Connection, DatabaseRules]


@contextmanager
def opened(server: PostgresServer, script: str) -> Iterator[Connection]:
    """A session of a new database; ``script`` may name tables without their schema."""
    with fresh_database(server).connect() as connection:
        connection.execute("SET search_path TO public")
        connection.execute(script)
        connection.execute("SET search_path TO pg_catalog, pg_temp")
        connection.commit()
        yield connection


@contextmanager
def member_database(
    server: PostgresServer, script: str, charter: Charter, members: Sequence[str]
) -> Iterator[Session]:
    """As `opened`, with its rules and the persons of these ids loaded as members."""
    with opened(server, script) as connection:
        rules = rules_of(connection, charter)
        people = rules.database.tables[TableName.parse(charter.people.table)]
        key = key_columns(people, charter.people.key)
        load_people(connection, key, [((who,), True) for who in members])
        yield connection, rules


def rules_of(connection: Connection, charter: Charter) -> DatabaseRules:
    """The rules of what the database has now."""
    rules = rules_for(charter, read_database(connection))
    connection.commit()
    return rules


def column(connection: Connection, query: sql.Composable | str) -> list[object]:
    """The first column of what a query answers."""
    composed = sql.SQL(query) if isinstance(query, str) else query
    return [row[0] for row in connection.execute(sql.Composed([composed]))]
