"""What a plan says of rows: what goes home from each source, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import psycopg
from psycopg import sql

from domicile.inventory import (
    Closure,
    Condition,
    DatabaseRules,
    Estate,
    Run,
    TableRules,
    close_references,
    member_session,
)
from domicile.move.cutting import Cut, cut_bare, cut_members, cut_projections, cut_shared, cut_whole
from domicile.move.effects import (
    command_effects,
    country_blockers,
    database_effects,
    plan_sequences,
    projection_blockers,
    row_rule_blockers,
    schema_blockers,
    table_warnings,
    unseen_referrers,
)
from domicile.move.fitting import unfitting
from domicile.move.granting import write_grants
from domicile.move.placeholders import placeholder_blockers
from domicile.move.plan import Effect, RowShard, SequencePlan, TablePlan
from domicile.move.writing import write_blockers
from domicile.sites.postgres import Database, TableName, read_database, site_errors, table_rows

__all__ = ["RowDraft", "plan_rows"]


@dataclass
class RowDraft:
    """What is planned for rows, gathered a database at a time."""

    shards: list[RowShard] = field(default_factory=list)
    tables: list[TablePlan] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    sequences: list[SequencePlan] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan_rows(estate: Estate, run: Run, site: str, draft: RowDraft) -> None:
    """Add what happens to a database away from home; of a source, what goes home from there. Reads
    the database and its home, and writes shards' files. Raises SiteError."""
    with (
        site_errors(site),
        member_session(estate, run, site, read_only=False) as (connection, rules),
    ):
        if not rules.database.tables:
            return
        copied: dict[TableName, int] = {}
        route = estate.route_at(site)
        if site == route.source and route.home is not None:
            copied = _plan_source(estate, run, (site, route.home), (connection, rules), draft)
        staying = _staying(connection, rules)
        draft.blockers += projection_blockers(rules, staying.rows, site)
        draft.blockers += placeholder_blockers(
            connection, rules, staying.tables, staying.rows, site
        )
        draft.blockers += unseen_referrers(rules, site)
        draft.effects += database_effects(rules, site)
        draft.effects += command_effects(rules.database, site, at_home=False)
        plans = _table_plans(connection, rules, site, copied, staying.rows)
        draft.blockers += write_blockers(connection, rules, plans)
        draft.tables += plans
        connection.rollback()


def _plan_source(
    estate: Estate,
    run: Run,
    way: tuple[str, str],
    session: tuple[psycopg.Connection, DatabaseRules],
    draft: RowDraft,
) -> dict[TableName, int]:
    """Cut what goes home from a source; way: the source and its home. Rows by table."""
    (source, at_home), (connection, rules) = way, session
    alone = sum(route.source is not None for route in estate.routes) == 1
    cut = Cut(source, estate.charter.records.shard_rows, alone)
    members = cut_members(connection, rules, cut)
    needed = close_references(
        connection,
        rules,
        seeds={t.table.name: partial(t.homeward, rules.key) for t in rules.protected}
        | {t.table.name: _everything for t in rules.tables.values() if t.whole},
        candidates={
            name: _not(partial(table.homeward, rules.key)) if table.protected else _everything
            for name, table in rules.tables.items()
            if table.paths
        },
    )
    projections = cut_projections(connection, rules, needed, run, cut)
    bare = cut_bare(connection, rules, run, cut)
    shared = cut_shared(connection, rules, run, cut)
    shards = [*cut_whole(connection, rules, cut), *projections, *shared, *bare, *members]
    draft.shards += shards
    draft.blockers += placeholder_blockers(connection, rules, needed.tables, needed.rows, at_home)
    connection.rollback()
    home = _database_at(estate, at_home)
    _check_home(estate, (source, at_home), (rules, home), shards, draft)
    draft.warnings += write_grants(connection, run, "" if alone else source)
    draft.blockers += projection_blockers(rules, needed.rows, at_home)
    draft.tables += _home_plans(at_home, rules, shards)
    copied: dict[TableName, int] = {}
    for shard in (*members, *bare, *(shard for shard in shared if shard.kind == "shared")):
        name = TableName(shard.schema, shard.table)
        copied[name] = copied.get(name, 0) + shard.rows
    return copied


def _check_home(
    estate: Estate,
    way: tuple[str, str],
    databases: tuple[DatabaseRules, Database],
    shards: list[RowShard],
    draft: RowDraft,
) -> None:
    """Add what keeps home from taking a source's rows, and what it does by itself then."""
    (source, at_home), (rules, home) = way, databases
    arriving = {TableName(shard.schema, shard.table) for shard in shards}
    draft.effects += command_effects(home, at_home, at_home=True)
    draft.sequences += plan_sequences(rules.database, home, at_home)
    blockers = [*schema_blockers(rules, home), *country_blockers(rules, estate.charter.people)]
    blockers += row_rule_blockers(home, arriving)
    blockers += [] if home.tables else unfitting(estate, source, at_home)
    several = sum(route.source is not None for route in estate.routes) > 1
    of = f"{at_home}: " if several else ""
    draft.blockers += [of + text for text in blockers]
    draft.warnings += [of + text for text in table_warnings(rules.database, home)]


def _database_at(estate: Estate, home: str) -> Database:
    with site_errors(home), estate.database(home).connect(read_only=True) as connection:
        return read_database(connection)


def _staying(connection: psycopg.Connection, rules: DatabaseRules) -> Closure:
    """Members' rows that rows of others still refer to here."""
    protected = {table.table.name for table in rules.protected}
    seeds: dict[TableName, Condition] = {
        name: _not(partial(rules.tables[name].belong, rules.key))
        if name in protected
        else _everything
        for name in rules.database.tables
    }
    return close_references(
        connection,
        rules,
        seeds=seeds,
        candidates={t.table.name: partial(t.belong, rules.key) for t in rules.protected},
    )


def _table_plans(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    site: str,
    copied: Mapping[TableName, int],
    staying: Mapping[TableName, int],
) -> list[TablePlan]:
    plans = []
    for table in rules.protected:
        name = table.table.name
        rows = _count(connection, table, table.belong(rules.key, "t"))
        shared = _count(connection, table, table.shared(rules.key, "t")) if table.copies else 0
        reduced = staying.get(name, 0)
        if rows or shared:
            plans.append(
                TablePlan(
                    site,
                    str(name),
                    copied.get(name, 0),
                    0,
                    rows - reduced,
                    reduced,
                    table.projection.removed,
                    shared,
                )
            )
    return plans


def _home_plans(home: str, rules: DatabaseRules, shards: list[RowShard]) -> list[TablePlan]:
    received: dict[TableName, int] = {}
    for shard in shards:
        if shard.kind in {"projection", "whole"}:
            name = TableName(shard.schema, shard.table)
            received[name] = received.get(name, 0) + shard.rows
    return [
        TablePlan(
            home,
            str(name),
            0,
            rows,
            0,
            0,
            rules.tables[name].projection.removed,
        )
        for name, rows in sorted(received.items())
    ]


def _count(connection: psycopg.Connection, table: TableRules, where: sql.Composable) -> int:
    query = sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(
        table_rows(table.table.name), where
    )
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _everything(_alias: str) -> sql.Composable:
    return sql.SQL("true")


def _not(condition: Condition) -> Condition:
    return lambda alias: sql.SQL("{} IS NOT TRUE").format(condition(alias))
