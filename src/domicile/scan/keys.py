"""Objects that a database column names: from key to person, indexed on disk for look-ups."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg import sql

from domicile.charter import ObjectDataset
from domicile.errors import CharterError
from domicile.inventory import DatabaseRules, Estate, Run, read_rules
from domicile.people import PersonPath, Register, held_values, parent_values, person_text
from domicile.sites.postgres import TableName, site_errors, table_rows

__all__ = ["KeyIndex", "index_keys", "key_query", "named_keys"]


class KeyIndex:
    """(dataset, key) -> persons, in an SQLite file that can be thrown away."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE IF NOT EXISTS keys (dataset TEXT, key TEXT, person TEXT,"
            " PRIMARY KEY (dataset, key, person)) WITHOUT ROWID;"
        )

    def add(self, dataset: str, pairs: Iterator[tuple[str, str]]) -> None:
        """Take in what one database says."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO keys VALUES (?, ?, ?)",
            ((dataset, key, person) for key, person in pairs),
        )
        self._database.execute("COMMIT")

    def persons(self, dataset: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The persons of these keys; keys that no row names are left out, rows that name nobody
        give no person."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(keys), 500):
            chunk = keys[start : start + 500]
            marks = ",".join("?" * len(chunk))
            for key, person in self._database.execute(
                f"SELECT key, person FROM keys WHERE dataset = ? AND key IN ({marks})",  # noqa: S608
                (dataset, *chunk),
            ):
                found.setdefault(key, []).extend([person] if person else [])
        return found

    def close(self) -> None:
        """Release the file."""
        self._database.close()


def index_keys(estate: Estate, run: Run) -> None:
    """Index the keys that database columns name, from every database that has the column: all of
    it, or no file. Raises SiteError."""
    named = {name: d for name, d in estate.charter.objects.items() if d.key_column}
    path = run.key_index
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with (
            closing(KeyIndex(unfinished)) as index,
            Register(run.people, run.people_index) as register,
        ):
            for site in estate.postgres_names if named else ():
                _index_site(estate, site, named, index, register)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _index_site(
    estate: Estate,
    site: str,
    named: Mapping[str, ObjectDataset],
    index: KeyIndex,
    register: Register,
) -> None:
    route = estate.route_at(site)
    with site_errors(site), estate.database(site).connect(read_only=True) as connection:
        rules = read_rules(connection, estate, site, register)
        for name, dataset in named.items():
            if route.is_meant(dataset.databases):
                index.add(name, named_keys(connection, rules, name, dataset))


def named_keys(
    connection: psycopg.Connection, rules: DatabaseRules, name: str, dataset: ObjectDataset
) -> Iterator[tuple[str, str]]:
    """(key, person) from a dataset's ``key_column``; nothing where the database lacks the table.

    Raises CharterError where the table has no such column or no path to a person.
    """
    where, _, column = (dataset.key_column or "").rpartition(".")
    table = TableName.parse(where)
    if table not in rules.database.tables:
        return
    treated = rules.tables.get(table)
    if treated is None or not treated.paths:
        raise CharterError(
            f"[objects.{name}] key_column {dataset.key_column}: {table} leads to no person",
            expected="a table with a path to a person",
            next_step=f"give a [tables.*] of {table} a `person`",
        )
    if column not in treated.table.column_names:
        raise CharterError(
            f"[objects.{name}] key_column {dataset.key_column}: {table} has no column {column}",
            expected="one of " + ", ".join(treated.table.column_names),
            next_step="correct key_column",
        )
    if treated.copies:
        raise CharterError(
            f"[objects.{name}] key_column {dataset.key_column}: rows of {table} go to each of their"
            " persons, an object can't",
            expected="a table whose `persons` are `any` or `owner`",
            next_step=f"have one of these for {table}, or name the objects with a template",
        )
    for path in treated.paths:
        with connection.cursor(name="domicile_keys") as cursor:
            cursor.itersize = 10_000
            cursor.execute(key_query(path, rules.key, column))
            for row in cursor:
                named = all(value is not None for value in row[1:])
                yield row[0], person_text(row[1:]) if named else ""


def key_query(path: PersonPath, key: tuple[str, ...], column: str) -> sql.Composed:
    """(key, the person's key) of every row: join along the path to the row that holds it."""
    joins: list[sql.Composable] = []
    alias = "t"
    holders: Sequence[sql.Composable] = [sql.Identifier(alias, part) for part in key]
    for number, hop in enumerate(path.hops):
        held = held_values(hop, alias)
        if number == len(path.hops) - 1 and set(hop.parent_columns) == set(key):
            holders = [held[hop.parent_columns.index(part)] for part in key]
            break
        parent = f"h{number}"
        joins.append(
            sql.SQL("LEFT JOIN {} AS {} ON ({}) = ({})").format(
                table_rows(hop.parent),
                sql.Identifier(parent),
                sql.SQL(", ").join(held),
                sql.SQL(", ").join(parent_values(hop, parent)),
            )
        )
        alias = parent
        holders = [sql.Identifier(alias, part) for part in key]
    return sql.SQL("SELECT {}::text, {} FROM {} AS t {} WHERE {} IS NOT NULL").format(
        sql.Identifier("t", column),
        sql.SQL(", ").join(sql.SQL("({})::text").format(holder) for holder in holders),
        table_rows(path.table),
        sql.SQL(" ").join(joins),
        sql.Identifier("t", column),
    )
