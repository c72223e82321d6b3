"""Statements that several parts of the state's users make alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["chunks", "insert_new"]

T = TypeVar("T")
_AT_ONCE = 500

_INSERT: Mapping[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def chunks(values: Sequence[T], most: int = _AT_ONCE) -> Iterator[Sequence[T]]:
    """So many of them at a time; unless told otherwise, as many as fit into one statement."""
    for first in range(0, len(values), most):
        yield values[first : first + most]


def insert_new(connection: sa.Connection, table: sa.Table) -> sa.Insert:
    """Inserts the rows whose keys are not there yet, and leaves the others as they are."""
    insert: sa.Insert = _INSERT[connection.dialect.name](table).on_conflict_do_nothing()
    return insert
