"""Whether what was erased stayed so: when each site was looked at last, and which alarms stand.

Rules:
1. A site that was erased is looked at by a scan or a recheck. `recheck_days` after the last look
   it is overdue: nothing green is said of it then.
2. A scan puts an end to every alarm before it at the sites that it looked at; what it finds still
   is told by new ones, which go back to the first (``since``). A recheck ends no alarm: it does not
   see who became a member.
3. What was erased is *absent* once a recheck, or a scan of another run, came after the last
   erasure and nothing of it was there or left unexamined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from domicile.erase.drift import origins_told
from domicile.erase.past import Past
from domicile.ledger import Entry
from domicile.report.model import AlarmView, LookView
from domicile.scan.entries import DriftFound, Rechecked, ScanFinished

__all__ = ["read_alarms", "read_looks"]


def read_alarms(entries: Sequence[Entry]) -> tuple[AlarmView, ...]:
    """The alarms that stand, by site and dataset."""
    standing: dict[tuple[str, str], AlarmView] = {}
    before: dict[tuple[str, str], AlarmView] = {}
    for entry in entries:
        body = entry.body
        if isinstance(body, ScanFinished):
            looked = {place: view for place, view in standing.items() if place[0] in body.sites}
            before = looked
            standing = {place: view for place, view in standing.items() if place not in looked}
        elif isinstance(body, DriftFound):
            place = (body.site, body.dataset)
            earlier = standing.get(place) or before.get(place)
            standing[place] = _view(entry, body, earlier)
    return tuple(view for _, view in sorted(standing.items()))


def _view(entry: Entry, body: DriftFound, earlier: AlarmView | None) -> AlarmView:
    seen = entry.time.isoformat(timespec="seconds")
    return AlarmView(
        site=body.site,
        dataset=body.dataset,
        items=body.items,
        since=earlier.since if earlier else seen,
        seen=seen,
        certified=body.certified,
        certificate_sha256=body.certificate_sha256,
        origins=tuple(origins_told(body)),
    )


def read_looks(
    entries: Sequence[Entry], pasts: Iterable[Past], recheck_days: int, now: datetime
) -> tuple[LookView, ...]:
    """The last look at each site that was erased."""
    return tuple(_look(entries, past, timedelta(days=recheck_days), now) for past in pasts)


def _look(entries: Sequence[Entry], past: Past, every: timedelta, now: datetime) -> LookView:
    last, how, found = past.ended, "erase", False
    clean = False
    for entry in entries:
        body = entry.body
        if entry.time < past.ended:
            continue
        if isinstance(body, ScanFinished) and past.site in body.sites:
            last, how = entry.time, "scan"
            nothing = not (body.finding_rows or body.finding_objects)
            clean = body.complete and nothing and body.run not in past.runs
            found = False
        elif isinstance(body, Rechecked) and body.site == past.site:
            last, how = entry.time, "recheck"
            clean = not (body.remaining or body.unexamined)
        elif isinstance(body, DriftFound) and body.site == past.site:
            found = True
    due = last + every
    return LookView(
        site=past.site,
        last=last.isoformat(timespec="seconds"),
        how=how,
        due=due.isoformat(timespec="seconds"),
        overdue=due < now,
        absent=clean and not found,
    )
