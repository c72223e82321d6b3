"""From records to what is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domicile.charter import Charter
from domicile.erase import HeldItems, ShardErased
from domicile.inventory.standing import CharterStanding
from domicile.ledger import Entry
from domicile.report.attestations import cover
from domicile.report.figures import moment
from domicile.report.model import (
    AlarmView,
    AttestationView,
    CertificateView,
    Event,
    Exempt,
    LedgerView,
    LookView,
    MediumView,
    PlanView,
    ShredView,
    Snapshot,
    Status,
)
from domicile.report.progress import ShardFacts, failures, shard_progress, state_counts
from domicile.report.snapshot import snapshot
from domicile.report.verdict import Found, judge
from domicile.scan import ScanSummary

__all__ = ["Records", "assemble"]

_WHAT = {
    "scan.started": "a scan began",
    "people.frozen": "the list of members was frozen for the run",
    "scan.finished": "a scan of every site was complete",
    "scan.rechecked": "sites that were erased were looked at again, later",
    "scan.drift": "members' items were found again where they had been erased",
    "scan.medium-stated": "signed acts about disks and tapes were recorded",
    "scan.attested": "a signed statement about what could not be examined was recorded",
    "move.planned": "a plan was written down",
    "move.schema-made": "home's schema was made",
    "move.sequences-set": "home's sequences were set apart from the source's",
    "move.shard-copied": "shards were copied home",
    "move.shard-verified": "shards were read back on both sides and compared",
    "erase.shard-begun": "erasures of verified shards were begun",
    "erase.shard-refused": "shards had changed since they were verified, and were left alone",
    "erase.shard-erased": "shards were erased at a site",
    "erase.tables-rewritten": "tables and indexes were written anew without the erased rows",
    "erase.absence-checked": "sites were listed and counted again",
    "erase.certified": "certificates of erasure were signed",
}


@dataclass(frozen=True, slots=True)
class Records:
    """What was read: two scans (or one twice), the plan in force and its shards' steps, the
    verified ledger and its entries of these runs in order."""

    made: str
    tool: str
    charter: Charter
    charter_sha256: str
    boundary: str
    before: ScanSummary
    after: ScanSummary
    plan: PlanView | None
    shards: tuple[ShardFacts, ...]
    certificates: tuple[CertificateView, ...]
    ledger: LedgerView
    entries: tuple[Entry, ...]
    exempt: tuple[Exempt, ...]
    held: tuple[HeldItems, ...]
    attestations: tuple[AttestationView, ...]
    shreds: tuple[ShredView, ...]
    standing: CharterStanding
    alarms: tuple[AlarmView, ...] = ()
    looks: tuple[LookView, ...] = ()
    media: tuple[MediumView, ...] = ()


def assemble(records: Records) -> Status:
    """The whole status, its verdict last."""
    before = snapshot(records.before)
    after, attestations = cover(snapshot(records.after), records.attestations)
    boundary = records.charter.boundaries[records.boundary]
    shards = tuple(shard_progress(facts) for facts in records.shards)
    found = Found(
        before=before,
        after=after,
        charter_sha256=records.charter_sha256,
        plan=records.plan,
        shards=shards,
        certificates=records.certificates,
        ledger=records.ledger,
        held=records.held,
        unapproved=records.standing.warning() or "",
        alarms=records.alarms,
        looks=records.looks,
        media=records.media,
    )
    return Status(
        made=records.made,
        tool=records.tool,
        company=records.charter.company.name,
        boundary=records.boundary,
        members_of=boundary.members,
        custodian=boundary.custodian,
        provider=boundary.provider,
        charter_sha256=records.charter_sha256,
        charter_standing=records.standing.sentence(),
        records=records.charter.records.directory,
        verdict=judge(found),
        before=before,
        after=after,
        plan=records.plan,
        shards=shards,
        states=state_counts(
            before, after, records.shards, {look.site for look in records.looks if look.absent}
        ),
        failures=failures(records.shards),
        held=records.held,
        attestations=attestations,
        shreds=records.shreds,
        exempt=records.exempt,
        certificates=records.certificates,
        ledger=records.ledger,
        timeline=tuple(_timeline(records.entries)),
        notices=tuple(_notices(records, before, after)),
        alarms=records.alarms,
        looks=records.looks,
        media=records.media,
    )


def _timeline(entries: Iterable[Entry]) -> Iterator[Event]:
    """One event for each kind of entry of each run, by first time."""
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        grouped.setdefault((str(getattr(entry.body, "run", "")), entry.kind), []).append(entry)
    for (run, kind), group in grouped.items():
        times = [entry.time.isoformat(timespec="seconds") for entry in group]
        yield Event(run, kind, _WHAT.get(kind, kind), len(group), times[0], times[-1])


def _notices(records: Records, before: Snapshot, after: Snapshot) -> Iterator[str]:
    yield records.standing.sentence()
    if before.charter_sha256 != after.charter_sha256:
        yield (
            "before and after were scanned under different charters: what counts as protected,"
            " or as home, may have changed between them"
        )
    if records.plan and records.plan.charter_sha256 != records.charter_sha256:
        yield "the charter changed since the plan was made"
    if after.shared:
        yield (
            f"{after.shared:,} rows away from home are members' and others' too: they stay there,"
            ' and home gets copies (`persons = "copy"`)'
        )
    if records.plan:
        yield from records.plan.warnings
        yield from _held_as_planned(records)
    elif after.unknown_persons:
        yield f"{after.unknown_persons:,} people have no known country"


def _held_as_planned(records: Records) -> Iterator[str]:
    """What the plan saw as held, until an erasure says more."""
    erased = {e.body.site for e in records.entries if isinstance(e.body, ShardErased)}
    for held in records.plan.held if records.plan else ():
        if held.site not in erased:
            end = f"until {moment(held.until)}" if held.until else "until it is lifted"
            yield f"versions held at {held.site}: {held.versions:,} ({held.reason}), {end}"
