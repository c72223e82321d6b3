"""Reading the records. Nothing is claimed that the ledger does not name; no site is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import domicile
from domicile.charter import Charter
from domicile.erase import HeldItems, ShardErased, held_items
from domicile.erase.entries import AbsenceChecked
from domicile.erase.past import pasts
from domicile.errors import EvidenceError, UsageError
from domicile.inventory import Estate, Run, ledger_directory, read_batches
from domicile.inventory.standing import CharterStanding, read_standing
from domicile.ledger import Body, Entry, decode, files_of, published_keys, read_only, verify_log
from domicile.move import ObjectShard, Plan, RowShard, ShardVerified
from domicile.move.entries import Planned, ShardCopied
from domicile.report.attestations import read_attestations
from domicile.report.certificates import read_certificates
from domicile.report.lasting import read_alarms, read_looks
from domicile.report.media import read_media
from domicile.report.model import Exempt, LedgerView, PlanView, Reduction, Status
from domicile.report.progress import ShardFacts, Tally
from domicile.report.shreds import shred_views
from domicile.report.status import Records, assemble
from domicile.scan import ScanSummary, read_scan
from domicile.scan.entries import ScanFinished
from domicile.sites.postgres import TableName

__all__ = ["load_status"]


def load_status(estate: Estate) -> Status:
    """What the records say of the charter's boundary; the whole ledger is verified on the way.

    Raises UsageError where no scan was finished, EvidenceError where the records cannot be read.
    """
    ledger = _ledger(estate)
    entries = [decode(data) for _, data in read_only(ledger_directory(estate.records)).entries()]
    entries = [e for e in entries if getattr(e.body, "boundary", None) in _ours(estate)]
    scans = [e.body.run for e in entries if isinstance(e.body, ScanFinished)]
    if not scans:
        raise _nothing()
    planned = [e.body for e in entries if isinstance(e.body, Planned) and e.body.run in scans]
    story = _story(planned) or scans[-1]
    run, latest = Run(estate.records, story), Run(estate.records, scans[-1])
    before = _scan(run)
    plan = _plan(run) if planned else None
    made = datetime.now(UTC)
    past = pasts(entries, estate.boundary_name)
    days = estate.charter.records.recheck_days
    ours = [e for e in entries if getattr(e.body, "run", None) == story]
    shards = tuple(_facts(run, plan, before, ours)) if plan else ()
    return assemble(
        Records(
            made=made.isoformat(timespec="seconds"),
            tool=f"domicile {domicile.__version__}",
            charter=estate.charter,
            charter_sha256=estate.loaded.sha256,
            boundary=estate.boundary_name,
            before=before,
            after=before if latest.id == run.id else _scan(latest),
            plan=_view(plan) if plan else None,
            shards=shards,
            certificates=read_certificates(estate.records, ledger.vkey, ours),
            ledger=ledger,
            entries=tuple(e for e in entries if getattr(e.body, "run", None) in {story, latest.id}),
            exempt=tuple(_exempt(estate.charter)),
            held=tuple(_held(run, shards)),
            attestations=read_attestations(estate.records, estate.charter, entries, made.date()),
            shreds=shred_views(entries),
            standing=_standing(estate),
            alarms=read_alarms(entries),
            media=read_media(estate.records, estate.charter, entries),
            looks=read_looks(entries, past.values(), days, made),
        )
    )


def _standing(estate: Estate) -> CharterStanding:
    reader = read_only(ledger_directory(estate.records))
    return read_standing((data for _, data in reader.entries()), estate.loaded)


def _story(planned: Sequence[Planned]) -> str | None:
    """The run of the last plan that had anything to do: a plan made when all is home already
    does not end the story. Else that of the last plan."""
    busy = [body for body in planned if body.row_shards or body.object_shards]
    return next((body.run for body in reversed(busy or planned)), None)


def _ours(estate: Estate) -> tuple[str | None, ...]:
    """Entries that name no boundary belong to their run's; a charter has one boundary."""
    return (None, estate.boundary_name)


def _nothing() -> UsageError:
    return UsageError(
        "nothing was scanned yet",
        expected="at least one finished scan",
        next_step="run `domicile scan`",
    )


def _ledger(estate: Estate) -> LedgerView:
    directory = ledger_directory(estate.records)
    if not directory.is_dir():
        raise _nothing()
    vkeys = published_keys(directory)
    checked = verify_log(directory, vkeys, estate.records)
    return LedgerView(
        origin=checked.origin,
        size=checked.size,
        root=checked.root,
        vkey=vkeys[0] if vkeys else "",
        entries_by_kind=dict(checked.entries_by_kind),
        files_checked=checked.files_checked,
        problems=checked.problems,
        problem_count=checked.problem_count,
        notices=checked.notices,
    )


def _scan(run: Run) -> ScanSummary:
    try:
        return read_scan(run)
    except (OSError, msgspec.MsgspecError) as error:
        raise _damaged(run, "the scan's summary") from error


def _plan(run: Run) -> Plan:
    try:
        return msgspec.json.decode(run.plan.read_bytes(), type=Plan)
    except (OSError, msgspec.MsgspecError) as error:
        raise _damaged(run, "the plan") from error


def _damaged(run: Run, what: str) -> EvidenceError:
    return EvidenceError(
        f"{what} of run {run.id} is missing or damaged",
        expected="the file as the ledger has it",
        next_step="run `domicile ledger verify`, then restore the file or start a new scan",
    )


