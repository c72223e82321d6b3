"""A database session that knows the frozen member list, and the rules of its tables."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from domicile.errors import SiteMissing
from domicile.inventory.deciding import rules_for
from domicile.inventory.tables import DatabaseRules
from domicile.people import (
    Register,
    key_columns,
    known_columns,
    load_listed,
    load_people,
    set_listed,
    set_people,
)
from domicile.sites.postgres import TableName, read_database, shown_elsewhere, site_errors

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


def read_rules(
    connection: psycopg.Connection, estate: Estate, site: str, register: Register
) -> DatabaseRules:
    """The catalogue of a database and how the charter treats its tables. Raises SiteMissing where
    there are tables, and no site had the people table when the register was frozen."""
    sites = {name: estate.database(name).address for name in estate.postgres_names}
    database = shown_elsewhere(read_database(connection), sites[site], sites)
    here = not database.tables or estate.holds_people(site, database)
    types = () if here else register.key_types
    if not (here or types):
        raise SiteMissing(
            f"site {site}: no database had the people table {estate.charter.people.table}",
            expected="the table that [people] names, at one site at least",
            next_step="correct [people] or the sites' urls, then scan again",
        )
    return rules_for(estate.charter_at(site), database, types)


def open_member_session(
    estate: Estate, run: Run, site: str, *, read_only: bool
) -> tuple[psycopg.Connection, DatabaseRules]:
    """Connect to a database and fill the session's member tables from the frozen register.

    With ``read_only`` every transaction after that is read-only in the server's own eyes, and
    persons can be counted: the session of a database without the people table knows everybody.
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
                rules = _prepare(connection, estate, site, register)
                if rules.database.tables:
                    everybody = bool(rules.register) and (read_only or _asks_for_all(rules))
                    _load(connection, estate, rules, register, listed, everybody=everybody)
            connection.read_only = read_only
    except BaseException:
        connection.close()
        raise
    return connection, rules


def _prepare(
    connection: psycopg.Connection, estate: Estate, site: str, register: Register
) -> DatabaseRules:
    for setting in _SETTINGS:
        connection.execute(setting)
    rules = read_rules(connection, estate, site, register)
    connection.commit()
    return rules


def _asks_for_all(rules: DatabaseRules) -> bool:
    """Whether a row must be told from one that names nobody's key even where none is counted."""
    return any(table.copies for table in rules.tables.values())


def _load(
    connection: psycopg.Connection,
    estate: Estate,
    rules: DatabaseRules,
    register: Register,
    listed: Iterable[Sequence[str]] | None,
    *,
    everybody: bool,
) -> None:
    key = _key(estate, rules)
    if rules.database.in_recovery:
        set_people(connection, tuple(key), register.persons(), everybody=everybody)
        if listed is not None:
            set_listed(connection, tuple(key), listed)
        return
    load_people(connection, key, register.persons(), everybody=everybody)
    if listed is not None:
        load_listed(connection, key, listed)


def _key(estate: Estate, rules: DatabaseRules) -> dict[str, str]:
    """The columns of a person's key, and their SQL types here."""
    names = estate.charter.people.key
    if rules.register:
        return known_columns(names, rules.register)
    people = rules.database.tables[TableName.parse(estate.charter.people.table)]
    return key_columns(people, names)


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
