"""Rows that would lose their way to a person if others were erased before them. Pure SQL building.

A foreign key keeps the row there, but not always its way on; nothing keeps what is referred to
softly. So no row is erased while another that is not erased yet is attributed through it: written
since the plan, or not proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from psycopg import sql

from domicile.inventory import Condition, DatabaseRules, TableRules
from domicile.people import Hop, PersonPath, held_values, parent_values
from domicile.sites.postgres import TableName, table_rows

__all__ = ["dependents", "led_to"]


def dependents(rules: DatabaseRules, parents: set[TableName]) -> list[tuple[TableRules, Hop]]:
    """The tables whose rows find their person only as long as full rows of ``parents`` are there,
    and how."""
    found = ((table, path) for table in rules.protected for path in table.paths)
    hops = {
        (table.table.name, path.hops[0]): table
        for table, path in found
        if path.hops and path.hops[0].parent in parents and _can_be_lost(rules, path)
    }
    return [(table, hop) for (_, hop), table in hops.items()]


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
    for table, hop in dependents(rules, {name}):
        apart = erased_too.get(table.table.name)
        yield sql.SQL("({}) IN (SELECT {} FROM {} AS c WHERE {} AND {})").format(
            sql.SQL(", ").join(parent_values(hop, alias)),
            sql.SQL(", ").join(held_values(hop, "c")),
            table_rows(table.table.name),
            table.members(rules.key, "c"),
            sql.SQL("{} IS NOT TRUE").format(apart("c")) if apart else sql.SQL("true"),
        )


def _can_be_lost(rules: DatabaseRules, path: PersonPath) -> bool:
    hop, rest = path.hops[0], path.hops[1:]
    if not rest and set(hop.parent_columns) == set(rules.key):
        return False  # the register knows the person
    parent = rules.tables.get(hop.parent)
    if hop.foreign_key is None or parent is None:
        return True
    return bool(rest) and not parent.projection.keeps(rest[0].columns)
