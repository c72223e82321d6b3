"""Which table is treated how, on one database: decided from its catalogue and the charter. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from domicile.charter import Charter, Classification, TableDataset
from domicile.errors import CharterError
from domicile.inventory.projection import project
from domicile.inventory.several import copied_to_each, unfit_for_copies
from domicile.inventory.soft import (
    Reference,
    SoftReference,
    soft_references,
)
from domicile.inventory.tables import DatabaseRules, TableRules, identity
from domicile.people import (
    EVERYBODY,
    Lists,
    PersonPath,
    Undecided,
    attribute_tables,
    key_columns,
    known_columns,
    lists_of_standby,
)
from domicile.sites.postgres import Database, Table, TableName

__all__ = ["dataset_name", "rules_for"]


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
        if _is_here(reference) and not identity(database.tables[reference.parent])
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
