"""Rows whose way to a person ends at a row that names nobody. Pure SQL building."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg import sql

from domicile.people.hops import Hop
from domicile.people.paths import PersonPath
from domicile.people.values import held_values, names_somebody, parent_values
from domicile.sites.postgres import TableName, table_rows

__all__ = ["End", "ownerless"]

End = Callable[[TableName, Hop, str], sql.Composable | None]
"""What must hold of the row (an alias) of a table that says nobody on this hop; None: it never
does."""


def ownerless(path: PersonPath, alias: str, end: End) -> sql.Composable:
    """Whether the row ``alias`` leads along ``path`` to another row, of which ``end`` holds, that
    names nobody. Never null."""
    ways: list[sql.Composable] = []
    for place, (before, hop) in enumerate(zip(path.hops, path.hops[1:], strict=False), 1):
        inner = _alias(place)
        condition = end(before.parent, hop, inner)
        if condition is not None:
            last = sql.SQL("NOT {} AND {}").format(names_somebody(hop, inner), condition)
            ways.append(sql.SQL("{} IS TRUE").format(_led(path.hops[:place], alias, last)))
    return sql.SQL("({})").format(sql.SQL(" OR ").join([sql.SQL("false"), *ways]))


def _led(hops: Sequence[Hop], alias: str, last: sql.Composable, place: int = 1) -> sql.Composable:
    """Whether these hops lead from the row ``alias`` to one of which ``last`` holds."""
    hop, rest = hops[0], hops[1:]
    inner = _alias(place)
    return sql.SQL("(({}) IN (SELECT {} FROM {} AS {} WHERE {}))").format(
        sql.SQL(", ").join(held_values(hop, alias)),
        sql.SQL(", ").join(parent_values(hop, inner)),
        table_rows(hop.parent),
        sql.Identifier(inner),
        _led(rest, inner, last, place + 1) if rest else last,
    )


def _alias(place: int) -> str:
    return f"o{place}"
