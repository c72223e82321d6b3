"""What the charter and the catalogue together say about each table's rows. Pure.

A table's rows are one of: *personal* (paths lead to persons; protected or public), *whole* (public
and about nobody: reference data, copied whole), or *undecided* (not examined).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from domicile.charter import Charter, Classification, TableDataset
from domicile.errors import CharterError
from domicile.inventory.projection import Projection, project
from domicile.people import MEMBERS, PersonPath, Undecided, attribute_tables, belongs
from domicile.sites.postgres import Database, ForeignKey, Table, TableName

__all__ = ["DatabaseRules", "TableRules", "dataset_name", "identity", "rules_for"]


@dataclass(frozen=True, slots=True)
class TableRules:
    """How one table is treated on one database. dataset is its name in the charter, or the
    table's own. paths is empty for a whole table. referrers are foreign keys into it."""

    dataset: str
    table: Table
    classification: Classification
    paths: tuple[PersonPath, ...]
    projection: Projection
    referrers: tuple[ForeignKey, ...]

    @property
    def whole(self) -> bool:
        """Public and about nobody."""
        return not self.paths

    @property
    def protected(self) -> bool:
        """Members' rows must lie at home and nowhere else."""
        return bool(self.paths) and self.classification == "protected"

    @property
    def reducible(self) -> bool:
        """Whether rows may have to stay, reduced: others can refer to them, by a key."""
        return bool(self.referrers and identity(self.table))

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
        """Whether the row ``alias`` is a member's."""
        return belongs(self.paths, key, alias, MEMBERS)

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
    """Every table of one database: treated by its rules, or undecided with the reason. register:
    the base types of a person's key, where the database has no people table of its own."""

    database: Database
    tables: Mapping[TableName, TableRules]
    undecided: Mapping[TableName, Undecided]
    key: tuple[str, ...]
    register: tuple[str, ...] = ()

    @property
    def protected(self) -> list[TableRules]:
        """The protected tables, in name order."""
        return [rules for _, rules in sorted(self.tables.items()) if rules.protected]


def rules_for(charter: Charter, database: Database, register: Sequence[str] = ()) -> DatabaseRules:
    """Decide every table of a database. charter: what of it is about this database; register: as
    `attribute_tables`."""
    attribution = attribute_tables(charter, database, register)
    tables: dict[TableName, TableRules] = {}
    undecided: dict[TableName, Undecided] = {}
    for name, table in sorted(database.tables.items()):
        dataset = _dataset(charter, name)
        paths = attribution.paths.get(name, ())
        if not paths and (dataset is None or dataset.classification == "protected"):
            undecided[name] = attribution.undecided[name]
            continue
        tables[name] = _rules(charter, database, table, dataset, paths)
    for name, why in sorted(database.other_relations.items()):
        undecided[name] = Undecided(name, why.reason, why.next_step)
    return DatabaseRules(database, tables, undecided, charter.people.key, tuple(register))


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
) -> TableRules:
    classification: Classification = dataset.classification if dataset else "protected"
    public = dataset.public if dataset else ()
    if dataset:
        _check_columns(dataset, table)
    if classification != "protected" and not public:
        public = table.column_names
    public = (*public, *_references(table, paths))
    return TableRules(
        dataset_name(charter, table.name),
        table,
        classification,
        paths,
        project(database, table, public),
        tuple(key for key in database.foreign_keys if key.parent == table.name),
    )


def _references(table: Table, paths: Sequence[PersonPath]) -> Iterator[str]:
    """The columns that hold a person's key without a foreign key and may not be null: as those of
    such foreign keys, they stay; a placeholder would name a person whom nobody knows."""
    for path in paths:
        columns = path.hops[0].columns if path.hops and path.hops[0].foreign_key is None else ()
        if all(table.column(name).not_null for name in columns):
            yield from columns


def _check_columns(dataset: TableDataset, table: Table) -> None:
    for column in (*dataset.public, *dataset.categories):
        if column not in table.column_names:
            raise CharterError(
                f"the charter names a column {column} of {table.name}, which has none",
                expected="one of " + ", ".join(table.column_names),
                next_step="correct `public` or `categories` of the table's dataset",
            )


def _refers(key: ForeignKey, alias: str) -> sql.Composable:
    matches = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("referrer", child), sql.Identifier(alias, parent))
        for child, parent in zip(key.columns, key.parent_columns, strict=True)
    )
    return sql.SQL("EXISTS (SELECT FROM {} AS referrer WHERE {})").format(
        sql.Identifier(key.child.schema, key.child.name), matches
    )
