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

__all__ = ["TextTable", "state_rows", "status_rows", "verdict_lines"]


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of plain text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def status_rows(status: Status) -> TextTable:
    """Members' protected items at each site before and after, home last; then what is away from
    home in all. The last column: ``home``, ``clear`` (nothing left), ``remains`` or ``not
    examined``, which wins over the others."""
    sites = {site.name: site for scan in (status.before, status.after) for site in scan.sites}
    rows = [_row(status, site) for site in sorted(sites.values(), key=lambda site: site.home)]
    header: tuple[str, ...] = (
        *("site", "where", "what", "before", "after"),
        *("reduced", "not examined", ""),
    )
    rows.append(_sum_row(status))
    if not status.scanned_again:
        header = (*header[:3], "now", *header[5:])
        rows = [(*row[:3], *row[4:]) for row in rows]
    members = ", ".join(map(country_name, status.members_of))
    title = f"where the protected data of {shown(members)} members lies"
    return TextTable(title, header, tuple(rows))


def state_rows(status: Status) -> TextTable:
    """Items by site, dataset and state."""
    rows = (
        (shown(c.site), shown(c.dataset) or "(none fits)", c.state, count(c.items))
        for c in status.states
    )
    return TextTable("items by state", ("site", "dataset", "state", "items"), tuple(rows))


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


def _row(status: Status, site: SiteInfo) -> tuple[str, ...]:
    after = status.after
    there = after.holdings_of(site.name)
    unexamined = sum(abs(holding.unexamined) for holding in there)
    scanned = any(other.name == site.name for other in after.sites)
    protected = sum(holding.protected for holding in there)
    return (
        shown(site.name),
        shown(f"{country_name(site.country)}, {site.provider}, {site.role}"),
        "rows" if site.kind == "postgres" else "objects",
        _protected(status.before, site.name),
        _protected(after, site.name),
        count(sum(holding.reduced for holding in there)),
        count(unexamined),
        _mark(unexamined, protected, home=site.home) if scanned else "not examined",
    )


def _sum_row(status: Status) -> tuple[str, ...]:
    after = status.after
    away = after.protected(home=False)
    return (
        "away from home, in all",
        "",
        "",
        count(status.before.protected(home=False)),
        count(away),
        count(sum(holding.reduced for holding in after.holdings)),
        count(after.unexamined),
        _mark(after.unexamined, away, home=False),
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
