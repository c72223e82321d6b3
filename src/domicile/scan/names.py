"""Whether the tables and columns that the charter names are anywhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domicile.charter import Charter, CountryWay, Way
from domicile.errors import CharterError
from domicile.sites.postgres import Database, TableName

__all__ = ["check_names"]


def check_names(charter: Charter, databases: Mapping[str, Database]) -> None:
    """A name that is nowhere says nothing about what was meant. ``databases``: by site.

    Raises CharterError for a table that no database has, or a column that its table lacks where it
    is. Databases without tables (a home to be) lack nothing.
    """
    if not any(database.tables for database in databases.values()):
        return
    people = charter.people
    country = CountryWay.parse(people.country)
    mine = country.way.columns if country.way else (country.column,)
    _check("[people]", people.table, (*people.key, *mine), databases)
    if country.way:
        there = (*country.way.there, country.column)
        _check("[people] country", country.way.table, there, databases)
    for name, dataset in charter.tables.items():
        ways = [Way.parse(entry) for entry in dataset.person]
        persons = [column for way in ways for column in way.columns]
        _check(f"[tables.{name}]", dataset.table, persons, databases)
        for way in ways:
            if way.table:
                _check(f"[tables.{name}] person", way.table, way.there, databases)
    for name, objects in charter.objects.items():
        if objects.key_column:
            table, _, column = objects.key_column.rpartition(".")
            _check(f"[objects.{name}] key_column", table, (column,), databases)


def _check(
    where: str, table: str, columns: Iterable[str], databases: Mapping[str, Database]
) -> None:
    name = TableName.parse(table)
    if not any(name in (*d.tables, *d.views, *d.other_relations) for d in databases.values()):
        raise CharterError(
            f"{where} no database has a table {table}",
            expected="a table of at least one of the charter's databases",
            next_step="correct the table's name, or remove what names it",
        )
    for site, database in databases.items():
        found = database.tables.get(name)
        lacking = [c for c in columns if found and c not in found.column_names]
        if found and lacking:
            raise CharterError(
                f"{where} the table {table} at {site} has no column {', '.join(lacking)}",
                expected="one of " + ", ".join(found.column_names),
                next_step="correct the column's name",
            )
