"""Whether materialised views hold what their tables give now: then they hold nothing else.

A view's stored rows have no person of their own. They are compared, as texts and as often as they
are there, with the answer of its definition under the same snapshot. Where both are equal, the view
holds of a member what its tables hold, which are examined; else it may hold rows that were erased.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from domicile.inventory import DatabaseRules
from domicile.sites.postgres import MaterialisedView, TableName, table_identifier

__all__ = ["Derived", "look_at_views"]

_STALE = "it holds other rows than its tables give now: REFRESH MATERIALIZED VIEW, then scan again"


@dataclass(frozen=True, slots=True)
class Derived:
    """A materialised view and its rows. reason: why it counts as not examined; empty where it
    does not. stale: it was compared and differs from its tables."""

    name: TableName
    reads: tuple[TableName, ...]
    rows: int
    reason: str
    stale: bool


def look_at_views(connection: psycopg.Connection, rules: DatabaseRules) -> list[Derived]:
    """Compare every materialised view with its tables, in the caller's transaction."""
    return [_look(connection, rules, view) for view in rules.database.materialised]


def _look(connection: psycopg.Connection, rules: DatabaseRules, view: MaterialisedView) -> Derived:
    if not view.populated:
        return Derived(view.name, view.reads, 0, "", stale=False)
    rows = _count(connection, sql.SQL("SELECT FROM {}").format(table_identifier(view.name)))
    unexamined = [str(table) for table in view.reads if table in rules.undecided]
    reason = view.unclear or (
        f"it reads {', '.join(unexamined)}, not examined itself" if unexamined else ""
    )
    if reason:
        reason = f"a materialised view: {reason}; drop it, or attest what it holds"
        return Derived(view.name, view.reads, rows, reason, stale=False)
    stale = _differs(connection, view)
    return Derived(view.name, view.reads, rows, _STALE if stale else "", stale=stale)


def _differs(connection: psycopg.Connection, view: MaterialisedView) -> bool:
    stored = sql.SQL("SELECT q::text FROM {} AS q").format(table_identifier(view.name))
    given = sql.SQL("SELECT q::text FROM ({}) AS q").format(sql.SQL(view.definition))
    query = sql.SQL("(({0}) EXCEPT ALL ({1})) UNION ALL (({1}) EXCEPT ALL ({0}))")
    return bool(_count(connection, query.format(stored, given)))


def _count(connection: psycopg.Connection, query: sql.Composable) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM ({}) AS found").format(query)).fetchone()
    return int(row[0]) if row else 0
