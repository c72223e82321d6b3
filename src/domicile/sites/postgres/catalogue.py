"""Read a database's catalogue: a fixed number of set-based queries, whatever the tables.

Tables that this version can examine are `Database.tables`; every other relation that may hold
rows is in `Database.other_relations` with its reason. Nothing falls between: a relation is in
one of the two, or holds no rows of its own (views, indexes, partitions of a listed table). A
partitioned table is one table; what its partitions have of their own is told of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import LiteralString, TypeVar

from psycopg import sql
from psycopg.rows import class_row

from domicile.sites.postgres.catalogue_queries import (
    COLUMNS,
    EVENT_TRIGGERS,
    FOREIGN_KEYS,
    IN_RECOVERY,
    INDEXES,
    LARGE_OBJECTS,
    OURS,
    RELATIONS,
    SEQUENCES,
    TRIGGERS,
    TYPES,
    VIEWS,
    AmountRow,
    AnswerRow,
    AttributeRow,
    EventTriggerRow,
    IndexRow,
    ReferenceRow,
    RelationRow,
    SequenceRow,
    TriggerRow,
    ViewRow,
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
from domicile.sites.postgres.foreign import FOREIGN_TABLES, ForeignRow, why_foreign
from domicile.sites.postgres.model import (
    Action,
    Column,
    Database,
    EventTrigger,
    ForeignKey,
    MaterialisedView,
    NotExamined,
    Sequence,
    Table,
    TableName,
    Trigger,
)
from domicile.sites.postgres.trees import heirs_of

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
    relations = {row.oid: row for row in _rows(connection, RELATIONS, RelationRow)}
    references = _rows(connection, FOREIGN_KEYS, ReferenceRow)
    partial = _partial_keys(relations, references)
    foreign = {row.oid: row for row in _rows(connection, FOREIGN_TABLES, ForeignRow)}
    odd = {row.child: why for row in references if (why := _not_followed(row)) is not None}
    reasons = {
        oid: _not_examined(row, partial.get(oid), odd.get(oid), foreign.get(oid))
        for oid, row in relations.items()
    }
    names = {oid: row.table_name for oid, row in relations.items()}
    attributes = _by_relation(_rows(connection, COLUMNS, AttributeRow))
    indexes = defaultdict(list)
    for index in _rows(connection, INDEXES, IndexRow):
        indexes[index.relation].append(index)
    types = {row.oid: row for row in _rows(connection, TYPES, TypeRow)}
    tables = {
        row.table_name: _table(row, attributes.get(oid, {}), indexes[oid], types, names)
        for oid, row in relations.items()
        if row.kind in "rp" and reasons[oid] is None
    }
    heirs = heirs_of(relations.values())
    others = {names[oid]: reason for oid, reason in reasons.items() if reason is not None}
    return Database(
        server_version=connection.info.server_version,
        in_recovery=_rows(connection, IN_RECOVERY, AnswerRow)[0].answer,
        tables=tables,
        foreign_keys=tuple(
            _foreign_key(row, names, attributes, indexes[row.child])
            for row in _once(references)
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
        views={
            names[row.oid]: _view(row, names, heirs)
            for row in _rows(connection, VIEWS, ViewRow)
            if row.oid in names and reasons[row.oid] is None
        },
        other_relations=others | _large_objects(connection),
        foreign={
            names[oid]: address
            for oid, row in foreign.items()
            if oid in names and (address := row.address) is not None
        },
        event_triggers=tuple(
            EventTrigger(row.name, row.event, tuple(row.tags), row.enabled)
            for row in _rows(connection, EVENT_TRIGGERS, EventTriggerRow)
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


def _once(references: Iterable[ReferenceRow]) -> list[ReferenceRow]:
    """Each key once, however many partitions have it of their own."""
    found: dict[tuple[int, object], ReferenceRow] = {}
    for row in references:
        found.setdefault((row.child, row.name if row.of_partition is None else row.key), row)
    return list(found.values())


def _partial_keys(
    relations: Mapping[int, RelationRow], references: Iterable[ReferenceRow]
) -> dict[int, str]:
    """Partitioned tables of which only some partitions have a foreign key, or are referred to by
    one; with its name."""
    partial: dict[int, str] = {}
    having: dict[tuple[int, object], set[int]] = defaultdict(set)
    names: dict[tuple[int, object], str] = {}
    for row in references:
        if row.to_partition:
            partial[row.parent] = row.name
        if row.of_partition is not None:
            having[row.child, row.key].add(row.of_partition)
            names[row.child, row.key] = row.name
    for (child, key), partitions in having.items():
        if child in relations and not partitions >= set(relations[child].leaf_oids):
            partial[child] = names[child, key]
    return partial


def _not_examined(
    row: RelationRow, partial: str | None, odd: NotExamined | None, foreign: ForeignRow | None
) -> NotExamined | None:
    """Why this version does not examine a relation; None where it does. partial: a foreign key
    that only some of its partitions have; odd: why another can't be followed; foreign: where a
    foreign table's rows lie."""
    if row.extension is not None:
        return NotExamined(f"it belongs to the extension {row.extension}")
    if row.tree_of is not None:
        return NotExamined(f"the extension {row.tree_of} keeps its rows in tables of its own")
    if foreign is not None:
        return why_foreign(foreign)
    if not row.readable:
        return NotExamined(
            "the site's user has no permission to read it",
            "grant it SELECT, and USAGE on the schema",
            unreadable=True,
        )
    return None if row.kind in "Sm" else _table_not_examined(row, partial, odd)


