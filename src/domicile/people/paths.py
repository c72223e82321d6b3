"""From a table to its person: which rows are whose. Pure.

Rules:
1. The people table's own rows are their person's.
2. A table with a foreign key to a table that is decided belongs to whom the row there belongs to
   (to any of them, where those are several). A hop goes from the referring columns to the referred
   ones; the fewest hops count.
3. Several such keys are undecided: the charter names one with ``person``. What refers to an
   undecided table is undecided.
4. ``person`` starts the path: columns with a foreign key take that hop first, then rule 2; any
   other columns, or a value in JSON, hold the person's key itself (a soft reference), if it can be
   compared exactly.
5. ``person`` with an arrow leads to the rows of another table that hold the same: the row belongs
   to whom these belong to (to any of them, where those are several).
6. No path and no ``person``, or one that leads in a circle: the table's rows cannot be attributed.
7. In a database without the people table only ``person`` leads to a person: keys are looked up in
   the register that was frozen from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domicile.charter import Charter, TableDataset, Way
from domicile.people.hops import EVERYBODY, Hop, everybody, soft_hop
from domicile.sites.postgres import Database, ForeignKey, TableName

__all__ = ["Attribution", "PersonPath", "Undecided", "attribute_tables", "paths_to_people"]


@dataclass(frozen=True, slots=True)
class PersonPath:
    """The hops from a table to the people table; none for the people table itself."""

    table: TableName
    hops: tuple[Hop, ...]

    def __str__(self) -> str:
        steps = [str(self.table)]
        for number, hop in enumerate(self.hops, 1):
            mark = "->" if hop.foreign_key else "~>"
            steps[-1] += f".{hop.held}"
            steps.append(f"{mark} {'the register' if hop.parent == EVERYBODY else hop.parent}")
            if not hop.foreign_key and number < len(self.hops):
                steps[-1] += f"({','.join(hop.parent_columns)})"
        return " ".join(steps)


@dataclass(frozen=True, slots=True)
class Undecided:
    """Why a table's rows could not be attributed, and what the operator can do."""

    table: TableName
    reason: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """How each table of one database is attributed: its paths (several under ``persons = "any"``
    or ``"copy"``), or why not. alternatives lists the other paths found, for the report."""

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


def attribute_tables(
    charter: Charter, database: Database, register: Sequence[str] = ()
) -> Attribution:
    """Decide every ordinary table's paths by the rules above. register: the base types of a
    person's key, in a database without the people table; empty in one that has it."""
    walk = _Walk(charter, database, register)
    walk.run()
    shortest = paths_to_people(database, walk.people)
    alternatives = {
        table: others
        for table, paths in sorted(shortest.items())
        if (others := tuple(path for path in paths if path not in walk.paths.get(table, ())))
    }
    return Attribution(dict(sorted(walk.paths.items())), walk.undecided, alternatives)


