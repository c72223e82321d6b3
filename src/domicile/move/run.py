"""move and verify: shards through their steps, each announced in the ledger as it is done.

Workers write result files; this process alone appends to the ledger. A run killed anywhere goes
on from the files: a file that the ledger does not know yet is announced from what it carries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import psycopg
from psycopg import sql

from domicile.errors import DomicileError, EvidenceError, PlanError
from domicile.inventory import (
    Crew,
    Estate,
    Evidence,
    Run,
    announce,
    run_all,
)
from domicile.ledger import Body, files_of
from domicile.move.effects import reached
from domicile.move.entries import SchemaMade, SequencesSet, ShardCopied, ShardVerified
from domicile.move.plan import ObjectShard, Plan, RowShard
from domicile.move.rows import MARKERS_SQL
from domicile.move.standing import Unproven, begun, latest_verified, refused, unproven_in
from domicile.move.steps import ShardTask, copy_shard, verify_shard
from domicile.move.views import fill_views
from domicile.sites.postgres import (
    Database,
    TableName,
    apply_sql,
    read_database,
    schema_sql,
    set_sequence,
    site_errors,
)

__all__ = ["StepReport", "run_move", "run_verify"]

B = TypeVar("B", bound=Body)
Shard = RowShard | ObjectShard


@dataclass
class StepReport:
    """What a command did: shards through their step, before and now, and what failed. unproven
    tells why items failed."""

    done: int = 0
    before: int = 0
    items: int = 0
    bytes: int = 0
    failed_items: int = 0
    unproven: list[Unproven] = field(default_factory=list)
    failures: list[tuple[str, DomicileError]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every shard went through."""
        return not self.failures and not self.failed_items


def run_move(estate: Estate, evidence: Evidence, plan: Plan, crew: Crew) -> StepReport:
    """Bring home what the plan says. Resumes; repeats nothing that is announced.

    Raises PlanError where the plan is blocked, SiteError before anything is touched where a site
    cannot be reached or written.
    """
    if plan.blockers:
        raise PlanError(
            "the plan is blocked: " + "; ".join(plan.blockers),
            expected="a plan without blockers",
            next_step="resolve them, then run `domicile scan` and `domicile plan` again",
        )
    estate.check(write=True)
    return _Mover(estate, evidence, plan, crew).move()


def run_verify(estate: Estate, evidence: Evidence, plan: Plan, crew: Crew) -> StepReport:
    """Read back every shard that was copied and is not verified yet. A source that changed since
    its copy is copied and compared again, unless its erasure has begun."""
    estate.check(write=False)
    return _Mover(estate, evidence, plan, crew).verify()


