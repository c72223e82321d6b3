"""erase: remove from every site away from home what is proven at home, look again, certify.

Nothing is touched at a site before the ledger holds, for every shard of it, that its erasure
begins and on which verification that rests. Sites go one after the other; a site's certificate is
signed when it was looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from domicile.charter import PostgresSiteConfig
from domicile.erase.absence import check_absence
from domicile.erase.allowed import erasable, erased_shards
from domicile.erase.certify import certify, erasures, last_held_until
from domicile.erase.entries import ShardBegun, ShardErased, ShardRefused, TablesRewritten
from domicile.erase.order import erasure_groups, refers_to_itself
from domicile.erase.steps import EraseTask, Proven, Unit, erase_unit
from domicile.erase.views import views_to_refresh
from domicile.errors import DomicileError, PlanError, SourceChanged
from domicile.inventory import (
    Crew,
    DatabaseRules,
    Estate,
    Evidence,
    Run,
    announce,
    read_rules,
    run_all,
)
from domicile.move import ObjectShard, Plan, RowShard, ShardVerified, latest_verified
from domicile.people import Register
from domicile.sites.postgres import (
    Database,
    MaterialisedView,
    TableName,
    checkpoint,
    held_back_by,
    refresh_view,
    rewrite_statistics,
    rewrite_table,
    site_errors,
)

__all__ = ["EraseReport", "run_erase"]


@dataclass
class EraseReport:
    """What a site's erasure did. held_until: from when on all that is held can be erased; empty
    where nobody can say. held_back: tables whose erased rows the server could not remove from its
    files yet, and whose doing that is; materialised views that it did not refresh; statistics that
    still hold erased values. behind: why a standby did not replay all that its primary wrote."""

    site: str
    erased: int = 0
    reduced: int = 0
    failed: int = 0
    held: int = 0
    held_until: str = ""
    remaining: int = 0
    unexamined: int = 0
    failures: list[tuple[str, DomicileError]] = field(default_factory=list)
    unproven: int = 0
    behind: str = ""
    held_back: list[str] = field(default_factory=list)
    certificate: str = ""

    @property
    def complete(self) -> bool:
        """Nothing failed, nothing is held, held back or left, nothing was left unexamined."""
        left = self.failed or self.held or self.remaining or self.unexamined
        return not (self.failures or left or self.unproven or self.held_back)


def run_erase(estate: Estate, evidence: Evidence, plan: Plan, site: str, crew: Crew) -> EraseReport:
    """Erase at one site what is proven at home, rewrite, look again, certify.

    Raises PlanError where the site is home or not in the plan; SiteError before anything is
    touched where the site or home cannot be reached.
    """
    if estate.is_home(site) or site not in plan.erased_at:
        raise PlanError(
            f"{site} is not a site that the plan erases at",
            expected="one of " + ", ".join(plan.erased_at),
            next_step="name such a site with --site",
        )
    estate.check(write=True)
    if plan.primary_of(site) and not estate.database(site).is_standby():
        raise PlanError(
            f"{site} was a standby when the plan was made, and takes writes now",
            expected="a standby, which follows its primary",
            next_step="run `domicile scan` and `domicile plan` again",
        )
    return _Eraser(estate, evidence, plan, site, crew).erase()


@dataclass
class _Eraser:
    estate: Estate
    evidence: Evidence
    plan: Plan
    site: str
    crew: Crew

    def __post_init__(self) -> None:
        self.run = Run(self.estate.records, self.plan.run)
        self.entries = self.evidence.run(self.plan.run)
        self.progress = self.crew.progress
        self.job = self.estate.job(self.run.id)
        self.report = EraseReport(self.site)
        self.is_database = isinstance(self.estate.charter.sites[self.site], PostgresSiteConfig)

    def erase(self) -> EraseReport:
        self._announce_left()
        allowed = erasable(self.plan, self.entries, self.site, self.estate.charter.people)
        self.report.unproven = len(allowed.unproven)
        chosen = set(allowed.shards)
        shards = [shard for shard in erased_shards(self.plan, self.site) if shard.id in chosen]
        self._begin(shards)
        self._erase(shards)
        self._sum()
        if self.site in self.plan.databases:
            self._rewrite()
        if primary := self.plan.primary_of(self.site):
            self.report.held_back = self._kept_at(primary)
        self._look_again()
        return self.report

    def _begin(self, shards: Sequence[RowShard | ObjectShard]) -> None:
        """Write down what is about to happen; it happens only once that is durable."""
        known = {
            (body.shard, body.verified_sha256)
            for body in self.entries.of(ShardBegun)
            if body.site == self.site
        }
        begun = [
            ShardBegun(
                run=self.run.id,
                shard=shard.id,
                site=self.site,
                verified_sha256=self._verified(shard).files[0].sha256,
            )
            for shard in shards
        ]
        new = [body for body in begun if (body.shard, body.verified_sha256) not in known]
        if new:
            self.evidence.record(*new, into=self.entries)

    def _erase(self, shards: Sequence[RowShard | ObjectShard]) -> None:
        self.progress.stage(f"erase at {self.site}", items=len(shards))
        for level in self._levels(shards):
            tasks = [EraseTask(self.job, self.site, unit) for unit in level]
            for outcome in run_all(self.crew, erase_unit, tasks):
                if isinstance(outcome.error, SourceChanged):
                    self._refuse(outcome.task.unit)
                for proven in outcome.task.unit.shards:
                    if outcome.error is not None:
                        self.report.failures.append((proven.shard.id, outcome.error))
                    else:
                        self._announce(proven)
                    self.progress.advance()
            if self.report.failures and self.is_database:
                return  # parents must not lose their children's path to a person

    def _levels(self, shards: Sequence[RowShard | ObjectShard]) -> Iterator[list[Unit]]:
        """Objects all at once; rows table by table, children first."""
        objects = [self._unit([shard]) for shard in shards if isinstance(shard, ObjectShard)]
        if objects:
            yield objects
        rows = [shard for shard in shards if isinstance(shard, RowShard)]
        if not rows:
            return
        with (
            site_errors(self.site),
            self.estate.database(self.site).connect(read_only=True) as connection,
        ):
            rules = self._rules(connection)
        for group in erasure_groups(rules.database.tables, rules.erased_first):
            mine = [s for s in rows if TableName(s.schema, s.table) in group]
            members = [shard for shard in mine if shard.kind == "members"]
            if members and refers_to_itself(group, rules.erased_first):
                yield [self._unit(members)]
            elif members:
                yield [self._unit([shard]) for shard in members]
            yield [self._unit([shard]) for shard in mine if shard.kind == "bare"]

    def _rules(self, connection: psycopg.Connection) -> DatabaseRules:
        with Register(self.run.people, self.run.people_index) as register:
            return read_rules(connection, self.estate, self.site, register)

    def _unit(self, shards: Sequence[RowShard | ObjectShard]) -> Unit:
        return Unit(tuple(self._proven(shard) for shard in shards))

    def _proven(self, shard: RowShard | ObjectShard) -> Proven:
        file = self._verified(shard).files[0]
        attempts = sum(
            body.shard == shard.id and body.site == self.site
            for body in self.entries.of(ShardErased)
        )
        return Proven(shard, int(file.path.rsplit(".", 2)[1]), file.sha256, attempts + 1)

    def _verified(self, shard: RowShard | ObjectShard) -> ShardVerified:
        return latest_verified(self.entries)[shard.id]

    def _announce(self, proven: Proven) -> None:
        path = self.run.erased(proven.shard.id, self.site, proven.attempt)
        body = announce(path, self.run.records, ShardErased)
        self.evidence.record(body, into=self.entries)

    def _refuse(self, unit: Unit) -> None:
        """Write down that these verifications stand no more."""
        self.evidence.record(
            *(
                ShardRefused(
                    run=self.run.id,
                    shard=proven.shard.id,
                    site=self.site,
                    verified_sha256=proven.verified_sha256,
                )
                for proven in unit.shards
            ),
            into=self.entries,
        )

    def _announce_left(self) -> None:
        """Announce results that a killed run left without an entry."""
        for path in sorted(self.run.directory.glob(f"erased/*@{self.site}.*.parquet")):
            body = announce(path, self.run.records, ShardErased)
            if not self.entries.has_file(body.files[0].path, body.files[0].sha256):
                self.evidence.record(body, into=self.entries)

    def _sum(self) -> None:
        for body in erasures(self.entries, self.site):
            self.report.erased += body.erased
            self.report.reduced += body.reduced
            self.report.failed += body.failed
            self.report.held += body.held
        self.report.held_until = last_held_until(erasures(self.entries, self.site))

    def _rewrite(self) -> None:
        """Write the tables anew whose rows were erased or reduced since they were last."""
        tables = self._touched()
        with (
            site_errors(self.site),
            self.estate.database(self.site).connect() as connection,
        ):
            rules = self._rules(connection)
            there = rules.database
            views = views_to_refresh(connection, there, tables)
            connection.rollback()
            if not tables and not views and not self._owes_statistics():
                return
            self.progress.stage(
                f"rewrite tables at {self.site}", items=len(tables) + len(views) + 1
            )
            connection.autocommit = True
            kept: dict[TableName, str] = {}
            for table in tables:
                leaves = there.tables[table].leaves if table in there.tables else ()
                if rewrite_table(connection, table, leaves):
                    holders = ", ".join(held_back_by(connection, table))
                    kept[table] = f"{table} (held back by {holders})"
                self.progress.advance()
            refreshed = self._refresh(connection, views)
            for view in views:
                if str(view.name) not in refreshed:
                    kept[view.name] = f"{view.name} (a materialised view that was not refreshed)"
            objects = {name for name, table in rules.tables.items() if table.large_objects}
            ever = {*tables, *(view.name for view in views), *self._rewritten_before(there)}
            sampled = rewrite_statistics(
                connection, sorted(ever), large_objects=not objects.isdisjoint(ever)
            )
            reasons = [sampled, checkpoint(connection)]
            self.progress.advance()
        self.report.held_back = list(kept.values())
        if sampled:
            self.report.held_back.append(f"the planner's statistics ({sampled})")
        self.evidence.record(
            TablesRewritten(
                run=self.run.id,
                site=self.site,
                tables=(*(str(table) for table in tables if table not in kept), *refreshed),
                kept=tuple(kept.values()),
                statistics="; ".join(reason for reason in reasons if reason),
            ),
            into=self.entries,
        )

    def _rewritten_before(self, there: Database) -> set[TableName]:
        """What was rewritten earlier, and is still there: samples of it may be owed."""
        bodies = [body for body in self.entries.of(TablesRewritten) if body.site == self.site]
        known = {name for body in bodies for name in body.tables}
        return {name for name in {*there.tables, *there.views} if str(name) in known}

    def _owes_statistics(self) -> bool:
        """Whether the planner's statistics could not be written anew when the tables were."""
        rewritten = [body for body in self.entries.of(TablesRewritten) if body.site == self.site]
        return bool(rewritten and rewritten[-1].statistics)

    def _kept_at(self, primary: str) -> list[str]:
        """What a primary could not remove from its files, which its standbys' follow."""
        rewritten = [body for body in self.entries.of(TablesRewritten) if body.site == primary]
        if rewritten:
            return list(rewritten[-1].kept)
        erased = any(body.site == primary for body in self.entries.of(ShardErased))
        return [f"every table (erase again at {primary} first)"] if erased else []

    def _refresh(
        self, connection: psycopg.Connection, views: Sequence[MaterialisedView]
    ) -> list[str]:
        """Refresh materialised views; those that the server refreshed. The next count says what the
        others may still hold."""
        refreshed = []
        for view in views:
            reason = refresh_view(connection, view)
            if reason:
                self.progress.note(f"the materialised view {view.name} was not refreshed: {reason}")
            else:
                refreshed.append(str(view.name))
            self.progress.advance()
        return refreshed

    def _touched(self) -> list[TableName]:
        since: set[TableName] = set()
        for entry in self.entries.entries():
            body = entry.body
            if isinstance(body, ShardErased) and body.site == self.site:
                shard = self.plan.row_shard(body.shard)
                if shard is not None and (body.erased or body.reduced):
                    since.add(TableName(shard.schema, shard.table))
            if isinstance(body, TablesRewritten) and body.site == self.site:
                since -= {TableName.parse(name) for name in body.tables}
        return sorted(since)

    def _look_again(self) -> None:
        self.progress.stage(f"look again at {self.site}", items=1)
        absence = check_absence(self.estate, self.run, self.site, self.entries)
        self.evidence.record(absence.entry, into=self.entries)
        self.report.remaining = absence.entry.remaining
        self.report.unexamined = absence.entry.unexamined
        self.report.behind = absence.behind
        self.report.certificate = certify(
            self.estate, self.evidence, self.plan, self.site, self.entries, absence
        )
        self.progress.advance()
