"""Rows that would lose their way to a person if others were erased before them. Pure SQL building.

A foreign key keeps the row there, but not always its way on; nothing keeps what is referred to
softly. So no row is erased while another that is not erased yet is attributed through it: written
since the plan, or not proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from domicile.inventory import Condition, DatabaseRules, TableRules
from domicile.people import Hop, held_values, parent_values
from domicile.sites.postgres import TableName, table_rows

__all__ = ["dependents", "led_to"]


def dependents(
    rules: DatabaseRules, parents: set[TableName]
) -> list[tuple[TableRules, tuple[Hop, ...]]]:
    """The tables whose rows find their person only as long as full rows of ``parents`` are there,
    and the hops from them to there: one, or several over rows of other tables."""
    ways = {
        (table.table.name, path.hops[: place + 1]): table
        for table in rules.protected
        for path in table.paths
        for place, hop in enumerate(path.hops)
        if hop.parent in parents and _can_be_lost(rules, path.hops[place:])
    }
    return [(table, hops) for (_, hops), table in ways.items()]


def led_to(
    rules: DatabaseRules,
    name: TableName,
    alias: str,
    erased_too: Mapping[TableName, Condition],
) -> sql.Composable:
    """Whether a full row of a member, but those that are erased in the same go, is attributed
    through the row ``alias`` of a table."""
    return sql.SQL("({})").format(
        sql.SQL(" OR ").join([sql.SQL("false"), *_ways(rules, name, alias, erased_too)])
    )


def _ways(
    rules: DatabaseRules, name: TableName, alias: str, erased_too: Mapping[TableName, Condition]
) -> Iterator[sql.Composable]:
    for table, hops in dependents(rules, {name}):
        apart = erased_too.get(table.table.name)
        full = sql.SQL("{} AND {}").format(
            table.members(rules.key, "c"),
            sql.SQL("{} IS NOT TRUE").format(apart("c")) if apart else sql.SQL("true"),
        )
        yield _led(table.table.name, full, hops, alias)


def _led(start: TableName, full: sql.Composable, hops: Sequence[Hop], alias: str) -> sql.Composable:
    """Whether these hops lead to the row ``alias`` from a row ``c`` of ``start`` that is full."""
    before, hop = hops[:-1], hops[-1]
    inner = f"h{len(before)}" if before else "c"
    return sql.SQL("({}) IN (SELECT {} FROM {} AS {} WHERE {})").format(
        sql.SQL(", ").join(parent_values(hop, alias)),
        sql.SQL(", ").join(held_values(hop, inner)),
        table_rows(before[-1].parent if before else start),
        sql.Identifier(inner),
        _led(start, full, before, inner) if before else full,
    )


def _can_be_lost(rules: DatabaseRules, hops: Sequence[Hop]) -> bool:
    """Whether the way breaks with the row to which the first of these hops leads."""
    hop, rest = hops[0], hops[1:]
    if not rest and set(hop.parent_columns) == set(rules.key):
        return False  # the register knows the person
    parent = rules.tables.get(hop.parent)
    if hop.foreign_key is None or parent is None:
        return True
    return not parent.projection.keeps(rest[0].columns if rest else rules.key)
