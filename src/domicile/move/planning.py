"""Making a plan: reads every site, writes nothing but the plan's own files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from domicile.errors import PlanError
from domicile.inventory import (
    Estate,
    Evidence,
    Progress,
    Run,
    digest_under,
    find_standbys,
    write_bytes,
)
from domicile.ledger import FileDigest
from domicile.move.chains import cut_objects
from domicile.move.entries import Planned
from domicile.move.holds import held_versions
from domicile.move.missing import finds_rows, history_blockers, missing_parts, standbys_of
from domicile.move.plan import Plan, Standby
from domicile.move.row_planning import RowDraft, plan_rows
from domicile.move.store_rules import rule_blockers, rule_warnings
from domicile.scan import ArchiveCount, ScanSummary, read_scan

if TYPE_CHECKING:
    from domicile.state import State  # slow to import, and no worker has use for it

__all__ = ["load_plan", "make_plan", "read_plan"]


def make_plan(
    estate: Estate, evidence: Evidence, state: State, run: Run, progress: Progress
) -> Plan:
    """Plan the run from its scan, write the plan down and record its digest. A scan has one plan:
    one that was made already is returned as it is."""
    if run.plan.exists():
        return _adopt(estate, evidence, state, run, load_plan(run))
    summary = read_scan(run)
    draft = RowDraft()
    standbys = find_standbys(estate)
    outside = [name for name in estate.outside(estate.postgres_names) if name not in standbys]
    progress.stage("plan", items=len(outside) + 1)
    draft.blockers += missing_parts(estate, summary)
    draft.blockers += standbys_of(estate, summary, standbys)
    for site in outside:
        if finds_rows(estate.route_at(site), summary):
            plan_rows(estate, run, site, draft)
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
        sequences=tuple(draft.sequences),
        held=tuple(held_versions(estate, run)),
        blockers=tuple(dict.fromkeys(draft.blockers)),
        warnings=(*_warnings(summary), *rule_warnings(estate), *draft.warnings),
        unexamined=summary.unexamined,
        files=tuple(
            digest_under(path, estate.records)
            for path in (*sorted(run.directory.glob("shards/*.parquet")), *run.all_grants())
        ),
        standbys=tuple(Standby(site, primary) for site, primary in standbys.items() if primary),
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
