"""From a table to its person: which rows are whose. Pure.

Rules:
1. The people table's own rows are their person's.
2. A table whose foreign keys reach the people table belongs to the person at the end of its one
   shortest path. A hop goes from the referring columns to the referred ones.
3. Several shortest paths are undecided: the charter names one with ``person``.
4. ``person`` starts the path: columns with a foreign key take that hop first, then rule 2; any
   other columns hold the person's key itself (a soft reference).
5. No path and no ``person``: the table's rows cannot be attributed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domicile.charter import Charter, TableDataset
from domicile.sites.postgres import Database, ForeignKey, TableName

__all__ = ["Attribution", "Hop", "PersonPath", "Undecided", "attribute_tables", "paths_to_people"]


@dataclass(frozen=True, slots=True)
class Hop:
    """``table.columns`` equal ``parent.parent_columns``. foreign_key is None for a soft
    reference."""

    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    foreign_key: str | None


@dataclass(frozen=True, slots=True)
class PersonPath:
    """The hops from a table to the people table; none for the people table itself."""

    table: TableName
    hops: tuple[Hop, ...]

    def __str__(self) -> str:
        steps = [str(self.table)]
        for hop in self.hops:
            mark = "->" if hop.foreign_key else "~>"
            steps[-1] += f".{','.join(hop.columns)}"
            steps.append(f"{mark} {hop.parent}")
        return " ".join(steps)


@dataclass(frozen=True, slots=True)
class Undecided:
    """Why a table's rows could not be attributed, and what the operator can do."""

    table: TableName
    reason: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """How each table of one database is attributed: its paths (several under ``persons = "any"``),
    or why not. alternatives lists the other paths found, for the report."""

    paths: Mapping[TableName, tuple[PersonPath, ...]]
    undecided: Mapping[TableName, Undecided]
    alternatives: Mapping[TableName, tuple[PersonPath, ...]]


def paths_to_people(database: Database, people: TableName) -> dict[TableName, list[PersonPath]]:
    """Every shortest path per table, by breadth-first search from the people table backwards.
    Cycles and self references end where a shorter way was already found."""
    found: dict[TableName, list[PersonPath]] = {people: [PersonPath(people, ())]}
    frontier = {people}
    while frontier:
        level: dict[TableName, list[PersonPath]] = {}
        for key in sorted(database.foreign_keys, key=lambda key: (key.child, key.name)):
            if key.parent in frontier and key.child not in found:
                level.setdefault(key.child, []).extend(
                    PersonPath(key.child, (_hop(key), *path.hops)) for path in found[key.parent]
                )
        found.update(level)
        frontier = set(level)
    return found


def attribute_tables(charter: Charter, database: Database) -> Attribution:
    """Decide every ordinary table's paths by the rules above."""
    people = TableName.parse(charter.people.table)
    shortest = paths_to_people(database, people)
    named = {TableName.parse(dataset.table): dataset for dataset in charter.tables.values()}
    paths: dict[TableName, tuple[PersonPath, ...]] = {}
    undecided: dict[TableName, Undecided] = {}
    alternatives: dict[TableName, tuple[PersonPath, ...]] = {}
    for table in sorted(database.tables):
        dataset = named.get(table)
        decided = _decide(charter, database, table, dataset, shortest)
        if isinstance(decided, Undecided):
            undecided[table] = decided
        else:
            paths[table] = decided
        others = tuple(p for p in shortest.get(table, ()) if p not in paths.get(table, ()))
        if others:
            alternatives[table] = others
    return Attribution(paths, undecided, alternatives)


def _decide(
    charter: Charter,
    database: Database,
    table: TableName,
    dataset: TableDataset | None,
    shortest: Mapping[TableName, list[PersonPath]],
) -> tuple[PersonPath, ...] | Undecided:
    if dataset is not None and dataset.person:
        return _named(charter, database, table, dataset, shortest)
    candidates = shortest.get(table, [])
    if len(candidates) == 1:
        return (candidates[0],)
    if not candidates:
        return Undecided(
            table,
            "no foreign key leads to a person",
            f'name its column with `person` in a [tables.*] of "{table}", or classify it as public'
            " if it is about nobody",
        )
    ways = "; ".join(str(path) for path in candidates)
    return Undecided(
        table,
        f"{len(candidates)} paths to a person: {ways}",
        f'name one with `person` in a [tables.*] of "{table}"',
    )


def _named(
    charter: Charter,
    database: Database,
    table: TableName,
    dataset: TableDataset,
    shortest: Mapping[TableName, list[PersonPath]],
) -> tuple[PersonPath, ...] | Undecided:
    paths: list[PersonPath] = []
    for entry in dataset.person:
        columns = tuple(column.strip() for column in entry.split(","))
        path = _from_columns(charter, database, table, columns, shortest)
        if isinstance(path, Undecided):
            return path
        paths.append(path)
    return tuple(paths) if dataset.persons == "any" else (paths[0],)


def _from_columns(
    charter: Charter,
    database: Database,
    table: TableName,
    columns: tuple[str, ...],
    shortest: Mapping[TableName, list[PersonPath]],
) -> PersonPath | Undecided:
    keys = [
        key for key in _keys_on(database.foreign_keys, table, columns) if key.parent in shortest
    ]
    ways = [
        PersonPath(table, (_hop(key), *path.hops)) for key in keys for path in shortest[key.parent]
    ]
    if len(ways) == 1:
        return ways[0]
    if ways:
        return Undecided(
            table,
            f"`person` column {','.join(columns)} leads to a person in {len(ways)} ways",
            "name a column whose foreign keys reach the people table once",
        )
    if len(columns) != len(charter.people.key):
        return Undecided(
            table,
            f"`person` names {len(columns)} column(s), a person's key has"
            f" {len(charter.people.key)}",
            f"name the columns that hold {','.join(charter.people.key)}",
        )
    people = TableName.parse(charter.people.table)
    return PersonPath(table, (Hop(columns, people, charter.people.key, None),))


def _keys_on(
    keys: Iterable[ForeignKey], table: TableName, columns: tuple[str, ...]
) -> list[ForeignKey]:
    return [key for key in keys if key.child == table and set(key.columns) == set(columns)]


def _hop(key: ForeignKey) -> Hop:
    return Hop(key.columns, key.parent, key.parent_columns, key.name)
