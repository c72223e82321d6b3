"""How a row leads to its person, as a charter writes it. Pure.

The grammar of an entry of ``person``::

    entry   = held | held " -> " place
    held    = column *("," column) | column "#" pointer
    place   = [schema "."] table "." column *("," column)

1. ``column`` or ``a,b`` name what the row holds: a foreign key's columns, or a person's key.
2. ``column#/user/id`` is what a JSON Pointer (RFC 6901) finds in a column of JSON.
3. ``held -> orders.number`` leads to the rows of another table that hold the same there.

Where a country is written, the place has a last column: ``held -> addresses.person -> country``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domicile.errors import CharterError

__all__ = ["CountryWay", "Way", "is_name"]

_ARROW = " -> "
_LONGEST_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_HELD = "a column, the columns of a composite key as `a,b`, or `column#/pointer`, without blanks"
_PLACE = "`table.column` or `schema.table.column`; of a composite key `table.a,b`"
_INDEX = re.compile(r"0|[1-9][0-9]*")
_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Way:
    """What a row holds, and where that leads: to the person's key, or to ``there`` of ``table``
    (as the charter names it). pointer: the names on the way into ``columns``' JSON; none where the
    columns' values themselves are meant."""

    columns: tuple[str, ...]
    pointer: tuple[str, ...] = ()
    table: str = ""
    there: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Way:
        """Read an entry of ``person``. Raises CharterError that says what is wrong with it."""
        held, arrow, place = text.partition(_ARROW)
        way = _held(held)
        if not arrow:
            return way
        table, there = _place(place)
        if len(there) != len(way.columns):
            raise CharterError(
                f"leads from {len(way.columns)} column(s) to {len(there)}",
                expected="as many on both sides of the arrow",
                next_step="name the columns that are equal, in the same order",
            )
        return cls(way.columns, way.pointer, table, there)


@dataclass(frozen=True, slots=True)
class CountryWay:
    """The column that holds a person's country: of the people table, or of the rows to which
    ``way`` leads from it."""

    column: str
    way: Way | None = None

    @classmethod
    def parse(cls, text: str) -> CountryWay:
        """Read ``[people] country``. Raises CharterError that says what is wrong with it."""
        way, arrow, column = text.rpartition(_ARROW)
        if not is_name(column):
            raise CharterError(
                "holds what is no column",
                expected="a column's name, or `held -> table.column -> country`",
                next_step="correct it",
            )
        if not arrow:
            return cls(column)
        led = Way.parse(way)
        if not led.table:
            raise CharterError(
                "leads to no table",
                expected="`held -> table.column -> country`, the last one that table's",
                next_step="name the table's column that equals what the person's row holds",
            )
        return cls(column, led)


def is_name(text: str) -> bool:
    """Whether PostgreSQL could call something so (quotes are added where they are needed)."""
    short = 0 < len(text.encode()) <= _LONGEST_NAME_BYTES
    return short and text == text.strip() and text.isprintable() and '"' not in text


def _held(text: str) -> Way:
    column, mark, pointer = text.partition("#/")
    if mark:
        if not is_name(column) or "," in column:
            raise _no_column("a pointer leads into one column of JSON: `column#/pointer`")
        return Way((column,), _names(pointer))
    return Way(_columns(text, _HELD))


def _place(text: str) -> tuple[str, tuple[str, ...]]:
    dotted, comma, rest = text.partition(",")
    table, _, first = dotted.rpartition(".")
    parts = table.split(".")
    if _ARROW in text or len(parts) > 2 or not all(map(is_name, parts)):
        raise CharterError(
            "leads to what is no table's column",
            expected=_PLACE,
            next_step="write the table and its columns that hold the same",
        )
    return table, _columns(first + comma + rest, _PLACE)


def _columns(text: str, expected: str) -> tuple[str, ...]:
    columns = tuple(text.split(","))
    if not all(map(is_name, columns)) or len(set(columns)) < len(columns):
        raise _no_column(expected)
    return columns


def _no_column(expected: str) -> CharterError:
    return CharterError(
        "is not a column",
        expected=expected,
        next_step="write the columns that lead to the person",
    )


def _names(pointer: str) -> tuple[str, ...]:
    """The names of a pointer behind its first slash."""
    if re.search(r"~(?![01])", pointer):
        raise _no_pointer("`~0` for `~` and `~1` for `/`")
    names = tuple(t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/"))
    for name in names:
        if any(char == "\0" or ord(char) >= 0xFFFF for char in name):
            raise _no_pointer("names of characters between U+0001 and U+FFFE")
        if _NUMBER.fullmatch(name) and not _INDEX.fullmatch(name):
            raise _no_pointer("an array's index as 0, 1, 2 … (the server takes others too)")
    return names


def _no_pointer(expected: str) -> CharterError:
    return CharterError(
        "has no JSON Pointer (RFC 6901) behind `#`",
        expected=expected,
        next_step="correct the pointer",
    )
