"""Whether a server would delete or reduce rows at all, asked before anything moves. EXPLAIN asks it
without a row being touched: permissions, and what publications want of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from domicile.inventory import DatabaseRules
from domicile.move.plan import TablePlan
from domicile.sites.postgres import table_rows

__all__ = ["write_blockers"]

_NO_IDENTITY = "55000"
_REFUSALS = (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.ProgrammingError)


def write_blockers(
    connection: psycopg.Connection, rules: DatabaseRules, plans: Sequence[TablePlan]
) -> Iterator[str]:
    """Deletes and updates that the erasure needs and the server refuses."""
    names = {str(name): name for name in rules.tables}
    for plan in plans:
        name = names[plan.table]
        table = table_rows(name)
        removed = rules.tables[name].projection.removed
        if plan.deleted:
            statement = sql.SQL("DELETE FROM {}").format(table)
            yield from _refusal(connection, plan, statement, "deleted")
        if plan.reduced and removed:
            same = sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier(column))
                for column in removed
            )
            statement = sql.SQL("UPDATE {} SET {}").format(table, same)
            yield from _refusal(connection, plan, statement, "reduced")


def _refusal(
    connection: psycopg.Connection, plan: TablePlan, statement: sql.Composable, done: str
) -> Iterator[str]:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("EXPLAIN {}").format(statement))
    except _REFUSALS as error:
        said = error.diag.message_primary or type(error).__name__
        step = _step(plan.table, error)
        yield f"{plan.site}: rows of {plan.table} cannot be {done}: {said}: {step}"


def _step(table: str, error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "grant it to the site's user"
    if error.sqlstate == _NO_IDENTITY or isinstance(error, psycopg.errors.InvalidColumnReference):
        return f"ALTER TABLE {table} REPLICA IDENTITY FULL, or take it out of the publication"
    return "change what the server refuses"