def _table_not_examined(
    row: RelationRow, partial: str | None, odd: NotExamined | None
) -> NotExamined | None:
    if row.unlogged and row.in_recovery:
        return NotExamined(
            "an unlogged table: a standby has none of its rows",
            "name the primary as the site",
            unreadable=True,
            empty=row.kind == "r",  # a partitioned table may have other partitions
        )
    if row.kind == "p" and (why := _parts_not_examined(row, partial)) is not None:
        return why
    if row.row_security:
        return NotExamined(
            "row-level security hides rows from the site's user",
            "give that user BYPASSRLS, or name the table's owner in the site's url (not where it is"
            " FORCEd)",
            unreadable=True,
        )
    return _ways_of_its_own(row, odd)


def _ways_of_its_own(row: RelationRow, odd: NotExamined | None) -> NotExamined | None:
    if row.rules:
        return NotExamined(
            f"a rewrite rule ({', '.join(row.rules)}) changes what UPDATE or DELETE does to it",
            "disable or drop the rule, or replace it by a trigger or a view in front of the table",
        )
    return odd


def _not_followed(key: ReferenceRow) -> NotExamined | None:
    """Why a foreign key does not lead each row to the one that it refers to."""
    if key.own_equality:
        return NotExamined(
            f"its foreign key {key.name} takes for equal what isn't the same (as citext does)",
            "give both columns a type such as text, with a deterministic collation",
        )
    if key.is_period:
        return NotExamined(
            f"its foreign key {key.name} is of periods: rows refer to others than equal ones",
            "name the person's own columns in a table of their own, or attest it",
        )
    if not key.holds:
        return NotExamined(
            f"its foreign key {key.name} was never validated: rows may refer to nobody",
            f"ALTER TABLE … VALIDATE CONSTRAINT {key.name}, or drop it",
        )
    return None


def _parts_not_examined(row: RelationRow, partial: str | None) -> NotExamined | None:
    """Rows of a partitioned table that its root does not show, or not as one table's."""
    if row.foreign_leaf is not None:
        return NotExamined(
            f"its partition {row.foreign_leaf} is a foreign table: its rows lie on another server",
            "name that server as a site and detach the partition",
        )
    if row.detaching is not None:
        return NotExamined(
            f"its partition {row.detaching} is being detached",
            "end that with ALTER TABLE … DETACH PARTITION … FINALIZE",
        )
    if partial is not None:
        return NotExamined(
            f"the foreign key {partial} is of a partition alone",
            "add it to the partitioned table instead",
        )
    return None


def _table(
    row: RelationRow,
    attributes: Mapping[int, AttributeRow],
    indexes: list[IndexRow],
    types: Mapping[int, TypeRow],
    names: Mapping[int, TableName],
) -> Table:
    def named(index: IndexRow) -> tuple[str, ...]:
        return tuple(attributes[number].name for number in index.columns)

    columns = [_column(attribute, types) for attribute in attributes.values()]
    if row.inherits:
        columns.sort(key=lambda column: column.name)
    unique = [index for index in indexes if index.is_unique and index.plain]
    return Table(
        name=row.table_name,
        columns=tuple(columns),
        primary_key=next((named(index) for index in unique if index.is_primary), ()),
        unique=tuple(named(index) for index in unique if not index.is_primary),
        size_bytes=row.size_bytes,
        estimated_rows=row.estimated_rows(),
        leaves=tuple(map(TableName, row.leaf_schemas, row.leaf_names)),
        unlogged=row.unlogged,
        inherits=tuple(names[oid] for oid in row.inherits if oid in names),
        insert_rules=tuple(row.insert_rules),
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
        is_lo=types[row.type].name == "lo" and base.qualified == "pg_catalog.oid",
    )


def _foreign_key(
    row: ReferenceRow,
    names: Mapping[int, TableName],
    attributes: Mapping[int, Mapping[int, AttributeRow]],
    indexes: list[IndexRow],
) -> ForeignKey:
    width = len(row.columns)
    numbers = {attribute.name: number for number, attribute in attributes[row.child].items()}
    wanted = sorted(numbers[name] for name in row.columns)
    return ForeignKey(
        name=row.name,
        child=names[row.child],
        columns=tuple(row.columns),
        parent=names[row.parent],
        parent_columns=tuple(row.parent_columns),
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


def _view(
    row: ViewRow, names: Mapping[int, TableName], heirs: Mapping[int, set[int]]
) -> MaterialisedView:
    # A query that reads a table reads what inherits from it too.
    return MaterialisedView(
        name=names[row.oid],
        definition=row.definition.rstrip().removesuffix(";"),
        populated=row.populated,
        tables=frozenset(names[heir] for oid in row.tables for heir in heirs.get(oid, ())),
        views=frozenset(names[oid] for oid in row.views if oid in names),
        # What lies in a schema that isn't read (a catalogue, a temporary one) isn't known here.
        opaque=row.opaque or not all(oid in names for oid in row.tables),
    )


def _sequence(row: SequenceRow, names: Mapping[int, TableName]) -> Sequence:
    return Sequence(
        name=names[row.oid],
        last_value=row.last_value,
        increment=row.increment,
        min_value=row.min_value,
        max_value=row.max_value,
        owned_by=row.owned_by,
    )


def _large_objects(connection: Connection) -> dict[TableName, NotExamined]:
    amount = _rows(connection, LARGE_OBJECTS, AmountRow)[0].amount
    if not amount:
        return {}
    step = "move them into columns (bytea) or into an object store, or sign a statement about them"
    return {
        TableName("pg_catalog", "pg_largeobject"): NotExamined(f"{amount:,} large objects", step)
    }
