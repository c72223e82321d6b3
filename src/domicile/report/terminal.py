"""Rows for the terminal's tables; drawing them is the command line's. Pure.

Every text is safe to print: nothing in it is invisible or moves the cursor. Markup of a terminal
library is not escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domicile.charter import country_name
from domicile.report.figures import count, moment, shown
from domicile.report.model import Snapshot, Status
from domicile.scan import SiteInfo

__all__ = ["StateRow", "StatusRow", "state_rows", "status_rows", "verdict_lines"]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One site: members' protected items before and after. mark: ``home``, ``clear`` (nothing
    left), ``remains`` or ``not examined``; the last wins over the others."""

    site: str
    place: str
    kind: str
    before: str
    after: str
    reduced: str
    unexamined: str
    mark: str


@dataclass(frozen=True, slots=True)
class StateRow:
    """Items of one site and dataset in one state."""

    site: str
    dataset: str
    state: str
    items: str


def status_rows(status: Status) -> tuple[StatusRow, ...]:
    """One row a site, home last; the last row sums up what is away from home."""
    sites = {site.name: site for scan in (status.before, status.after) for site in scan.sites}
    rows = [_row(status, site) for site in sorted(sites.values(), key=lambda site: site.home)]
    after = status.after
    rows.append(
        StatusRow(
            site="away from home, in all",
            place="",
            kind="",
            before=count(status.before.protected(home=False)),
            after=count(after.protected(home=False)),
            reduced=count(sum(h.reduced for h in after.holdings)),
            unexamined=count(after.unexamined),
            mark=_mark(after.unexamined, after.protected(home=False), home=False),
        )
    )
    return tuple(rows)


def state_rows(status: Status) -> tuple[StateRow, ...]:
    """Items by site, dataset and state."""
    return tuple(
        StateRow(shown(c.site), shown(c.dataset) or "(none)", c.state, count(c.items))
        for c in status.states
    )


def verdict_lines(status: Status) -> tuple[str, ...]:
    """The verdict in words: first the word, then what it rests on and what is lacking."""
    return tuple(map(shown, _lines(status)))


def _lines(status: Status) -> Iterator[str]:
    verdict = status.verdict
    yield f"{verdict.word}, as of the scan of {moment(status.after.finished)}"
    for reason in verdict.because:
        yield f"because {reason}"
    for reason in verdict.lacking:
        yield f"not home: {reason}"


def _row(status: Status, site: SiteInfo) -> StatusRow:
    after = status.after
    there = after.holdings_of(site.name)
    unexamined = sum(abs(holding.unexamined) for holding in there)
    scanned = any(other.name == site.name for other in after.sites)
    return StatusRow(
        site=shown(site.name),
        place=shown(f"{country_name(site.country)}, {site.provider}, {site.role}"),
        kind="rows" if site.kind == "postgres" else "objects",
        before=_protected(status.before, site.name),
        after=_protected(after, site.name),
        reduced=count(sum(holding.reduced for holding in there)),
        unexamined=count(unexamined),
        mark=_mark(unexamined, sum(h.protected for h in there), home=site.home)
        if scanned
        else "not examined",
    )


def _mark(unexamined: int, protected: int, *, home: bool) -> str:
    if unexamined:
        return "not examined"
    if home:
        return "home"
    return "remains" if protected else "clear"


def _protected(scan: Snapshot, site: str) -> str:
    if all(known.name != site for known in scan.sites):
        return "not scanned"
    return count(sum(holding.protected for holding in scan.holdings_of(site)))