@dataclass
class _Mover:
    estate: Estate
    evidence: Evidence
    plan: Plan
    crew: Crew

    def __post_init__(self) -> None:
        self.run = Run(self.estate.records, self.plan.run)
        self.entries = self.evidence.run(self.plan.run)
        self.erased = self.evidence.runs_with("erase.shard-begun") - {self.run.id}
        self.progress = self.crew.progress
        self.job = self.estate.job(self.run.id)
        self.head = msgspec.structs.replace(
            self.plan, rows=(), objects=(), tables=(), effects=(), sequences=(), files=()
        )

    # --- move

    def move(self) -> StepReport:
        report = StepReport()
        done = self._copied()
        pending = [s for s in self._shards() if s.id not in done]
        report.before = len(done)
        self._open_keys(pending, "move")
        rows = bool(self.plan.rows) and self.plan.home_database is not None
        fresh = self._make_schema() if rows else False
        self.progress.stage(
            "copy",
            items=len(pending),
            size_bytes=sum(s.bytes for s in pending if isinstance(s, ObjectShard)),
        )
        for level in self._levels(pending, fresh=fresh):
            self._copy(level, report, fresh=fresh)
        if rows and not report.failures:
            self._finish_schema()
        return report

    def _open_keys(self, shards: Sequence[Shard], reason: Literal["move", "verify"]) -> None:
        """Have it in the ledger that workers open the boundary's keys, where any of them will."""
        if not self.estate.seals or not any(isinstance(shard, ObjectShard) for shard in shards):
            return
        versions = self.estate.authorise_keys(reason, self.evidence.record)
        self.job = replace(self.job, keys=versions)

    def _shards(self) -> list[Shard]:
        order = {"members": 0, "shared": 1, "whole": 2, "bare": 3, "projection": 4}
        return [*sorted(self.plan.rows, key=lambda s: order[s.kind]), *self.plan.objects]

    def _copy(self, shards: Sequence[Shard], report: StepReport, *, fresh: bool) -> None:
        tasks = [
            ShardTask(self.job, self.head, shard, fresh=fresh, guarded=self.erased)
            for shard in shards
        ]
        for outcome in run_all(self.crew, copy_shard, tasks):
            shard = outcome.task.shard
            if outcome.error is not None:
                report.failures.append((shard.id, outcome.error))
            else:
                body = announce(self.run.copied(shard.id), self.run.records, ShardCopied)
                self.evidence.record(body, into=self.entries)
                report.done += 1
                report.items += body.items
                report.bytes += body.bytes
            self.progress.advance(1, shard.bytes if isinstance(shard, ObjectShard) else 0)

    def _levels(self, shards: list[Shard], *, fresh: bool) -> Iterator[list[Shard]]:
        """All at once where home has no constraints yet; else parents before children."""
        if fresh:
            yield shards
            return
        yield [shard for shard in shards if isinstance(shard, ObjectShard)]
        rows = [shard for shard in shards if isinstance(shard, RowShard)]
        ranks = self._ranks() if rows else {}
        for rank in sorted(set(ranks.values())):
            level = [s for s in rows if ranks[TableName(s.schema, s.table)] == rank]
            for kinds in ({"whole", "projection", "bare"}, {"members", "shared"}):
                yield [shard for shard in level if shard.kind in kinds]

    def _ranks(self) -> dict[TableName, int]:
        """How many references lie below each table at home; cycles count once."""
        home = str(self.plan.home_database)
        with site_errors(home), self.estate.database(home).connect(read_only=True) as connection:
            database = read_database(connection)
        ranks = dict.fromkeys(database.tables, 0)
        for _ in ranks:
            before = dict(ranks)
            for key in database.foreign_keys:
                if key.child != key.parent and {key.child, key.parent} <= ranks.keys():
                    ranks[key.child] = max(ranks[key.child], ranks[key.parent] + 1)
            if ranks == before or max(ranks.values()) > len(ranks):
                break
        return ranks

    # --- home's schema

    def _make_schema(self) -> bool:
        """Make home's tables where it has none. True while home's constraints are still to come:
        it holds nothing then but what this run put there."""
        made = {body.section for body in self.entries.of(SchemaMade)}
        home = str(self.plan.home_database)
        with site_errors(home), self.estate.database(home).connect() as connection:
            applied = _applied_sections(connection, self.run.id)
            finished = "post-data" in _applied_sections(connection)
            there = bool(read_database(connection).tables)
            if not there:
                self._apply(connection, "pre-data")
                applied = {"pre-data"}
            elif not applied:
                connection.execute(MARKERS_SQL)
                connection.commit()
        if "pre-data" in applied and "pre-data" not in made:
            self._announce_schema("pre-data")
        return "pre-data" in applied and not finished

    def _finish_schema(self) -> None:
        made = {body.section for body in self.entries.of(SchemaMade)}
        home = str(self.plan.home_database)
        with site_errors(home), self.estate.database(home).connect() as connection:
            ever = _applied_sections(connection)
            # An earlier run may have made the tables and not come to their constraints.
            if "pre-data" in ever and "post-data" not in ever:
                self.progress.stage("indexes and constraints", items=1)
                self._apply(connection, "post-data")
                self.progress.advance()
            mine = _applied_sections(connection, self.run.id)
            if "post-data" in mine and "post-data" not in made:
                self._announce_schema("post-data")
            self._set_sequences(connection)
            connection.commit()
            connection.autocommit = True
            connection.execute("ANALYZE")
            for reason in fill_views(connection, self._source()):
                self.progress.note(reason)

    def _source(self) -> Database:
        source = str(self.plan.source_database)
        with site_errors(source), self.estate.database(source).connect(read_only=True) as there:
            return read_database(there)

    def _apply(self, connection: psycopg.Connection, section: str) -> None:
        text = self._statements(section)
        if section == "pre-data":
            connection.execute(MARKERS_SQL)
        apply_sql(connection, text)
        connection.execute(
            "INSERT INTO domicile.shard_markers (run, shard, rows, sha256) VALUES (%s, %s, 0, %s)",
            (self.run.id, f"schema {section}", hashlib.sha256(text.encode()).hexdigest()),
        )
        connection.commit()

    def _statements(self, section: str) -> str:
        source = self.estate.database(str(self.plan.source_database))
        return schema_sql(source, "pre-data" if section == "pre-data" else "post-data")

    def _announce_schema(self, section: str) -> None:
        home = str(self.plan.home_database)
        with site_errors(home), self.estate.database(home).connect(read_only=True) as connection:
            row = connection.execute(
                "SELECT sha256 FROM domicile.shard_markers WHERE run = %s AND shard = %s",
                (self.run.id, f"schema {section}"),
            ).fetchone()
        if row is None:
            raise EvidenceError(
                f"home lost the marker of its {section} schema",
                expected="the row that was written with the schema",
                next_step="see who changed domicile.shard_markers at home",
            )
        self.evidence.record(
            SchemaMade(run=self.run.id, site=home, section=section, sha256=str(row[0])),
            into=self.entries,
        )

    def _set_sequences(self, connection: psycopg.Connection) -> None:
        if any(True for _ in self.entries.of(SequencesSet)):
            return
        there = {sequence.name: sequence for sequence in read_database(connection).sequences}
        for sequence in self.plan.sequences:
            name = TableName(sequence.schema, sequence.name)
            if name not in there or not reached(there[name], sequence.home_value):
                set_sequence(connection, name, sequence.home_value)
        connection.commit()
        self.evidence.record(
            SequencesSet(
                run=self.run.id,
                site=str(self.plan.home_database),
                sequences=len(self.plan.sequences),
            ),
            into=self.entries,
        )

    # --- verify

    def verify(self) -> StepReport:
        copied = self._copied()
        attempts = self._attempts()
        verified = latest_verified(self.entries)
        shards = {shard.id: shard for shard in self._shards()}
        missing = sorted(set(shards) - copied)
        if missing:
            raise PlanError(
                f"{len(missing)} of {len(shards)} shards are not copied yet, {missing[0]} first",
                expected="every shard of the plan at home",
                next_step="run `domicile move`",
            )
        stale = refused(self.entries, verified)
        pending = [
            s
            for s in shards.values()
            if s.id not in verified or verified[s.id].failed or s.id in stale
        ]
        report = StepReport(before=len(shards) - len(pending))
        self._open_keys(pending, "verify")
        self.progress.stage(
            "verify",
            items=len(pending),
            size_bytes=sum(s.bytes for s in pending if isinstance(s, ObjectShard)),
        )
        self._verify(pending, attempts, stale, report)
        report.failed_items += self._check_sequences()
        return report

    def _verify(
        self,
        shards: Iterable[Shard],
        attempts: dict[str, int],
        stale: frozenset[str],
        report: StepReport,
    ) -> None:
        erased = begun(self.entries)
        tasks = [
            ShardTask(
                self.job,
                self.head,
                shard,
                attempt=attempts.get(shard.id, 0) + 1,
                recopy=shard.id not in erased or shard.id in stale,
                guarded=self.erased | ({self.run.id} if shard.id in erased else set()),
            )
            for shard in shards
        ]
        for outcome in run_all(self.crew, verify_shard, tasks):
            shard, attempt = outcome.task.shard, outcome.task.attempt
            if outcome.error is not None:
                report.failures.append((shard.id, outcome.error))
            else:
                path = self.run.verified(shard.id, attempt)
                body = announce(path, self.run.records, ShardVerified)
                self.evidence.record(body, into=self.entries)
                report.done += 1
                report.items += body.verified
                report.failed_items += body.failed
                report.unproven += unproven_in(path, shard.id) if body.failed else []
            self.progress.advance(1, shard.bytes if isinstance(shard, ObjectShard) else 0)

    def _check_sequences(self) -> int:
        """How many of home's sequences the source could collide with."""
        if not self.plan.sequences:
            return 0
        home = str(self.plan.home_database)
        with site_errors(home), self.estate.database(home).connect(read_only=True) as connection:
            there = {s.name: s for s in read_database(connection).sequences}
        wrong = 0
        for sequence in self.plan.sequences:
            at_home = there.get(TableName(sequence.schema, sequence.name))
            if at_home is None or not reached(at_home, sequence.home_value):
                wrong += 1
                self.progress.note(f"sequence {sequence.name} at home is not where it was set")
        return wrong

    def _attempts(self) -> dict[str, int]:
        """The last attempt at each shard that left a file; unannounced ones are announced."""
        attempts: dict[str, int] = {}
        for path in sorted(self.run.directory.glob("verified/*.parquet")):
            shard, attempt, _ = path.name.rsplit(".", 2)
            attempts[shard] = max(int(attempt), attempts.get(shard, 0))
            self._announce_file(path, ShardVerified)
        return attempts

    # --- files that a killed run left

    def _copied(self) -> set[str]:
        """Shards whose copy is in the ledger; a file left unannounced is announced now."""
        for path in sorted(self.run.directory.glob("copied/*.parquet")):
            self._announce_file(path, ShardCopied)
        return {body.shard for body in self.entries.of(ShardCopied)}

    def _announce_file(self, path: Path, kind: type[B]) -> None:
        body = announce(path, self.run.records, kind)
        file = files_of(body)[0]
        if not self.entries.has_file(file.path, file.sha256):
            self.evidence.record(body, into=self.entries)


def _applied_sections(connection: psycopg.Connection, run: str | None = None) -> set[str]:
    """The sections of the schema that a run made here, or any run."""
    row = connection.execute("SELECT to_regclass('domicile.shard_markers') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return set()
    query = sql.SQL(
        "SELECT shard FROM domicile.shard_markers WHERE (run = %s OR %s) AND shard LIKE %s"
    )
    return {
        str(shard).removeprefix("schema ")
        for (shard,) in connection.execute(query, (run, run is None, "schema %"))
    }
