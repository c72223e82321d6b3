"""From a table to its person: which rows are whose. Pure.

Rules:
1. The people table's own rows are their person's.
2. A table with a foreign key to a table that is decided belongs to whom the row there belongs to
   (to any of them, where those are several). A hop goes from the referring columns to the referred
   ones; the fewest hops count.
3. Several such keys are undecided: the charter names one with ``person``. What refers to an
   undecided table is undecided.
4. ``person`` starts the path: columns with a foreign key take that hop first, then rule 2; any
   other columns hold the person's key itself (a soft reference), if their types compare exactly.
5. No path and no ``person``: the table's rows cannot be attributed.
6. In a database without the people table only ``person`` leads to a person: keys are looked up in
   the register that was frozen from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domicile.charter import Charter, TableDataset
from domicile.sites.postgres import Column, Database, ForeignKey, TableName

__all__ = [
    "EVERYBODY",
    "Attribution",
    "Hop",
    "PersonPath",
    "Undecided",
    "attribute_tables",
    "paths_to_people",
]

EVERYBODY = TableName("pg_temp", "domicile_everybody")
"""Where a session has the register's persons, in a database without the people table."""

_EXACT_NUMBERS = frozenset(f"pg_catalog.{name}" for name in ("int2", "int4", "int8", "numeric"))
_TEXTS = frozenset(f"pg_catalog.{name}" for name in ("text", "varchar", "bpchar"))


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
            parent = "the register" if hop.parent == EVERYBODY else hop.parent
            steps.append(f"{mark} {parent}")
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
        self.people = EVERYBODY if register else TableName.parse(charter.people.table)
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
        for table in sorted(set(self.database.tables) - set(self._ways) - set(self.undecided)):
            self.undecided[table] = Undecided(
                table,
                "no foreign key leads to a person",
                f'name its column with `person` in a [tables.*] of "{table}", or classify it as'
                " public if it is about nobody",
            )

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
            columns = tuple(column.strip() for column in entry.split(","))
            found = self._from_columns(table, columns, last=last)
            if found is None or isinstance(found, Undecided):
                return found
            paths.append(found)
        return tuple(p for way in paths for p in way) if dataset.persons == "any" else paths[0]

    def _from_columns(
        self, table: TableName, columns: tuple[str, ...], *, last: bool
    ) -> tuple[PersonPath, ...] | Undecided | None:
        named = set(columns)
        keys = [key for key in self._keys if key.child == table and set(key.columns) == named]
        reached = [key for key in keys if key.parent in self._ways]
        if len(reached) == 1:
            found = self._by_keys(table, reached)
            self._ways.pop(table, None) if isinstance(found, Undecided) else None
            return found
        if reached:
            return Undecided(
                table,
                f"`person` column {','.join(columns)} leads to a person in {len(reached)} ways",
                "name a column whose foreign keys reach the people table once",
            )
        waiting = any(key.parent in self._pending() for key in keys)
        return None if keys and (waiting or not last) else self._soft(table, columns)

    def _pending(self) -> set[TableName]:
        """Tables whose ``person`` is not followed yet."""
        return set(self._named) - set(self._ways) - set(self.undecided)

    def _soft(
        self, table: TableName, columns: tuple[str, ...]
    ) -> tuple[PersonPath, ...] | Undecided:
        key = self.charter.people.key
        if len(columns) != len(key):
            return Undecided(
                table,
                f"`person` names {len(columns)} column(s), a person's key has {len(key)}",
                f"name the columns that hold {','.join(key)}",
            )
        for position, (name, part) in enumerate(zip(columns, key, strict=True)):
            held, wanted = self._column(table, name), self._column(self.people, part)
            known = self.register[position] if self.register else wanted and wanted.base_type
            if held and known and not self._comparable(held.base_type, known):
                told = wanted.type if wanted else known.removeprefix("pg_catalog.")
                return Undecided(
                    table,
                    f"`person` column {name} is {held.type}, a person's {part} is {told}:"
                    " they cannot be compared exactly",
                    f"give {name} the type {told} or a foreign key, or name another column",
                )
        return (PersonPath(table, (Hop(columns, self.people, key, None),)),)

    def _comparable(self, one: str, other: str) -> bool:
        """Whether the server compares two base types by itself, and exactly: equal types, whole and
        decimal numbers among each other, texts among each other. What another database calls by the
        same name is equal where PostgreSQL brings it."""
        if self.register and not other.startswith("pg_catalog."):
            return False
        return one == other or any({one, other} <= kinds for kinds in (_EXACT_NUMBERS, _TEXTS))

    def _column(self, table: TableName, name: str) -> Column | None:
        found = self.database.tables.get(table)
        columns = found.columns if found else ()
        return next((column for column in columns if column.name == name), None)


def _hop(key: ForeignKey) -> Hop:
    return Hop(key.columns, key.parent, key.parent_columns, key.name)
