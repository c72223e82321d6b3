"""A database session that knows the frozen member list, and the rules of its tables."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from domicile.errors import SiteMissing
from domicile.inventory.tables import DatabaseRules, rules_for
from domicile.people import Register, key_columns, load_people
from domicile.sites.postgres import TableName, read_database, site_errors

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
    database = read_database(connection)
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
    with Register(run.people, run.people_index) as register:
        return _open(estate, register, register.persons(), site, read_only=read_only)


def _open(
    estate: Estate, register: Register, persons: Persons, site: str, *, read_only: bool
) -> tuple[psycopg.Connection, DatabaseRules]:
    connection = estate.database(site).connect()
    try:
        with site_errors(site):
            for setting in _SETTINGS:
                connection.execute(setting)
            rules = read_rules(connection, estate, site, register)
            connection.commit()
            if rules.database.tables:
                everybody = read_only and bool(rules.register)
                load_people(connection, _key(estate, rules), persons, everybody=everybody)
            connection.read_only = read_only
    except BaseException:
        connection.close()
        raise
    return connection, rules


def _key(estate: Estate, rules: DatabaseRules) -> dict[str, str]:
    """The columns of a person's key, and their SQL types here. A type that PostgreSQL does not
    bring may be missing here; then nothing is compared with it."""
    names = estate.charter.people.key
    if not rules.register:
        people = rules.database.tables[TableName.parse(estate.charter.people.table)]
        return key_columns(people, names)
    known = (t if t.startswith("pg_catalog.") else "pg_catalog.text" for t in rules.register)
    return dict(zip(names, known, strict=True))


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
    estate: Estate, run: Run, persons: Persons, site: str
) -> Iterator[tuple[psycopg.Connection, DatabaseRules]]:
    """A read-only session for which these persons alone are members, and nobody else is known."""
    with Register(run.people, run.people_index) as register:
        connection, rules = _open(estate, register, persons, site, read_only=True)
    try:
        yield connection, rules
    finally:
        connection.close()
