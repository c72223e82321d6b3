"""What an archive is to Domicile: rows, each of which may name a person; and what can't be read.

Archives are hostile input: nothing in them is executed, no name in them becomes a path, and what
they unpack to is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["NOBODY_CAN_SAY", "Key", "Layout", "Unreadable"]

Key = tuple[str, ...] | None
"""The person's key that a row holds, as text; None: the row names nobody."""

NOBODY_CAN_SAY: tuple[str, ...] = ()
"""The key of a row of which the archive alone does not tell whose it is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows tell their person. person: the columns of an export (CSV, JSON lines, Parquet) that
    hold the key. tables: the same for tables of a ``pg_dump``, by ``schema.name``; none where the
    table is about nobody. Tables that are left out do not tell."""

    person: tuple[str, ...]
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Unreadable(Exception):
    """An archive, or a part of it, that can't be read, and why, in words without its contents."""
