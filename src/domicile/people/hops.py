"""One hop from a table towards its person, and what may be compared on it. Pure.

A hop without a foreign key is *soft*: both sides are compared by their values, exactly. Where one
side is text and the other is not, by the text in which the server writes the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domicile.charter import Way
from domicile.sites.postgres import Column, Table, TableName

__all__ = ["EVERYBODY", "Hop", "everybody", "soft_hop"]

EVERYBODY = TableName("pg_temp", "domicile_everybody", is_root=False)
"""Where a session has the register's persons, in a database without the people table."""

_EXACT_NUMBERS = frozenset(f"pg_catalog.{name}" for name in ("int2", "int4", "int8", "numeric"))
_TEXTS = frozenset(f"pg_catalog.{name}" for name in ("text", "varchar", "bpchar"))
_WRITTEN_ONE_WAY = _EXACT_NUMBERS | _TEXTS | {"pg_catalog.uuid"}
"""Types whose values have one text each; a decimal number one for each number of digits."""
_BROUGHT = "pg_catalog."
_JSON = frozenset({"pg_catalog.json", "pg_catalog.jsonb"})


@dataclass(frozen=True, slots=True)
class Hop:
    """``table.columns`` equal ``parent.parent_columns``. foreign_key is None for a soft hop.

    as_text: which of the columns are compared by their text; empty: none. pointer: the names on the
    way to the value inside ``columns``' JSON; empty: the columns' own values. json: that column is
    of type ``json``, not ``jsonb``. in_settings: the SQL types of the parent's columns, where the
    session has its rows in settings (everybody, on a standby); empty: in a table.
    """

    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    foreign_key: str | None
    as_text: tuple[bool, ...] = ()
    pointer: tuple[str, ...] = ()
    json: bool = False
    in_settings: tuple[str, ...] = ()

    @property
    def held(self) -> str:
        """What the row holds, as a charter writes it."""
        names = (name.replace("~", "~0").replace("/", "~1") for name in self.pointer)
        mark = "#/" if self.pointer else ""
        return ",".join(self.columns) + mark + "/".join(names)


def everybody(key: Sequence[str], base_types: Sequence[str]) -> Table:
    """`EVERYBODY`, with a person's key of these base types. What another database calls by the same
    name may be another type, but where PostgreSQL brings it: nothing equals those."""
    columns = tuple(
        Column(
            name=name,
            type=kind.removeprefix(_BROUGHT),
            plain_type=kind,
            base_type=kind if kind.startswith(_BROUGHT) else "",
            category="",
            not_null=True,
            has_default=False,
            generated=False,
            identity="",
            max_length=None,
            binary_safe=False,
        )
        for name, kind in zip(key, base_types, strict=True)
    )
    return Table(EVERYBODY, columns, tuple(key), (), 0, 0)


def soft_hop(
    table: Table, way: Way, parent: Table, parent_columns: Sequence[str]
) -> Hop | tuple[str, str]:
    """The hop by which what ``way`` says the row holds equals ``parent_columns``; or why there is
    none, and the next step."""
    flags: list[bool] = []
    for name, part in zip(way.columns, parent_columns, strict=True):
        held, wanted = _column(table, name), _column(parent, part)
        if held is None or wanted is None:
            flags.append(False)
            continue
        if way.pointer and held.base_type not in _JSON:
            return (
                f"`person` has a pointer into column {name}, which is {held.type}",
                f"give {name} the type jsonb, or name a column that has it",
            )
        as_text = _as_text(held, wanted, way)
        if as_text is None:
            return (
                (
                    f"`person` column {name} is {held.type}, {_named(parent, part, way)} is"
                    f" {wanted.type}: they cannot be compared exactly"
                ),
                f"give {name} the type {wanted.type} or a foreign key, or name another column",
            )
        flags.append(as_text)
    found = _column(table, way.columns[0])
    return Hop(
        way.columns,
        parent.name,
        tuple(parent_columns),
        None,
        tuple(flags) if any(flags) else (),
        way.pointer,
        bool(way.pointer and found and found.base_type == "pg_catalog.json"),
    )


def _as_text(held: Column, wanted: Column, way: Way) -> bool | None:
    """Whether two columns are compared by their text; None where they cannot be. The server
    compares by itself, and exactly: equal types, whole and decimal numbers among each other, texts
    among each other (of two tables by their bytes, as their collations may differ)."""
    one, other = held.base_type, wanted.base_type
    if way.pointer:
        return True if other in _WRITTEN_ONE_WAY else None
    if {one, other} <= _TEXTS:
        return bool(way.table)
    if one == other or {one, other} <= _EXACT_NUMBERS:
        return False
    mixed = {one, other} <= _WRITTEN_ONE_WAY and {one, other} & _TEXTS
    return True if mixed else None


def _named(parent: Table, part: str, way: Way) -> str:
    return f"{parent.name}.{part}" if way.table else f"a person's {part}"


def _column(table: Table, name: str) -> Column | None:
    return next((column for column in table.columns if column.name == name), None)