def _view(plan: Plan) -> PlanView:
    return PlanView(
        run=plan.run,
        made=plan.made,
        charter_sha256=plan.charter_sha256,
        row_shards=len(plan.rows),
        object_shards=len(plan.objects),
        rows_to_copy=plan.rows_to_copy,
        blockers=plan.blockers,
        warnings=plan.warnings,
        reductions=tuple(
            dict.fromkeys(Reduction(t.table, t.removed) for t in plan.tables if t.reduced)
        ),
        held=plan.held,
    )


def _exempt(charter: Charter) -> Iterable[Exempt]:
    for name, dataset in (*charter.tables.items(), *charter.objects.items()):
        if dataset.classification != "protected":
            until = dataset.until.isoformat() if dataset.until else ""
            yield Exempt(name, dataset.classification, dataset.reason or "", until)


def _facts(
    run: Run, plan: Plan, before: ScanSummary, entries: Sequence[Entry]
) -> Iterable[ShardFacts]:
    datasets = {(count.site, count.table): count.dataset for count in before.tables}
    copied = {e.body.shard: e.body for e in entries if isinstance(e.body, ShardCopied)}
    verified = [e.body for e in entries if isinstance(e.body, ShardVerified)]
    latest = {body.shard: body for body in verified}
    attempts = Counter(body.shard for body in verified)
    erased: dict[str, dict[str, ShardErased]] = {}
    standbys = _followed(plan, entries)
    held = {(count.site, count.table) for count in before.tables if count.members or count.reduced}
    for entry in entries:
        if isinstance(entry.body, ShardErased):
            erased.setdefault(entry.body.shard, {})[entry.body.site] = entry.body
    shards: tuple[RowShard | ObjectShard, ...] = (*plan.rows, *plan.objects)
    for shard in shards:
        proven, gone = latest.get(shard.id), tuple(erased.get(shard.id, {}).values())
        dataset, followers = None, {}
        if isinstance(shard, RowShard):
            table = str(TableName(shard.schema, shard.table))
            dataset = datasets.get((shard.source, table), table)
            outside = plan.route_of(shard).outside
            followers = {
                site: primary
                for site, primary in standbys
                if site in outside and (site, table) in held
            }
        yield ShardFacts(
            shard=shard,
            copied=copied.get(shard.id),
            attempts=attempts[shard.id],
            verified=proven,
            erased=gone,
            contents={} if proven else _contents(run, plan, shard, dataset),
            proofs=_proofs(run, proven, dataset) if proven else {},
            erasures=_erasures(run, gone, dataset, followers),
        )


def _followed(plan: Plan, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """The standbys that were seen to hold nothing any more of what was erased at their primaries,
    and these."""
    looks = {e.body.site: e.body for e in entries if isinstance(e.body, AbsenceChecked)}
    clean = {site for site, look in looks.items() if not look.remaining}
    return [(each.site, each.primary) for each in plan.standbys if each.site in clean]


def _contents(run: Run, plan: Plan, shard: RowShard | ObjectShard, dataset: str | None) -> Tally:
    if isinstance(shard, RowShard):
        return {(shard.source, str(dataset), "copied", ""): shard.rows}
    sums: Counter[tuple[str, str, str, str]] = Counter()
    for row in read_batches(run.shard(shard.id), ["site", "dataset"]):
        if row["site"] in plan.stores:
            sums[str(row["site"]), str(row["dataset"]), "copied", ""] += 1
    return sums


def _proofs(run: Run, body: ShardVerified, dataset: str | None) -> Tally:
    columns = ["site", "state", "reason", *(["rows"] if dataset else ["dataset"])]
    sums: Counter[tuple[str, str, str, str]] = Counter()
    for path in _files(run, body):
        for row in read_batches(path, columns):
            failed = row["state"] == "failed"
            items = max(int(str(row["rows"])), int(failed)) if dataset else 1
            reason = str(row["reason"]) if failed else ""
            named = dataset or str(row["dataset"])
            sums[str(row["site"]), named, str(row["state"]), reason] += items
    return sums


def _erasures(
    run: Run,
    bodies: Iterable[ShardErased],
    dataset: str | None,
    followers: Mapping[str, str],
) -> Tally:
    sums: Counter[tuple[str, str, str, str]] = Counter()
    for body in bodies:
        if dataset:
            beside = [site for site, primary in followers.items() if primary == body.site]
            for site in (body.site, *beside):
                sums[site, dataset, "erased", ""] += body.erased
                sums[site, dataset, "reduced", ""] += body.reduced
            sums[body.site, dataset, "failed", ""] += body.failed
            continue
        for path in _files(run, body):
            for row in read_batches(path, ["dataset", "state", "reason"]):
                state = str(row["state"])
                sums[body.site, str(row["dataset"]), state, str(row["reason"])] += 1
    return +sums


def _held(run: Run, shards: Iterable[ShardFacts]) -> Iterable[HeldItems]:
    bodies = [body for facts in shards for body in facts.erased if body.held]
    for site in dict.fromkeys(body.site for body in bodies):
        paths = [path for body in bodies if body.site == site for path in _files(run, body)]
        yield from held_items(site, (row for path in paths for row in read_batches(path)))


def _files(run: Run, body: Body) -> list[Path]:
    return [run.records / file.path for file in files_of(body)]
