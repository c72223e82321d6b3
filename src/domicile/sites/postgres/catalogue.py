"""Read a database's catalogue: a fixed number of set-based queries, whatever the tables.

Tables that this version can examine are `Database.tables`, a partitioned one as its root;
materialised views are `Database.materialised`; every other relation that may hold rows is in
`Database.other_relations` with its reason. Nothing falls between: a relation is in one of these, or
holds no rows of its own (views, indexes, partitions of a listed table, empty tables with heirs).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import LiteralString, TypeVar

from psycopg import sql
from psycopg.rows import class_row

from domicile.sites.postgres.catalogue_queries import (
    COLUMNS,
    FOREIGN_KEYS,
    IN_RECOVERY,
    INDEXES,
    LARGE_OBJECTS,
    MATERIALISED,
    OURS,
    RELATIONS,
    SEQUENCES,
    TRIGGERS,
    TYPES,
    AmountRow,
    AnswerRow,
    AttributeRow,
    IndexRow,
    MaterialisedRow,
    ReferenceRow,
    RelationRow,
    SequenceRow,
    TriggerRow,
)
from domicile.sites.postgres.column_types import (
    TypeRow,
    base_of,
    binary_safe,
    maximum_length,
    plain_type,
)
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import (
    Action,
    Column,
    Database,
    ForeignKey,
    MaterialisedView,
    Sequence,
    Table,
    TableName,
    Trigger,
)

__all__ = ["read_database"]

Row = TypeVar("Row")

_ACTIONS: Mapping[str, Action] = {
    "a": "no action",
    "r": "restrict",
    "c": "cascade",
    "n": "set null",
    "d": "set default",
}
_TRIGGER_EVENTS = ((4, "insert"), (8, "delete"), (16, "update"), (32, "truncate"))


def read_database(connection: Connection) -> Database:
    """What the catalogue says now. Reads only; leaves the caller's transaction open.

    Raises `SiteError`.
    """
    with site_errors(site_name(connection)):
        return _read(connection)


def _read(connection: Connection) -> Database:
    relations = {
        row.oid: row for row in _rows(connection, RELATIONS, RelationRow) if not row.only_heirs
    }
    reasons = {oid: _not_examined(row) for oid, row in relations.items()}
    names = {oid: row.table_name for oid, row in relations.items()}
    attributes = _by_relation(_rows(connection, COLUMNS, AttributeRow))
    indexes = defaultdict(list)
    for index in _rows(connection, INDEXES, IndexRow):
        indexes[index.relation].append(index)
    types = {row.oid: row for row in _rows(connection, TYPES, TypeRow)}
    tables = {
        row.table_name: _table(row, attributes.get(oid, {}), indexes[oid], types)
        for oid, row in relations.items()
        if row.kind in "rp" and reasons[oid] is None
    }
    others = {names[oid]: reason for oid, reason in reasons.items() if reason is not None}
    return Database(
        server_version=connection.info.server_version,
        in_recovery=_rows(connection, IN_RECOVERY, AnswerRow)[0].answer,
        tables=tables,
        foreign_keys=tuple(
            _foreign_key(row, names, attributes, indexes[row.child])
            for row in _rows(connection, FOREIGN_KEYS, ReferenceRow)
            if row.child in names and row.parent in names
        ),
        triggers=tuple(
            _trigger(row, names)
            for row in _rows(connection, TRIGGERS, TriggerRow)
            if row.relation in names
        ),
        sequences=tuple(
            _sequence(row, names)
            for row in _rows(connection, SEQUENCES, SequenceRow)
            if row.oid in names and reasons[row.oid] is None
        ),
        other_relations=others | _large_objects(connection),
        materialised=_materialised(
            [
                row
                for row in _rows(connection, MATERIALISED, MaterialisedRow)
                if reasons.get(row.oid, "") is None
            ],
            names,
        ),
    )


def _rows(connection: Connection, query: LiteralString, row: type[Row]) -> list[Row]:
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(sql.SQL(query).format(ours=OURS)).fetchall()


def _by_relation(rows: list[AttributeRow]) -> dict[int, dict[int, AttributeRow]]:
    grouped: dict[int, dict[int, AttributeRow]] = defaultdict(dict)
    for row in rows:
        grouped[row.relation][row.number] = row
    return grouped


def _not_examined(row: RelationRow) -> str | None:
    """Why this version does not examine a relation; None where it does."""
    if row.extension is not None:
        return f"it belongs to the extension {row.extension}"
    if row.kind == "f":
        return "a foreign table: its rows lie on another server"
    if not row.readable:
        return "the site's user has no permission to read it"
    if row.kind in "Sm":
        return None
    return _table_not_examined(row)


def _table_not_examined(row: RelationRow) -> str | None:
    reasons = (
        (row.foreign_part, "a partition of it is a foreign table: its rows lie on another server"),
        (row.detaching, "a partition is being detached from it: no table shows its rows now"),
        (row.keys_of_its_own, "a foreign key is of one of its partitions, not of the whole"),
        (row.has_heirs, "a table with rows of its own that others inherit from"),
        (row.row_security, "row-level security hides rows from the site's user"),
        (row.rules, "a rewrite rule changes what writing to it does"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _table(
    row: RelationRow,
    attributes: Mapping[int, AttributeRow],
    indexes: list[IndexRow],
    types: Mapping[int, TypeRow],
) -> Table:
    def named(index: IndexRow) -> tuple[str, ...]:
        return tuple(attributes[number].name for number in index.columns)

    unique = [index for index in indexes if index.is_unique and index.plain]
    return Table(
        name=row.table_name,
        columns=tuple(_column(attribute, types) for attribute in attributes.values()),
        primary_key=next((named(index) for index in unique if index.is_primary), ()),
        unique=tuple(named(index) for index in unique if not index.is_primary),
        size_bytes=row.size_bytes,
        estimated_rows=row.estimated_rows(),
        unlogged=row.persistence == "u",
    )


def _column(row: AttributeRow, types: Mapping[int, TypeRow]) -> Column:
    base = base_of(types, row.type)
    generated = row.generated != ""
    return Column(
        name=row.name,
        type=row.type_text,
        plain_type=plain_type(types, row.type, row.type_text),
        base_type=base.qualified,
        category=base.category,
        not_null=row.not_null or types[row.type].not_null,
        has_default=row.has_default and not generated,
        generated=generated,
        identity="always" if row.identity == "a" else "by default" if row.identity == "d" else "",
        max_length=maximum_length(types, row.type, row.typmod),
        binary_safe=binary_safe(types, row.type),
    )


def _foreign_key(
    row: ReferenceRow,
    names: Mapping[int, TableName],
    attributes: Mapping[int, Mapping[int, AttributeRow]],
    indexes: list[IndexRow],
) -> ForeignKey:
    width = len(row.columns)
    wanted = sorted(row.columns)
    return ForeignKey(
        name=row.name,
        child=names[row.child],
        columns=tuple(attributes[row.child][number].name for number in row.columns),
        parent=names[row.parent],
        parent_columns=tuple(attributes[row.parent][n].name for n in row.parent_columns),
        on_delete=_ACTIONS[row.on_delete],
        on_update=_ACTIONS[row.on_update],
        deferrable=row.deferrable,
        indexed=any(
            index.plain and index.for_equality and sorted(index.columns[:width]) == wanted
            for index in indexes
        ),
    )


def _trigger(row: TriggerRow, names: Mapping[int, TableName]) -> Trigger:
    events = tuple(event for bit, event in _TRIGGER_EVENTS if row.type & bit)
    return Trigger(names[row.relation], row.name, events, row.enabled)


def _sequence(row: SequenceRow, names: Mapping[int, TableName]) -> Sequence:
    return Sequence(
        name=names[row.oid],
        last_value=row.last_value,
        increment=row.increment,
        min_value=row.min_value,
        max_value=row.max_value,
        owned_by=row.owned_by,
    )


def _materialised(
    rows: list[MaterialisedRow], names: Mapping[int, TableName]
) -> tuple[MaterialisedView, ...]:
    among = {row.oid for row in rows}
    ordered = sorted(rows, key=lambda row: len(among & set(row.reads)))
    return tuple(
        MaterialisedView(
            names[row.oid],
            row.populated,
            row.definition.rstrip().rstrip(";"),
            tuple(sorted(names[oid] for oid in row.reads if oid in names and oid not in among)),
            _unclear(row, names),
        )
        for row in ordered
    )


def _unclear(row: MaterialisedRow, names: Mapping[int, TableName]) -> str:
    if row.calls:
        return f"its definition calls {', '.join(sorted(row.calls))}, which may read anything"
    if not set(row.reads) <= set(names):
        return "it reads a relation of the system, or of no table that is listed"
    return ""


def _large_objects(connection: Connection) -> dict[TableName, str]:
    amount = _rows(connection, LARGE_OBJECTS, AmountRow)[0].amount
    if not amount:
        return {}
    return {TableName("pg_catalog", "pg_largeobject"): f"{amount:,} large objects"}
