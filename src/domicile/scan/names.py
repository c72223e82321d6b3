"""Whether the tables and columns that the charter names are anywhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from domicile.charter import Charter, CountryWay, Route, Way, routes_of
from domicile.errors import CharterError
from domicile.sites.postgres import Database, TableName

__all__ = ["check_names"]


def check_names(charter: Charter, databases: Mapping[str, Database]) -> None:
    """A name that is nowhere says nothing about what was meant, and one of two tables no more.
    ``databases``: by site.

    Raises CharterError for a table that no database has, or that several have who are no copies of
    each other, without ``databases``; for a column that its table lacks where it is. Databases
    without tables (a home to be) lack nothing.
    """
    if not any(database.tables for database in databases.values()):
        return
    for named in _named(charter, databases):
        _check(named, routes_of(charter), databases)


@dataclass(frozen=True, slots=True)
class _Named:
    """A table with columns that the charter names, where it does, and of which databases."""

    where: str
    table: str
    columns: tuple[str, ...]
    databases: tuple[str, ...]


def _named(charter: Charter, databases: Mapping[str, Database]) -> Iterator[_Named]:
    people = charter.people
    country = CountryWay.parse(people.country)
    mine = country.way.columns if country.way else (country.column,)
    yield _Named("[people]", people.table, (*people.key, *mine), people.databases)
    if country.way:
        there = (*country.way.there, country.column)
        beside = _beside(charter, people.table, people.databases, databases)
        yield _Named("[people] country", country.way.table, there, beside)
    for name, dataset in charter.tables.items():
        ways = [Way.parse(entry) for entry in dataset.person]
        persons = tuple(column for way in ways for column in way.columns)
        yield _Named(f"[tables.{name}]", dataset.table, persons, dataset.databases)
        beside = _beside(charter, dataset.table, dataset.databases, databases)
        for way in ways:
            if way.table:
                yield _Named(f"[tables.{name}] person", way.table, way.there, beside)
    for name, objects in charter.objects.items():
        if objects.key_column:
            table, _, column = objects.key_column.rpartition(".")
            where = f"[objects.{name}] key_column"
            yield _Named(where, table, (column,), objects.databases)


def _beside(
    charter: Charter, table: str, named: tuple[str, ...], databases: Mapping[str, Database]
) -> tuple[str, ...]:
    """The primaries of the databases that have a table: what leads from it to another one leads to
    theirs."""
    routes = [route for route in routes_of(charter) if route.is_meant(named)]
    name = TableName.parse(table)
    having = (r for r in routes if any(_has(databases[site], name) for site in r.sites))
    return tuple(sorted(end for route in having for end in route.ends))


def _check(named: _Named, routes: Iterable[Route], databases: Mapping[str, Database]) -> None:
    name = TableName.parse(named.table)
    having = {
        site: route
        for route in routes
        for site in sorted(route.sites)
        if route.is_meant(named.databases) and _has(databases[site], name)
    }
    if not having:
        raise CharterError(
            f"{named.where} no database{_of_these(named)} has a table {named.table}",
            expected="a table of at least one of the charter's databases",
            next_step="correct the table's name, or remove what names it",
        )
    meant = list(dict.fromkeys(having.values()))
    if len(meant) > 1 and not named.databases:
        primaries = [route.source or route.home or "" for route in meant]
        raise CharterError(
            f"{named.where} {' and '.join(primaries)} each have a table {named.table}",
            expected="which of them is meant",
            next_step=f'write `databases = ["{primaries[0]}"]`, or several of them',
        )
    for site in having:
        found = databases[site].tables.get(name)
        lacking = [c for c in named.columns if found and c not in found.column_names]
        if found and lacking:
            raise CharterError(
                f"{named.where} the table {named.table} at {site} has no column"
                f" {', '.join(lacking)}",
                expected="one of " + ", ".join(found.column_names),
                next_step="correct the column's name",
            )


def _of_these(named: _Named) -> str:
    return f" of {', '.join(named.databases)}" if named.databases else ""


def _has(database: Database, name: TableName) -> bool:
    return name in (*database.tables, *database.views, *database.other_relations)
