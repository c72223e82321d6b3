"""From a scan's counts to what is shown of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domicile.report.model import Holding, Snapshot
from domicile.scan import ObjectCount, ScanSummary, SiteInfo, TableCount

__all__ = ["snapshot"]


def snapshot(summary: ScanSummary) -> Snapshot:
    """One finished scan, a holding for each site and dataset."""
    return Snapshot(
        run=summary.run,
        started=summary.started,
        finished=summary.finished,
        charter_sha256=summary.charter_sha256,
        persons=summary.persons,
        members=summary.members,
        unknown_persons=summary.unknown_persons,
        sites=summary.sites,
        holdings=(
            *(_of_table(count) for count in summary.tables),
            *_of_objects(summary.objects),
            *_of_offline(summary.sites),
        ),
    )


def _of_table(count: TableCount) -> Holding:
    known = count.members + count.reduced + count.shared + max(count.unexamined, 0)
    return Holding(
        site=count.site,
        dataset=count.dataset,
        kind="rows",
        classification=count.classification,
        protected=count.members,
        reduced=count.reduced,
        unexamined=count.unexamined,
        others=max(count.rows - known, 0),
        bytes=count.bytes_members,
        reasons=(count.reason,) if count.unexamined else (),
        shared=count.shared,
        behind=count.behind,
    )


def _of_objects(counts: Iterable[ObjectCount]) -> Iterator[Holding]:
    grouped: dict[tuple[str, str], list[ObjectCount]] = {}
    for count in counts:
        grouped.setdefault((count.site, count.dataset), []).append(count)
    for (site, dataset), group in grouped.items():
        states = {count.state for count in group}
        exempt = states & {"public", "excepted"}
        yield Holding(
            site=site,
            dataset=dataset,
            kind="objects",
            classification=min(exempt) if exempt else "protected",
            protected=_items(group, {"member"}),
            reduced=0,
            unexamined=_items(group, {"not examined"}),
            others=_items(group, states - {"member", "not examined"}),
            bytes=sum(count.bytes for count in group if count.state == "member"),
            reasons=tuple(
                dict.fromkeys(count.reason for count in group if count.state == "not examined")
            ),
        )


def _of_offline(sites: Iterable[SiteInfo]) -> Iterator[Holding]:
    """An offline place is one thing that nobody examined."""
    for site in sites:
        if site.kind == "offline":
            reason = f"no driver reaches it: {site.about}"
            yield Holding(site.name, "", "offline", "protected", 0, 0, -1, 0, 0, (reason,))


def _items(counts: Iterable[ObjectCount], states: set[str]) -> int:
    return sum(c.versions + c.markers + c.uploads for c in counts if c.state in states)
