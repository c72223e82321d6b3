"""A database session that knows the frozen member list, and the rules of its tables."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from domicile.errors import SiteMissing
from domicile.inventory.tables import DatabaseRules, rules_for
from domicile.people import Register, load_listed, load_people, set_listed, set_people
from domicile.sites.postgres import (
    Table,
    TableName,
    read_database,
    shown_elsewhere,
    site_errors,
    site_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from domicile.inventory.estate import Estate
    from domicile.inventory.runs import Run
    from domicile.people import Membership

    Persons = Iterable[tuple[Sequence[str], Membership]]

__all__ = ["listed_session", "member_session", "open_member_session", "read_rules"]

_SETTINGS = (
    "SET work_mem = '256MB'",  # keeps member look-ups in a hash at millions of members
    "SET hash_mem_multiplier = 4",
    "SET jit = off",
    "SET synchronize_seqscans = off",  # what didn't change is read in the order of the last time
)


def read_rules(connection: psycopg.Connection, estate: Estate) -> DatabaseRules:
    """The catalogue of a database and how the charter treats its tables."""
    sites = {name: estate.database(name).address for name in estate.postgres_names}
    database = read_database(connection)
    found = shown_elsewhere(database, sites.get(site_name(connection)), sites)
    return rules_for(estate.charter, found)


def open_member_session(
    estate: Estate, run: Run, site: str, *, read_only: bool
) -> tuple[psycopg.Connection, DatabaseRules]:
    """Connect to a database and fill the session's member tables from the frozen register.

    With ``read_only`` every transaction after that is read-only in the server's own eyes. Raises
    SiteMissing where the database has tables and none of them is the people table's.
    """
    return _open(estate, run, site, read_only=read_only)


def _open(
    estate: Estate,
    run: Run,
    site: str,
    *,
    read_only: bool,
    listed: Iterable[Sequence[str]] | None = None,
) -> tuple[psycopg.Connection, DatabaseRules]:
    connection = estate.database(site).connect()
    try:
        with site_errors(site):
            with Register(run.people, run.people_index) as register:
                rules = _prepare(connection, estate, register.persons(), site, listed)
            connection.read_only = read_only
    except BaseException:
        connection.close()
        raise
    return connection, rules


def _prepare(
    connection: psycopg.Connection,
    estate: Estate,
    persons: Persons,
    site: str,
    listed: Iterable[Sequence[str]] | None,
) -> DatabaseRules:
    for setting in _SETTINGS:
        connection.execute(setting)
    rules = read_rules(connection, estate)
    people = _people_table(estate, rules, site)
    connection.commit()
    key = estate.charter.people.key
    if people is not None and rules.database.in_recovery:
        set_people(connection, key, persons)
        if listed is not None:
            set_listed(connection, key, listed)
    elif people is not None:
        load_people(connection, people, key, persons)
        if listed is not None:
            load_listed(connection, people, key, listed)
    return rules


def _people_table(estate: Estate, rules: DatabaseRules, site: str) -> Table | None:
    people = rules.database.tables.get(TableName.parse(estate.charter.people.table))
    if people is None and rules.database.tables:
        raise SiteMissing(
            f"site {site}: there is no people table {estate.charter.people.table}",
            expected="the table that [people] names, or an empty database",
            next_step="correct [people] or the site's url",
        )
    return people


@contextmanager
def member_session(
    estate: Estate, run: Run, site: str, *, read_only: bool
) -> Iterator[tuple[psycopg.Connection, DatabaseRules]]:
    """`open_member_session`, closed at the end."""
    connection, rules = open_member_session(estate, run, site, read_only=read_only)
    try:
        yield connection, rules
    finally:
        connection.close()


@contextmanager
def listed_session(
    estate: Estate, run: Run, site: str, persons: Iterable[Sequence[str]]
) -> Iterator[tuple[psycopg.Connection, DatabaseRules]]:
    """A read-only `member_session` that tells these of the members apart, given by their keys."""
    connection, rules = _open(estate, run, site, read_only=True, listed=persons)
    try:
        yield connection, rules
    finally:
        connection.close()
