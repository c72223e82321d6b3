"""Erasing rows at a site: one transaction for a shard, or for a circle of tables.

Within one REPEATABLE READ transaction:
1. every shard's rows are read again; their digest must be the verified one, or nothing happens,
   and nothing that isn't erased yet may find its person through them;
2. rows that anybody else's row still refers to are reduced to their public projection;
3. the others are deleted;
4. large objects that these rows referred to, and no row does any more, are removed.
The transaction's snapshot never deletes what was written after it was taken; a row that changed
meanwhile, or a new reference to one, fails the transaction as a whole. Foreign keys that cascade
can't reach others' rows: what they refer to stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import sql

from domicile.erase.dependents import led_to
from domicile.erase.foreseen import RowErasure, read_foreseen, write_foreseen
from domicile.errors import DomicileError, ShardError, SourceChanged
from domicile.inventory import (
    Closure,
    Condition,
    DatabaseRules,
    TableRules,
    close_references,
    in_keys,
)
from domicile.move import RowShard, in_range, site_digest
from domicile.sites.postgres import (
    TableName,
    note_large_objects,
    remove_large_objects,
    site_errors,
    table_rows,
)

__all__ = ["erase_rows", "in_one_transaction", "not_as_verified"]

T = TypeVar("T")

_TRIES = 3
_DOOMED = sql.Identifier("pg_temp", "domicile_doomed")
_IS_DOOMED = sql.SQL("(t.tableoid, t.ctid) IN (SELECT part, place FROM {})").format(_DOOMED)


def erase_rows(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    site: str,
    shards: Sequence[RowShard],
    verified: Mapping[str, tuple[int, str]],
    foreseen: Path,
) -> list[RowErasure]:
    """Erase the shards of one group of tables. ``verified``: rows and digest by shard. foreseen: a
    file that says, before it takes effect, what becomes of them.

    A shard whose rows are all gone or reduced already was erased by an attempt that could not
    say so any more: it counts as done, as that attempt foresaw. Raises SourceChanged where
    rows are not the verified ones; SiteError.
    """

    def erase() -> list[RowErasure]:
        earlier = read_foreseen(foreseen)
        done, is_new = _erase(connection, rules, site, shards, verified, earlier)
        if is_new:
            write_foreseen(foreseen, done)
        return done

    return in_one_transaction(connection, site, erase)


def in_one_transaction(connection: psycopg.Connection, site: str, work: Callable[[], T]) -> T:
    """Do work and commit, with a few tries where others' writes came in between."""
    tries = iter(range(_TRIES, 0, -1))
    while True:
        left = next(tries)
        try:
            with site_errors(site):
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                done = work()
                connection.commit()
        except DomicileError as error:
            connection.rollback()
            if left == 1 or not _retryable(error):
                raise
        else:
            return done


def _retryable(error: DomicileError) -> bool:
    """Serialization failures, deadlocks and new references: another look may find a way."""
    cause = error.__cause__ or error.__context__
    return isinstance(
        cause,
        psycopg.errors.SerializationFailure
        | psycopg.errors.DeadlockDetected
        | psycopg.errors.ForeignKeyViolation,
    )


def _erase(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    site: str,
    shards: Sequence[RowShard],
    verified: Mapping[str, tuple[int, str]],
    earlier: Mapping[str, RowErasure],
) -> tuple[list[RowErasure], bool]:
    """What becomes of each shard, and whether any of it is this attempt's doing."""
    before: dict[str, int] = {}
    for shard in shards:
        there = site_digest((connection, rules), shard)
        if there.rows and there.sha256 != verified[shard.id][1]:
            raise not_as_verified(site, shard)
        before[shard.id] = there.rows
    pending = [shard for shard in shards if before[shard.id]]
    if not pending:
        done = [_earlier(connection, rules, shard, verified, earlier) for shard in shards]
        return done, False
    group = {TableName(shard.schema, shard.table) for shard in pending}
    _check_dependents(connection, rules, site, pending)
    _note_large_objects(connection, rules, pending)
    staying = _staying(connection, rules, pending, group)
    if len(group) > 1:
        _doom(connection, rules, pending, staying)
    reduced = {shard.id: _reduce(connection, rules, shard, staying) for shard in pending}
    _delete(connection, rules, pending, staying)
    _check_gone(connection, rules, site, pending)
    if any(rules.tables[name].large_objects for name in group):
        remove_large_objects(connection)
    done = [
        RowErasure(
            shard.id,
            before[shard.id],
            before[shard.id] - reduced[shard.id],
            reduced[shard.id],
        )
        if shard in pending
        else _earlier(connection, rules, shard, verified, earlier)
        for shard in shards
    ]
    return done, True


