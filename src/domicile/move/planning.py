"""Making a plan: reads every site, writes nothing but the plan's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import psycopg
from psycopg import sql

from domicile.errors import PlanError
from domicile.inventory import (
    Closure,
    Condition,
    DatabaseRules,
    Estate,
    Evidence,
    Progress,
    Run,
    TableRules,
    close_references,
    digest_under,
    member_session,
    write_bytes,
)
from domicile.ledger import FileDigest
from domicile.move.chains import cut_objects
from domicile.move.cutting import Cut, cut_bare, cut_members, cut_projections, cut_whole
from domicile.move.effects import (
    database_effects,
    plan_sequences,
    projection_blockers,
    schema_blockers,
    unlogged_warnings,
    unseen_referrers,
)
from domicile.move.entries import Planned
from domicile.move.fitting import unfitting
from domicile.move.holds import held_versions
from domicile.move.missing import finds_rows, history_blockers, missing_parts
from domicile.move.placeholders import placeholder_blockers
from domicile.move.plan import Effect, Plan, RowShard, SequencePlan, TablePlan
from domicile.move.store_rules import rule_blockers, rule_warnings
from domicile.move.writing import write_blockers
from domicile.scan import ArchiveCount, ScanSummary, read_scan
from domicile.sites.postgres import Database, TableName, read_database, site_errors

if TYPE_CHECKING:
    from domicile.state import State  # slow to import, and no worker has use for it

__all__ = ["load_plan", "make_plan", "read_plan"]


@dataclass
class _Draft:
    """A plan being gathered."""

    shards: list[RowShard] = field(default_factory=list)
    tables: list[TablePlan] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    sequences: tuple[SequencePlan, ...] = ()
    blockers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def make_plan(
    estate: Estate, evidence: Evidence, state: State, run: Run, progress: Progress
) -> Plan:
    """Plan the run from its scan, write the plan down and record its digest. A scan has one plan:
    one that was made already is returned as it is."""
    if run.plan.exists():
        return _adopt(estate, evidence, state, run, load_plan(run))
    summary = read_scan(run)
    draft = _Draft()
    outside = estate.outside(estate.postgres_names)
    progress.stage("plan", items=len(outside) + 1)
    draft.blockers += missing_parts(estate, summary)
    for site in outside:
        if finds_rows(estate.route_at(site), summary):
            _plan_database(estate, run, site, draft)
        progress.advance()
    objects = cut_objects(estate, run, estate.charter.records.shard_objects)
    draft.blockers += history_blockers(estate, objects_found=bool(objects))
    draft.blockers += rule_blockers(estate, run)
    progress.advance()
    plan = Plan(
        run=run.id,
        boundary=estate.boundary_name,
        charter_sha256=estate.loaded.sha256,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        routes=estate.routes,
        home_objects=estate.home_objects,
        databases=tuple(outside),
        stores=tuple(estate.outside(estate.object_names)),
        rows=tuple(draft.shards),
        objects=tuple(objects),
        tables=tuple(draft.tables),
        effects=tuple(draft.effects),
        sequences=draft.sequences,
        held=tuple(held_versions(estate, run)),
        blockers=tuple(dict.fromkeys(draft.blockers)),
        warnings=(*_warnings(summary), *rule_warnings(estate), *draft.warnings),
        unexamined=summary.unexamined,
        files=tuple(
            digest_under(path, estate.records)
            for path in sorted(run.directory.glob("shards/*.parquet"))
        ),
    )
    return _adopt(estate, evidence, state, run, plan)


def read_plan(estate: Estate, state: State) -> Plan:
    """The plan in force, as it was shown.

    Raises PlanError where there is none or the charter changed since.
    """
    for record in state.runs():
        if record.plan_sha256 is None:
            continue
        run = Run(estate.records, record.id)
        if record.charter_sha256 != estate.loaded.sha256:
            raise PlanError(
                f"the charter changed since plan {record.id} was made",
                expected=f"the charter with SHA-256 {record.charter_sha256[:16]}…",
                next_step="run `domicile scan` and `domicile plan` again",
            )
        if digest_under(run.plan, estate.records).sha256 != record.plan_sha256:
            raise PlanError(
                f"the file of plan {record.id} is not the one that was shown",
                expected=f"SHA-256 {record.plan_sha256[:16]}…",
                next_step="run `domicile plan` again",
            )
        return load_plan(run)
    raise PlanError(
        "there is no plan",
        expected="a plan that was shown",
        next_step="run `domicile scan`, then `domicile plan`",
    )


def load_plan(run: Run) -> Plan:
    """A run's plan, from its file."""
    return msgspec.json.decode(run.plan.read_bytes(), type=Plan)


