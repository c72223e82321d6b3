"""Tables of the report: what each shows, worked out before any template runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domicile.charter import country_name
from domicile.report.model import Holding, Kind, ShardProgress, Snapshot, StateCount, Status
from domicile.scan import SiteInfo

__all__ = [
    "MOST_SHARDS",
    "DatasetLine",
    "ShardGroup",
    "SiteLine",
    "UnexaminedLine",
    "dataset_lines",
    "member_countries",
    "shard_groups",
    "site_lines",
    "state_totals",
    "unexamined_lines",
]

MOST_SHARDS = 250


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A site before and after, in members' protected items; None: that scan did not see it, and
    none sees an offline place. kept: rows that stay because they are others' too."""

    site: SiteInfo
    kind: Kind
    before: int | None
    after: int | None
    bytes: int
    reduced: int
    kept: int
    held: int
    attested: int
    unexamined: int


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """A dataset before and after, away from home and at home. shared counts items of the dataset
    that are nobody's, other people's, or may lie anywhere, in the latest scan. unexamined: -1 where
    a count was not possible. kept: members' rows that stay away because they are others' too."""

    dataset: str
    kind: Kind
    classification: str
    away_before: int
    away_after: int
    home_before: int
    home_after: int
    reduced: int
    kept: int
    held: int
    attested: int
    unexamined: int
    shared: int


@dataclass(frozen=True, slots=True)
class UnexaminedLine:
    """What was not examined at a site, and why. items: -1 where nobody knows."""

    site: str
    dataset: str
    kind: Kind
    items: int
    reason: str


@dataclass(frozen=True, slots=True)
class ShardGroup:
    """Shards of the same datasets with their sums; ``shown`` holds the first of them."""

    datasets: tuple[str, ...]
    kind: Kind
    shards: int
    planned: int
    copied: int
    verified: int
    failed: int
    erased: int
    reduced: int
    held: int
    shown: tuple[ShardProgress, ...]


def member_countries(status: Status) -> str:
    """``United States``, or several joined."""
    return ", ".join(country_name(code) for code in status.members_of)


def site_lines(status: Status) -> tuple[SiteLine, ...]:
    """Every site that either scan saw, home last."""
    sites = {site.name: site for scan in (status.before, status.after) for site in scan.sites}
    return tuple(
        _site_line(status, site) for site in sorted(sites.values(), key=lambda site: site.home)
    )


def dataset_lines(status: Status) -> tuple[DatasetLine, ...]:
    """Every dataset that either scan saw, those away from home first."""
    places: dict[tuple[Kind, str], None] = {}
    for scan in (status.before, status.after):
        places.update(dict.fromkeys((h.kind, h.dataset) for h in scan.holdings if h.dataset))
    lines = [_dataset_line(status, kind, dataset) for kind, dataset in places]
    return tuple(
        sorted(lines, key=lambda d: (d.classification != "protected", d.kind != "rows", d.dataset))
    )


def unexamined_lines(status: Status) -> tuple[UnexaminedLine, ...]:
    """What the latest scan could not examine, the most first; sites it did not see, first of
    all."""
    seen = {site.name for site in status.after.sites}
    missed = [
        UnexaminedLine(site.name, "", _kind(site), -1, "the latest scan did not see this site")
        for site in status.before.sites
        if site.name not in seen
    ]
    lines = [
        UnexaminedLine(h.site, h.dataset, h.kind, h.unexamined, "; ".join(h.reasons))
        for h in status.after.holdings
        if h.unexamined
    ]
    lines.sort(key=lambda line: -line.items if line.items > 0 else -(1 << 62))
    return (*missed, *lines)


def shard_groups(status: Status) -> tuple[ShardGroup, ...]:
    """The plan's shards by what they hold, in the plan's order."""
    grouped: dict[tuple[Kind, tuple[str, ...]], list[ShardProgress]] = {}
    for shard in status.shards:
        datasets = shard.datasets if shard.kind == "rows" else ()
        grouped.setdefault((shard.kind, datasets), []).append(shard)
    return tuple(_group(kind, shards) for (kind, _), shards in grouped.items())


def state_totals(counts: Iterable[StateCount]) -> dict[str, int]:
    """Items by state, over all sites."""
    totals: dict[str, int] = {}
    for count in counts:
        totals[count.state] = totals.get(count.state, 0) + count.items
    return totals


def _site_line(status: Status, site: SiteInfo) -> SiteLine:
    there = status.after.holdings_of(site.name)
    return SiteLine(
        site=site,
        kind=_kind(site),
        before=_protected(status.before, site.name),
        after=_protected(status.after, site.name),
        bytes=sum(holding.bytes for holding in there),
        reduced=sum(holding.reduced for holding in there),
        kept=sum(holding.shared for holding in there),
        held=sum(held.items for held in status.held if held.site == site.name),
        attested=sum(abs(holding.attested) for holding in there),
        unexamined=sum(abs(holding.unexamined) for holding in there),
    )


def _protected(scan: Snapshot, site: str) -> int | None:
    if all(known.name != site or known.kind == "offline" for known in scan.sites):
        return None
    return sum(holding.protected for holding in scan.holdings_of(site))


def _dataset_line(status: Status, kind: Kind, dataset: str) -> DatasetLine:
    before = list(_of(status.before, kind, dataset))
    after = list(_of(status.after, kind, dataset))
    at_home, was_home = status.after.home_sites, status.before.home_sites
    held = [held for held in status.held if kind == "objects" and held.dataset == dataset]
    return DatasetLine(
        dataset=dataset,
        kind=kind,
        classification=(after or before)[0].classification,
        away_before=sum(h.protected for h in before if h.site not in was_home),
        away_after=sum(h.protected for h in after if h.site not in at_home),
        home_before=sum(h.protected for h in before if h.site in was_home),
        home_after=sum(h.protected for h in after if h.site in at_home),
        reduced=sum(h.reduced for h in after),
        kept=sum(h.shared for h in after),
        held=sum(one.items for one in held),
        attested=sum(abs(h.attested) for h in after),
        unexamined=-1 if any(h.unexamined < 0 for h in after) else sum(h.unexamined for h in after),
        shared=sum(h.others for h in after),
    )


def _of(scan: Snapshot, kind: Kind, dataset: str) -> Iterator[Holding]:
    return (h for h in scan.holdings if h.kind == kind and h.dataset == dataset)


def _kind(site: SiteInfo) -> Kind:
    kinds: dict[str, Kind] = {"postgres": "rows", "offline": "offline"}
    return kinds.get(site.kind, "objects")


def _group(kind: Kind, shards: list[ShardProgress]) -> ShardGroup:
    datasets = dict.fromkeys(dataset for shard in shards for dataset in shard.datasets)
    return ShardGroup(
        datasets=tuple(datasets),
        kind=kind,
        shards=len(shards),
        planned=sum(shard.planned for shard in shards),
        copied=sum(shard.copied or 0 for shard in shards),
        verified=sum(shard.verified for shard in shards),
        failed=sum(shard.failed + shard.erase_failed for shard in shards),
        erased=sum(shard.erased for shard in shards),
        reduced=sum(shard.reduced for shard in shards),
        held=sum(shard.held for shard in shards),
        shown=tuple(shards[:MOST_SHARDS]),
    )
