"""What the charter and the catalogue together say about each table's rows. Pure.

A table's rows are one of: *personal* (paths lead to persons; protected or public), *whole* (public
and about nobody: reference data, copied whole), or *undecided* (not examined).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from domicile.charter import Charter, Classification, TableDataset
from domicile.errors import CharterError
from domicile.inventory.projection import Projection, project
from domicile.inventory.several import copied_to_each, unfit_for_copies
from domicile.inventory.soft import (
    Reference,
    SoftReference,
    child_values,
    referred_values,
    soft_references,
)
from domicile.people import (
    EVERYBODY,
    Lists,
    PersonPath,
    Undecided,
    alone,
    attribute_tables,
    belongs,
    key_columns,
    known_columns,
    lists_of_standby,
    shared,
)
from domicile.sites.postgres import Database, Table, TableName, table_rows

__all__ = ["DatabaseRules", "TableRules", "dataset_name", "identity", "rules_for"]

_LISTS = Lists()


@dataclass(frozen=True, slots=True)
class TableRules:
    """How one table is treated on one database. dataset is its name in the charter, or the
    table's own. paths is empty for a whole table. referrers are foreign keys into it, but of tables
    that can't be read, and what holds its rows softly. copies: a row with several persons goes to
    each of them. large_objects: the columns that name some. lists: where sessions have persons."""

    dataset: str
    table: Table
    classification: Classification
    paths: tuple[PersonPath, ...]
    projection: Projection
    referrers: tuple[Reference, ...]
    copies: bool = False
    large_objects: tuple[str, ...] = ()
    lists: Lists = _LISTS

    @property
    def whole(self) -> bool:
        """Public and about nobody."""
        return not self.paths

    @property
    def protected(self) -> bool:
        """Members' rows must lie at home and nowhere else."""
        return bool(self.paths) and self.classification == "protected"

    @property
    def keyed(self) -> bool:
        """Whether a key names its rows."""
        return bool(identity(self.table))

    def keeps(self, columns: Sequence[str]) -> bool:
        """Whether an erasure leaves these columns as they are in rows that stay."""
        return not self.protected or self.projection.keeps(columns)

    def names_one(self, columns: Sequence[str]) -> bool:
        """Whether no two rows have the same in these columns."""
        keys = [key for key in (self.table.primary_key, *self.table.unique) if key]
        return any(set(key) <= set(columns) for key in keys)

    def never_null(self, columns: Sequence[str]) -> bool:
        """Whether every row holds something in each of these columns."""
        return all(self.table.column(name).not_null for name in columns)

    @property
    def reducible(self) -> bool:
        """Whether rows may have to stay, reduced: others can refer to them, by a key."""
        return bool(self.referrers) and self.keyed

    def reduced(self, alias: str) -> sql.Composable:
        """Nothing protected is left in the row, and somebody still refers to it."""
        if not self.referrers:
            return sql.SQL("false")
        return sql.SQL("(CASE WHEN {} THEN {} ELSE false END)").format(
            self.projection.at_placeholders(alias), self.referred(alias)
        )

    def referred(self, alias: str) -> sql.Composable:
        """Whether any row refers to the row ``alias``."""
        return sql.SQL("({})").format(
            sql.SQL(" OR ").join(_refers(key, alias) for key in self.referrers)
        )

    def belong(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's, and nobody else's where each person gets a copy:
        what leaves the old site."""
        if self.copies:
            return alone(self.paths, key, alias, self.lists)
        return belongs(self.paths, key, alias, self.lists.members)

    def shared(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's and somebody else's, of whom each gets a copy:
        what comes home and stays."""
        if not self.copies:
            return sql.SQL("false")
        return shared(self.paths, key, alias, self.lists)

    def homeward(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether home must hold the row ``alias``."""
        if not self.copies:
            return self.belong(key, alias)
        return sql.SQL("({} OR {})").format(self.belong(key, alias), self.shared(key, alias))

    def empty(self, alias: str) -> sql.Composable:
        """Whether nothing protected is in the row ``alias`` (any more), of a table to which others
        can refer."""
        if not self.reducible:
            return sql.SQL("(false)")
        return sql.SQL("({})").format(self.projection.at_placeholders(alias))

    def bare(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's with nothing protected in it (any more). Says
        nothing of who refers to it: that changes while others' rows are erased."""
        if not self.reducible:
            return sql.SQL("false")
        return sql.SQL("({} AND {})").format(
            self.belong(key, alias), self.projection.at_placeholders(alias)
        )

    def members(self, key: tuple[str, ...], alias: str) -> sql.Composable:
        """Whether the row ``alias`` is a member's, and not bare: what is copied, verified and
        erased by key range."""
        if not self.reducible:
            return self.belong(key, alias)
        return sql.SQL("({} AND ({}) IS NOT TRUE)").format(
            self.belong(key, alias), self.projection.at_placeholders(alias)
        )


@dataclass(frozen=True, slots=True)
class DatabaseRules:
    """Every table of one database: treated by its rules, or undecided with the reason. soft: the
    soft hops of tables to others, public ones too; holding: those by which a row that stays holds
    another. register: the base types of a person's key, where the database has no people table of
    its own.
    """

    database: Database
    tables: Mapping[TableName, TableRules]
    undecided: Mapping[TableName, Undecided]
    key: tuple[str, ...]
    soft: tuple[SoftReference, ...] = ()
    holding: tuple[SoftReference, ...] = ()
    register: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """What makes a row stay where others that stay refer to it."""
        return (*self.database.foreign_keys, *self.holding)

    @property
    def erased_first(self) -> tuple[Reference, ...]:
        """References whose child must be erased before its parent, or with it."""
        needed = (soft for soft in self.soft if not soft.direct or soft in self.holding)
        return (*self.database.foreign_keys, *needed)

    @property
    def protected(self) -> list[TableRules]:
        """The protected tables, in name order."""
        return [rules for _, rules in sorted(self.tables.items()) if rules.protected]


def rules_for(charter: Charter, database: Database, register: Sequence[str] = ()) -> DatabaseRules:
    """Decide every table of a database. charter: what of it is about this database; register: as
    `attribute_tables`."""
    attribution = attribute_tables(charter, database, register)
    decided: dict[TableName, TableDataset | None] = {}
    undecided: dict[TableName, Undecided] = {}
    for name in sorted(database.tables):
        dataset = _dataset(charter, name)
        if name not in attribution.paths and (not dataset or dataset.classification == "protected"):
            undecided[name] = attribution.undecided[name]
        else:
            decided[name] = dataset
    paths = {name: attribution.paths.get(name, ()) for name in decided}
    for unnamed in _unnamed(database, paths, _held(charter, database, decided, paths)[1]):
        undecided[unnamed.table] = unnamed
        del decided[unnamed.table], paths[unnamed.table]
    soft, holding = _held(charter, database, decided, paths)
    tables = {
        name: _rules(charter, database, database.tables[name], dataset, paths[name], holding)
        for name, dataset in decided.items()
    }
    key = charter.people.key
    copied = copied_to_each(charter, attribution.paths) & tables.keys()
    for name in sorted(copied):
        if tables[name].protected and (unfit := unfit_for_copies(tables, copied, name, key)):
            undecided[name] = unfit
    lists = _lists(charter, database, register)
    tables = {
        name: replace(table, copies=name in copied, lists=lists)
        for name, table in tables.items()
        if name not in undecided
    }
    for name, why in sorted(database.other_relations.items()):
        undecided[name] = Undecided(name, why.reason, why.next_step)
    return DatabaseRules(
        database,
        tables,
        undecided,
        charter.people.key,
        tuple(filter(_is_here, soft)),
        tuple(filter(_is_here, holding)),
        tuple(register),
    )


def _is_protected(dataset: TableDataset | None) -> bool:
    return dataset is None or dataset.classification == "protected"


def _held(
    charter: Charter,
    database: Database,
    decided: Mapping[TableName, TableDataset | None],
    paths: Mapping[TableName, tuple[PersonPath, ...]],
) -> tuple[tuple[SoftReference, ...], tuple[SoftReference, ...]]:
    """The soft references of tables, and those of protected ones that hold a row."""
    soft = tuple(soft_references(paths, charter.people.key))
    protected = [reference for reference in soft if _is_protected(decided[reference.child])]
    return soft, _holding(database, decided, protected)


def _unnamed(
    database: Database,
    paths: Mapping[TableName, tuple[PersonPath, ...]],
    holding: Sequence[SoftReference],
) -> list[Undecided]:
    """The tables whose rows may stay, reduced, and must hold rows that no key names; and those
    whose ways lead over them."""
    unnamed = {
        reference.child: Undecided(
            reference.child,
            f"its rows may stay, reduced, and are found through rows of {reference.parent}, which"
            " has neither primary nor unique key to name those by that must stay with them",
            f"add a primary key to {reference.parent}",
        )
        for reference in holding
        if not identity(database.tables[reference.parent])
    }
    over = {
        name: parent
        for name, ways in paths.items()
        for parent in (hop.parent for way in ways for hop in way.hops)
        if parent in unnamed and name not in unnamed
    }
    return [
        *unnamed.values(),
        *(
            Undecided(
                name,
                f"its way leads over {parent}, which is undecided: {unnamed[parent].reason}",
                f"decide {parent} first",
            )
            for name, parent in over.items()
        ),
    ]


def _holding(
    database: Database,
    decided: Mapping[TableName, TableDataset | None],
    soft: Sequence[SoftReference],
) -> tuple[SoftReference, ...]:
    """The soft references of tables whose rows may stay, reduced, with these columns."""
    referred = {key.parent for key in database.foreign_keys}
    held: list[SoftReference] = []
    while True:
        new = [
            reference
            for reference in soft
            if reference not in held
            and reference.child in referred
            and identity(database.tables[reference.child])
            and _keeps(database, decided, [*held, reference], reference)
        ]
        if not new:
            return tuple(held)
        held += new
        referred |= {reference.parent for reference in new}


def _keeps(
    database: Database,
    decided: Mapping[TableName, TableDataset | None],
    held: Sequence[SoftReference],
    reference: SoftReference,
) -> bool:
    dataset = decided[reference.child]
    public = dataset.public if dataset else ()
    projection = project(database, database.tables[reference.child], public, held)
    return projection.keeps(reference.columns)


def _is_here(reference: SoftReference) -> bool:
    """Whether it leads to a row of this database: nothing happens to what the register says."""
    return reference.parent != EVERYBODY


def _lists(charter: Charter, database: Database, register: Sequence[str]) -> Lists:
    people = database.tables.get(TableName.parse(charter.people.table))
    if not database.in_recovery or not (register or people):
        return Lists()
    key = charter.people.key
    if register or people is None:
        return lists_of_standby(known_columns(key, register))
    return lists_of_standby(key_columns(people, key))


def dataset_name(charter: Charter, table: TableName) -> str:
    """The charter's name for a table, or the table's own."""
    for name, dataset in charter.tables.items():
        if TableName.parse(dataset.table) == table:
            return name
    return str(table)


def identity(table: Table) -> tuple[str, ...]:
    """Columns that name a row: the primary key, else a unique key without nulls, else none."""
    if table.primary_key:
        return table.primary_key
    for columns in table.unique:
        if all(table.column(name).not_null for name in columns):
            return columns
    return ()


def _dataset(charter: Charter, table: TableName) -> TableDataset | None:
    for dataset in charter.tables.values():
        if TableName.parse(dataset.table) == table:
            return dataset
    return None


def _rules(
    charter: Charter,
    database: Database,
    table: Table,
    dataset: TableDataset | None,
    paths: tuple[PersonPath, ...],
    holding: Sequence[SoftReference],
) -> TableRules:
    classification: Classification = dataset.classification if dataset else "protected"
    public = dataset.public if dataset else ()
    references: list[Reference] = [*database.foreign_keys, *holding]
    if dataset:
        _check_columns(dataset, table)
    if classification != "protected" and not public:
        public = table.column_names
    return TableRules(
        dataset_name(charter, table.name),
        table,
        classification,
        paths,
        project(database, table, (*public, *_person_key(charter, table)), holding),
        tuple(
            key
            for key in references
            if key.parent == table.name and not _unreadable(database, key.child)
        ),
        large_objects=tuple(
            column.name
            for column in table.columns
            if column.is_lo or (dataset and column.name in dataset.large_objects)
        ),
    )


def _person_key(charter: Charter, table: Table) -> tuple[str, ...]:
    """What stays in a row of the people table because its person's rows are found by it."""
    return charter.people.key if TableName.parse(charter.people.table) == table.name else ()


def _unreadable(database: Database, name: TableName) -> bool:
    why = database.other_relations.get(name)
    return why is not None and why.unreadable


def _check_columns(dataset: TableDataset, table: Table) -> None:
    for column in (*dataset.public, *dataset.categories, *dataset.large_objects):
        if column not in table.column_names:
            raise CharterError(
                f"the charter names a column {column} of {table.name}, which has none",
                expected="one of " + ", ".join(table.column_names),
                next_step="correct `public`, `categories` or `large_objects` of the dataset",
            )
    for column in dataset.large_objects:
        if table.column(column).base_type != "pg_catalog.oid":
            raise CharterError(
                f"the charter says that {table.name}.{column} names large objects, but it is"
                f" {table.column(column).type}",
                expected="a column of type oid, or of a domain over it",
                next_step="correct `large_objects` of the dataset",
            )


def _refers(key: Reference, alias: str) -> sql.Composable:
    return sql.SQL("EXISTS (SELECT FROM {} AS referrer WHERE ({}) = ({}))").format(
        table_rows(key.child),
        child_values(key, "referrer"),
        referred_values(key, alias),
    )