class _Walk:
    """From the people table backwards, a level of tables at a time. ways holds what was reached,
    decided (then it is in paths) or not (then it is in undecided)."""

    def __init__(self, charter: Charter, database: Database, register: Sequence[str]) -> None:
        self.charter = charter
        self.database = database
        self.register = register
        named = TableName.parse(charter.people.table)
        self.people = EVERYBODY if register else _known(database, named)
        self.paths: dict[TableName, tuple[PersonPath, ...]] = {}
        self.undecided: dict[TableName, Undecided] = {}
        self._ways: dict[TableName, tuple[PersonPath, ...]] = {}
        self._keys = sorted(database.foreign_keys, key=lambda key: (key.child, key.name))
        self._named = {
            TableName.parse(dataset.table): dataset
            for dataset in charter.tables.values()
            if dataset.person
        }

    def run(self) -> None:
        """Reach every table that can be reached, and say of the others that they cannot."""
        frontier = {self.people} & set(self.database.tables)
        for table in frontier:
            self._ways[table] = self.paths[table] = (PersonPath(table, ()),)
        while frontier or (frontier := self._level(frontier, last=True)):
            frontier = self._level(frontier, last=False)
        left = sorted(set(self.database.tables) - set(self._ways) - set(self.undecided))
        self.undecided.update({table: self._unreached(table, left) for table in left})

    def _level(self, frontier: set[TableName], *, last: bool) -> set[TableName]:
        """Decide what refers to the frontier; ``last``: nothing further is going to be reached."""
        reached: dict[TableName, tuple[PersonPath, ...] | Undecided] = {}
        for table in sorted(set(self.database.tables) - set(self._ways) - set(self.undecided)):
            if table in self._named:
                found = self._by_charter(table, self._named[table], last=last)
            else:
                keys = [key for key in self._keys if key.child == table and key.parent in frontier]
                found = self._by_keys(table, keys) if keys else None
            if found is not None:
                reached[table] = found
        for table, found in reached.items():
            if isinstance(found, Undecided):
                self.undecided[table] = found
            else:
                self.paths[table] = self._ways[table] = found
        return set(reached) & set(self._ways)

    def _by_keys(
        self, table: TableName, keys: Sequence[ForeignKey]
    ) -> tuple[PersonPath, ...] | Undecided:
        ways = self._through(table, keys)
        if len(keys) == 1 and keys[0].parent in self.paths:
            return ways
        self._ways[table] = ways
        return Undecided(
            table,
            f"{len(ways)} paths to a person: {'; '.join(map(str, ways))}",
            f'name one with `person` in a [tables.*] of "{table}"',
        )

    def _through(self, table: TableName, keys: Sequence[ForeignKey]) -> tuple[PersonPath, ...]:
        return tuple(
            PersonPath(table, (_hop(key), *path.hops))
            for key in keys
            for path in self._ways[key.parent]
        )

    def _by_charter(
        self, table: TableName, dataset: TableDataset, *, last: bool
    ) -> tuple[PersonPath, ...] | Undecided | None:
        """The paths that ``person`` names; None while its tables are not reached yet."""
        paths: list[tuple[PersonPath, ...]] = []
        for entry in dataset.person:
            way = Way.parse(entry)
            found: tuple[PersonPath, ...] | Undecided | None
            if way.table:
                found = self._over(table, way)
            elif way.pointer:
                found = self._soft(table, way)
            else:
                found = self._from_columns(table, way, last=last)
            if found is None or isinstance(found, Undecided):
                return found
            paths.append(found)
        return tuple(p for way in paths for p in way) if dataset.persons != "owner" else paths[0]

    def _over(self, table: TableName, way: Way) -> tuple[PersonPath, ...] | Undecided | None:
        """Through the rows of another table that hold the same; None until that is decided."""
        parent = TableName.parse(way.table)
        if parent not in self.database.tables:
            return Undecided(
                table,
                f"`person` leads to {parent}, which is not there, or not examined",
                "name a table that is examined",
            )
        if parent in self.undecided:
            return Undecided(
                table,
                f"`person` leads to {parent}, which is undecided: {self.undecided[parent].reason}",
                f"decide {parent} first",
            )
        if parent not in self.paths:
            return None
        tables = self.database.tables
        hop = soft_hop(tables[table], way, tables[parent], way.there)
        if not isinstance(hop, Hop):
            return Undecided(table, *hop)
        return tuple(PersonPath(table, (hop, *path.hops)) for path in self.paths[parent])

    def _unreached(self, table: TableName, left: Sequence[TableName]) -> Undecided:
        """Why nothing led to a table: to what its ``person`` leads nobody is led either."""
        over = self._leads_over(table)
        if over is None or over not in left:
            inherits = " (and none is inherited)" if self.database.tables[table].inherits else ""
            return Undecided(
                table,
                f"no foreign key leads to a person{inherits}",
                f'name its column with `person` in a [tables.*] of "{table}", or classify it as'
                " public if it is about nobody",
            )
        walked = [table]
        while over is not None and over not in walked:
            walked.append(over)
            over = self._leads_over(over)
        if over is None:
            return Undecided(
                table,
                f"`person` leads to {walked[-1]}, from which no foreign key leads to a person",
                f"decide {walked[-1]} first",
            )
        circle = " -> ".join(map(str, (*walked, over)))
        return Undecided(
            table,
            f"`person` leads in a circle: {circle}",
            "name a way that ends at a person",
        )

    def _leads_over(self, table: TableName) -> TableName | None:
        """The first table to which a table's ``person`` leads by an arrow."""
        entries = self._named[table].person if table in self._named else ()
        ways = [TableName.parse(way.table) for way in map(Way.parse, entries) if way.table]
        return ways[0] if ways else None

    def _from_columns(
        self, table: TableName, way: Way, *, last: bool
    ) -> tuple[PersonPath, ...] | Undecided | None:
        named = set(way.columns)
        keys = [key for key in self._keys if key.child == table and set(key.columns) == named]
        reached = [key for key in keys if key.parent in self._ways]
        if len(reached) == 1:
            found = self._by_keys(table, reached)
            self._ways.pop(table, None) if isinstance(found, Undecided) else None
            return found
        if reached:
            return Undecided(
                table,
                f"`person` column {','.join(way.columns)} leads to a person in {len(reached)} ways",
                "name a column whose foreign keys reach the people table once",
            )
        waiting = any(key.parent in self._pending() for key in keys)
        return None if keys and (waiting or not last) else self._soft(table, way)

    def _pending(self) -> set[TableName]:
        """Tables whose ``person`` is not followed yet."""
        return set(self._named) - set(self._ways) - set(self.undecided)

    def _soft(self, table: TableName, way: Way) -> tuple[PersonPath, ...] | Undecided:
        key = self.charter.people.key
        if len(way.columns) != len(key):
            return Undecided(
                table,
                f"`person` names {len(way.columns)} column(s), a person's key has {len(key)}",
                f"name the columns that hold {','.join(key)}",
            )
        people = everybody(key, self.register) if self.register else None
        people = people or self.database.tables.get(self.people)
        if people is None:
            return (PersonPath(table, (Hop(way.columns, self.people, key, None),)),)
        hop = soft_hop(self.database.tables[table], way, people, key)
        if not isinstance(hop, Hop):
            return Undecided(table, *hop)
        if self.register and self.database.in_recovery:
            hop = replace(hop, in_settings=tuple(self.register))
        return (PersonPath(table, (hop,)),)


def _known(database: Database, name: TableName) -> TableName:
    """The name as the catalogue has it, where it has it."""
    table = database.tables.get(name)
    return name if table is None else table.name


def _hop(key: ForeignKey) -> Hop:
    return Hop(key.columns, key.parent, key.parent_columns, key.name)
