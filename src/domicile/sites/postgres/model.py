"""What a database is to Domicile: tables, columns, keys and references, as the catalogue has them.

Pure data; `catalogue` reads it from a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Address",
    "Column",
    "Database",
    "EventTrigger",
    "ForeignKey",
    "MaterialisedView",
    "NotExamined",
    "Sequence",
    "Table",
    "TableName",
    "Trigger",
]

Action = Literal["no action", "restrict", "cascade", "set null", "set default"]


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table's schema and name, unquoted. is_root: whether it is partitioned, where the name is
    the catalogue's (`table_rows` needs it); no part of what makes two names the same."""

    schema: str
    name: str
    is_root: bool | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> TableName:
        """``name`` (schema public) or ``schema.name``."""
        schema, dot, name = text.partition(".")
        return cls(schema, name) if dot else cls("public", text)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. type is ``format_type``'s text (``character varying(40)``); category is
    ``pg_type.typcategory`` (S string, N numeric, D date/time, B boolean, E enum, A array, ...) of
    the base type; max_length is a varchar's or char's, else None.

    binary_safe: equal values have equal bytes in binary COPY on every server (`column_types`).
    """

    name: str
    type: str
    plain_type: str  # the same, under any domains
    base_type: str  # name of the type under domains, schema-qualified: ``pg_catalog.int4``
    category: str
    not_null: bool
    has_default: bool
    generated: bool  # GENERATED ALWAYS AS (...) STORED or VIRTUAL
    identity: Literal["", "always", "by default"]
    max_length: int | None
    binary_safe: bool
    is_lo: bool = False  # of a domain called `lo` over oid: its values name large objects


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``child (columns) REFERENCES parent (parent_columns)``."""

    name: str
    child: TableName
    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    on_delete: Action
    on_update: Action
    deferrable: bool
    indexed: bool  # an index of the child begins with exactly these columns, in any order


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user's trigger; ``events`` as in the catalogue (``insert``, ``update``, ``delete``)."""

    table: TableName
    name: str
    events: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """A trigger on commands that change schemas, or on logins. event as in the catalogue
    (``ddl_command_start`` …); tags are the commands, all of them where it names none."""

    name: str
    event: str
    tags: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True, slots=True)
class Address:
    """Where libpq finds a database. host: a name, an address, a socket's directory, or empty."""

    host: str
    port: str
    database: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence and what it has given out. last_value is None before the first call."""

    name: TableName
    last_value: int | None
    increment: int
    min_value: int
    max_value: int
    owned_by: str | None  # ``schema.table.column``


@dataclass(frozen=True, slots=True)
class Table:
    """An ordinary table, or a partitioned one as a whole. primary_key is empty where there is none.
    unique holds the column sets of every other unique index without expression or predicate.
    size_bytes is the heap's and TOAST's, without indexes; estimated_rows is the planner's.

    leaves: of a partitioned table, the partitions that hold its rows; such a table is read and
    written through its root alone. unlogged: a crash empties it, or some of its partitions.
    inherits: the tables that it inherits from (INHERITS), first to last. Each table of such a tree
    is one of its own; its columns come by name, since a dump doesn't keep their order.
    insert_rules: enabled rewrite rules that change what INSERT does, and COPY doesn't see.
    """

    name: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    size_bytes: int
    estimated_rows: int
    leaves: tuple[TableName, ...] = ()
    unlogged: bool = False
    inherits: tuple[TableName, ...] = ()
    insert_rules: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """The column of this name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Every column's name, in the table's order."""
        return tuple(column.name for column in self.columns)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """Columns that COPY can load: all but generated ones."""
        return tuple(column for column in self.columns if not column.generated)


@dataclass(frozen=True, slots=True)
class MaterialisedView:
    """A view that keeps copies. tables: those that its query reads, through other views too,
    foreign tables among them; views: the materialised ones on that way. opaque: it calls functions
    that may read any table."""

    name: TableName
    definition: str
    populated: bool
    tables: frozenset[TableName]
    views: frozenset[TableName]
    opaque: bool


@dataclass(frozen=True, slots=True)
class NotExamined:
    """Why this version does not examine a relation, and what the operator can do. unreadable: the
    site's user gets none of its rows, or not all of them. empty: it has none here, whatever they
    are elsewhere."""

    reason: str
    next_step: str = "examine it yourself, or sign a statement about it (`domicile attest`)"
    unreadable: bool = False
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """What the catalogue says about one database, system schemas and ``domicile`` left out.

    other_relations: relations that may hold rows and are not examined (foreign, with
    row-level security forced on us ...), each with the reason why and the next step.
    foreign: the databases whose rows foreign tables show, where their options say it; shown: those
    that are sites of the charter, by name. Such tables are examined there, and in no other list.
    """

    server_version: int  # 180004
    in_recovery: bool
    tables: Mapping[TableName, Table]
    foreign_keys: tuple[ForeignKey, ...]
    triggers: tuple[Trigger, ...]
    sequences: tuple[Sequence, ...]
    views: Mapping[TableName, MaterialisedView]
    other_relations: Mapping[TableName, NotExamined]
    foreign: Mapping[TableName, Address] = field(default_factory=dict)
    shown: Mapping[TableName, str] = field(default_factory=dict)
    event_triggers: tuple[EventTrigger, ...] = ()
