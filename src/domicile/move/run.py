"""move and verify: shards through their steps, each announced in the ledger as it is done.

Workers write result files; this process alone appends to the ledger. A run killed anywhere goes
on from the files: a file that the ledger does not know yet is announced from what it carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from domicile.errors import DomicileError, PlanError
from domicile.inventory import (
    Crew,
    Estate,
    Evidence,
    Run,
    announce,
    run_all,
)
from domicile.ledger import Body, files_of
from domicile.move.entries import ShardCopied, ShardVerified
from domicile.move.home_schema import HomeSchema
from domicile.move.plan import ObjectShard, Plan, RowShard
from domicile.move.standing import Unproven, begun, latest_verified, refused, unproven_in
from domicile.move.steps import ShardTask, copy_shard, verify_shard
from domicile.sites.postgres import TableName

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
        routes = dict.fromkeys(self.plan.route_of(shard) for shard in self.plan.rows)
        self.homes = [
            HomeSchema(self.estate, self.evidence, self.entries, self.plan, route, self.progress)
            for route in routes
        ]

    # --- move

    def move(self) -> StepReport:
        report = StepReport()
        done = self._copied()
        pending = [s for s in self._shards() if s.id not in done]
        report.before = len(done)
        self._open_keys(pending, "move")
        fresh = {home.site for home in self.homes if home.make()}
        self.progress.stage(
            "copy",
            items=len(pending),
            size_bytes=sum(s.bytes for s in pending if isinstance(s, ObjectShard)),
        )
        for level in self._levels(pending, fresh):
            self._copy(level, report, fresh)
        for home in () if report.failures else self.homes:
            home.finish()
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

    def _copy(self, shards: Sequence[Shard], report: StepReport, fresh: AbstractSet[str]) -> None:
        tasks = [
            ShardTask(
                self.job,
                self.head,
                shard,
                fresh=isinstance(shard, RowShard) and self.plan.home_of(shard) in fresh,
                guarded=self.erased,
            )
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

    def _levels(self, shards: list[Shard], fresh: AbstractSet[str]) -> Iterator[list[Shard]]:
        """All at once where home has no constraints yet; else parents before children."""
        rows = [s for s in shards if isinstance(s, RowShard) and self.plan.home_of(s) not in fresh]
        yield [shard for shard in shards if shard not in rows]
        for home in self.homes:
            mine = [shard for shard in rows if self.plan.home_of(shard) == home.site]
            ranks = home.ranks() if mine else {}
            for rank in sorted(set(ranks.values())):
                level = [s for s in mine if ranks[TableName(s.schema, s.table)] == rank]
                for kinds in ({"whole", "projection", "bare"}, {"members", "shared"}):
                    yield [shard for shard in level if shard.kind in kinds]

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
        report.failed_items += sum(home.wrong_sequences() for home in self.homes)
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