def not_as_verified(site: str, shard: RowShard) -> SourceChanged:
    """The error for rows that changed since they were verified."""
    return SourceChanged(
        f"site {site}: rows of {shard.table} (shard {shard.id}) are not the verified ones",
        expected="the rows whose copy at home was proven",
        next_step="run `domicile verify`, then `domicile erase` again, as often as shards"
        " go on changing",
    )


def _check_dependents(
    connection: psycopg.Connection, rules: DatabaseRules, site: str, shards: Sequence[RowShard]
) -> None:
    """Raises ShardError where a row that isn't erased now would lose its way to its person."""
    for name, mine in _by_table(shards).items():
        others = {
            table: partial(_in_shards, rules, theirs) for table, theirs in _by_table(shards).items()
        }
        row = connection.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE {} AND {})").format(
                _name(rules.tables[name]),
                _in_shards(rules, mine, "t"),
                led_to(rules, name, "t", others),
            )
        ).fetchone()
        if row is None or row[0]:
            raise ShardError(
                f"site {site}: rows of members that are not erased yet find their person through"
                f" rows of {name}",
                expected="every row that does to be erased first",
                next_step="scan, plan, move, verify and erase again: they were written since, or"
                " are not proven",
            )


def _earlier(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    shard: RowShard,
    verified: Mapping[str, tuple[int, str]],
    earlier: Mapping[str, RowErasure],
) -> RowErasure:
    """What an earlier attempt erased: as it foresaw, where that is all that is proven now. Else all
    that is proven, but the projections still there that name their person."""
    proven, known = verified[shard.id][0], earlier.get(shard.id)
    if known is not None and known.erased + known.reduced == proven:
        return replace(known, before=0)
    table = rules.tables[TableName(shard.schema, shard.table)]
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {} AS t WHERE {} AND {}").format(
            _name(table), table.bare(rules.key, "t"), in_range(table.table, shard, "t")
        )
    ).fetchone()
    reduced = min(int(row[0]) if row else 0, proven)
    return RowErasure(shard.id, 0, proven - reduced, reduced)


def _staying(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    shards: Sequence[RowShard],
    group: set[TableName],
) -> Closure:
    """Rows of the shards that are still referred to: from outside the group by any row left
    there, from inside it by rows that are not erased now."""
    seeds: dict[TableName, Condition] = {}
    for name in rules.database.tables:
        if name in group:
            seeds[name] = _not(partial(_in_shards, rules, [s for s in shards if _of(s, name)]))
        else:
            seeds[name] = _everything
    return close_references(
        connection,
        rules,
        seeds=seeds,
        candidates={
            name: partial(_in_shards, rules, [s for s in shards if _of(s, name)]) for name in group
        },
    )


def _note_large_objects(
    connection: psycopg.Connection, rules: DatabaseRules, shards: Sequence[RowShard]
) -> None:
    for shard in shards:
        table = rules.tables[TableName(shard.schema, shard.table)]
        if table.large_objects:
            rows = sql.SQL("SELECT t.* FROM {} AS t WHERE {}").format(
                _name(table), _in_shards(rules, [shard], "t")
            )
            note_large_objects(connection, rows, table.large_objects)


def _reduce(
    connection: psycopg.Connection, rules: DatabaseRules, shard: RowShard, staying: Closure
) -> int:
    name = TableName(shard.schema, shard.table)
    table = rules.tables[name]
    if not staying.rows.get(name):
        return 0
    # What stays is a member's. Whose it is can't be asked again: a row that it is found through may
    # have been reduced already.
    where = sql.SQL("{} AND {}").format(
        in_range(table.table, shard, "t"), in_keys(table.table, staying.tables[name], "t")
    )
    projection = table.projection
    statement = sql.SQL("UPDATE {} AS t SET {} WHERE {}").format(
        _name(table),
        sql.SQL(", ").join(
            sql.SQL("{} = {}").format(
                sql.Identifier(column), projection.value(table.table.column(column), "t")
            )
            for column in projection.removed
        ),
        where,
    )
    return connection.execute(statement).rowcount