def _adopt(estate: Estate, evidence: Evidence, state: State, run: Run, plan: Plan) -> Plan:
    """Write the plan down, announce it and put it in force, each where it is not yet."""
    if not run.plan.exists():
        write_bytes(run.plan, msgspec.json.format(msgspec.json.encode(plan)))
    digest = digest_under(run.plan, estate.records)
    if not evidence.run(run.id).has_file(digest.path, digest.sha256):
        evidence.record(_planned(run, plan, digest))
    state.planned(run.id, digest.sha256)
    return plan


def _planned(run: Run, plan: Plan, digest: FileDigest) -> Planned:
    return Planned(
        run=run.id,
        boundary=plan.boundary,
        row_shards=len(plan.rows),
        object_shards=len(plan.objects),
        rows=plan.rows_to_copy,
        blockers=len(plan.blockers),
        files=(digest,),
    )


def _warnings(summary: ScanSummary) -> list[str]:
    warnings = [
        f"country {text!r} (people: {rows:,}) is no country code: add it to [people] spellings"
        for text, rows in sorted(summary.spellings.items())
    ]
    if summary.unknown_persons:
        warnings.append(
            f"{summary.unknown_persons:,} people have no known country: what is theirs is not"
            " examined"
        )
    home = {site.name for site in summary.sites if site.home}
    return warnings + [
        _about_archives(count)
        for count in summary.archives
        if count.holding and count.site not in home
    ]


def _about_archives(count: ArchiveCount) -> str:
    """What becomes of archives, and of others' rows in them."""
    then = (
        "then erased, with every other row in them"
        if count.treatment == "erase"
        else "then the current ones are rewritten without members' rows, and older ones erased"
    )
    return (
        f"{count.holding:,} of {count.archives:,} archives of {count.dataset} at {count.site} hold"
        f" members' rows ({count.members:,} of {count.rows:,} rows): they are brought home whole,"
        f" {then}"
    )


def _plan_database(estate: Estate, run: Run, site: str, draft: _Draft) -> None:
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
        plans = _table_plans(connection, rules, site, copied, staying.rows)
        draft.blockers += write_blockers(connection, rules, plans)
        draft.tables += plans
        connection.rollback()


def _plan_source(
    estate: Estate,
    run: Run,
    way: tuple[str, str],
    session: tuple[psycopg.Connection, DatabaseRules],
    draft: _Draft,
) -> dict[TableName, int]:
    """Cut what goes home from a source; way: the source and its home. Rows by table."""
    (source, at_home), (connection, rules) = way, session
    alone = sum(route.source is not None for route in estate.routes) == 1
    cut = Cut(source, estate.charter.records.shard_rows, alone)
    members = cut_members(connection, rules, cut)
    needed = close_references(
        connection,
        rules,
        seeds={t.table.name: partial(t.belong, rules.key) for t in rules.protected}
        | {t.table.name: _everything for t in rules.tables.values() if t.whole},
        candidates={
            name: _not(partial(table.belong, rules.key)) if table.protected else _everything
            for name, table in rules.tables.items()
            if table.paths
        },
    )
    projections = cut_projections(connection, rules, needed, run, cut)
    bare = cut_bare(connection, rules, run, cut)
    shards = [*cut_whole(connection, rules, cut), *projections, *bare, *members]
    draft.shards += shards
    draft.blockers += placeholder_blockers(connection, rules, needed.tables, needed.rows, at_home)
    connection.rollback()
    home = _database_at(estate, at_home)
    draft.sequences += plan_sequences(rules.database, home, at_home)
    of = "" if alone else f"{at_home}: "
    draft.blockers += [of + text for text in schema_blockers(rules, home)]
    if not home.tables:
        draft.blockers += [of + text for text in unfitting(estate, source, at_home)]
    draft.warnings += [of + text for text in unlogged_warnings(rules.database, home)]
    draft.blockers += projection_blockers(rules, needed.rows, at_home)
    draft.tables += _home_plans(at_home, rules, shards)
    copied: dict[TableName, int] = {}
    for shard in (*members, *bare):
        name = TableName(shard.schema, shard.table)
        copied[name] = copied.get(name, 0) + shard.rows
    return copied


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
        rows = _members(connection, rules, table)
        reduced = staying.get(name, 0)
        if rows:
            plans.append(
                TablePlan(
                    site,
                    str(name),
                    copied.get(name, 0),
                    0,
                    rows - reduced,
                    reduced,
                    table.projection.removed,
                )
            )
    return plans


def _home_plans(home: str, rules: DatabaseRules, shards: list[RowShard]) -> list[TablePlan]:
    received: dict[TableName, int] = {}
    for shard in shards:
        if not shard.erasable:
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


def _members(connection: psycopg.Connection, rules: DatabaseRules, table: TableRules) -> int:
    query = sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(
        sql.Identifier(table.table.name.schema, table.table.name.name),
        table.belong(rules.key, "t"),
    )
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _everything(_alias: str) -> sql.Composable:
    return sql.SQL("true")


def _not(condition: Condition) -> Condition:
    return lambda alias: sql.SQL("{} IS NOT TRUE").format(condition(alias))
