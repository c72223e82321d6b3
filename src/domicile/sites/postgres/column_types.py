"""Which column types may travel as binary COPY. Pure.

Binary is safe where equal values have equal bytes on every server and the bytes name nothing
local to one database:
- base types on the allow-list;
- enums, which travel as their label; domains over a safe type, which travel as that type.
Not safe:
- arrays: their header says whether a null bitmap is stored, not whether a null is in it, so that
  ``UPDATE t SET a[2] = 5`` over a null leaves bytes that a loaded copy does not have; arrays of
  enums, domains or composites also carry OIDs of this database;
- composites, ranges and ``reg*``, which carry such OIDs too; money, whose meaning depends on
  lc_monetary; anything of an extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TypeRow", "base_of", "binary_safe", "maximum_length", "plain_type"]

_SAFE_BASE_TYPES = frozenset(
    (
        "bit",
        "bool",
        "bpchar",
        "bytea",
        "cidr",
        "date",
        "float4",
        "float8",
        "inet",
        "int2",
        "int4",
        "int8",
        "interval",
        "json",
        "jsonb",
        "macaddr",
        "macaddr8",
        "numeric",
        "text",
        "time",
        "timestamp",
        "timestamptz",
        "timetz",
        "uuid",
        "varbit",
        "varchar",
    )
)
_WITH_LENGTH = ("pg_catalog.bpchar", "pg_catalog.varchar")
_LENGTH_HEADER = 4  # a typmod of varchar(n) and char(n) is n + 4


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One row of pg_type; kind is its typtype. base_text: of a domain, the type that it is over."""

    oid: int
    schema: str
    name: str
    kind: str
    category: str
    base: int
    typmod: int
    not_null: bool
    base_text: str

    @property
    def qualified(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"


def base_of(types: Mapping[int, TypeRow], oid: int) -> TypeRow:
    """The type under any domains."""
    row = types[oid]
    while row.kind == "d":
        row = types[row.base]
    return row


def plain_type(types: Mapping[int, TypeRow], oid: int, text: str) -> str:
    """The text of the type under any domains, with its limits; ``text`` where it is no domain."""
    row = types[oid]
    while row.kind == "d":
        text, row = row.base_text, types[row.base]
    return text


def binary_safe(types: Mapping[int, TypeRow], oid: int) -> bool:
    """Whether a column of this type may travel as binary COPY."""
    row = base_of(types, oid)
    listed = row.schema == "pg_catalog" and row.name in _SAFE_BASE_TYPES
    return row.kind == "e" or (row.kind == "b" and listed)


def maximum_length(types: Mapping[int, TypeRow], oid: int, typmod: int) -> int | None:
    """The n of varchar(n) or char(n), also under domains; None where there is no limit."""
    row = types[oid]
    while row.kind == "d":
        typmod, row = row.typmod, types[row.base]
    limited = row.qualified in _WITH_LENGTH and typmod >= _LENGTH_HEADER
    return typmod - _LENGTH_HEADER if limited else None