def _doom(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    shards: Sequence[RowShard],
    staying: Closure,
) -> None:
    """Note which rows of a circle of tables are to be deleted, before any is reduced."""
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} (part oid, place tid) ON COMMIT DROP").format(
            sql.Identifier("domicile_doomed")
        )
    )
    for name, mine in _by_table(shards).items():
        connection.execute(
            sql.SQL("INSERT INTO {} SELECT t.tableoid, t.ctid FROM {} AS t WHERE {}").format(
                _DOOMED, _name(rules.tables[name]), _leaving(rules, name, mine, staying)
            )
        )
    connection.execute(sql.SQL("ANALYZE {}").format(_DOOMED))


def _leaving(
    rules: DatabaseRules, name: TableName, shards: Sequence[RowShard], staying: Closure
) -> sql.Composable:
    """Whether the row ``t`` of the shards' table does not stay."""
    where = _in_shards(rules, shards, "t")
    if not staying.rows.get(name):
        return where
    kept = in_keys(rules.tables[name].table, staying.tables[name], "t")
    return sql.SQL("{} AND {} IS NOT TRUE").format(where, kept)


def _delete(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    shards: Sequence[RowShard],
    staying: Closure,
) -> None:
    """Delete what does not stay, every table of the group in one statement: foreign keys among
    them are checked at its end."""
    groups = _by_table(shards)
    deletes = [
        sql.SQL("DELETE FROM {} AS t WHERE {}").format(
            _name(rules.tables[name]),
            _IS_DOOMED if len(groups) > 1 else _leaving(rules, name, mine, staying),
        )
        for name, mine in groups.items()
    ]
    parts = [
        sql.SQL("{} AS ({} RETURNING 1)").format(sql.Identifier(f"domicile_{n}"), delete)
        for n, delete in enumerate(deletes[1:])
    ]
    head = sql.SQL("WITH {} ").format(sql.SQL(", ").join(parts)) if parts else sql.SQL("")
    connection.execute(head + deletes[0])


def _check_gone(
    connection: psycopg.Connection, rules: DatabaseRules, site: str, shards: Sequence[RowShard]
) -> None:
    in_circle = len(_by_table(shards)) > 1
    for shard in shards:
        table = rules.tables[TableName(shard.schema, shard.table)]
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {} AS t WHERE {} OR {}").format(
                _name(table),
                _in_shards(rules, [shard], "t"),
                _IS_DOOMED if in_circle else sql.SQL("false"),
            )
        ).fetchone()
        if row is None or row[0]:
            raise SourceChanged(
                f"site {site}: rows of {shard.table} are still there after they were erased",
                expected="no row of the shard but public projections (a rule or trigger of the"
                " database may undo deletes)",
                next_step=f"look at the triggers and rules of {shard.table}",
            )


def _in_shards(rules: DatabaseRules, shards: Sequence[RowShard], alias: str) -> sql.Composable:
    """Whether a row is one of the shards' rows (all of one table)."""
    table = rules.tables[TableName(shards[0].schema, shards[0].table)]
    ranges = [in_range(table.table, shard, alias) for shard in shards]
    return sql.SQL("({} AND ({}))").format(
        table.members(rules.key, alias), sql.SQL(" OR ").join(ranges)
    )


def _by_table(shards: Sequence[RowShard]) -> dict[TableName, list[RowShard]]:
    names = sorted({TableName(shard.schema, shard.table) for shard in shards})
    return {name: [shard for shard in shards if _of(shard, name)] for name in names}


def _of(shard: RowShard, name: TableName) -> bool:
    return TableName(shard.schema, shard.table) == name


def _name(table: TableRules) -> sql.Composable:
    return table_rows(table.table.name)


def _everything(_alias: str) -> sql.Composable:
    return sql.SQL("true")


def _not(condition: Condition) -> Condition:
    return lambda alias: sql.SQL("{} IS NOT TRUE").format(condition(alias))
