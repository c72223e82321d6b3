"""Rows for the terminal's tables; drawing them is the command line's. Pure.

Every text is safe to print: nothing in it is invisible or moves the cursor. Markup of a terminal
library is not escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domicile.charter import country_name
from domicile.report.figures import count, day, moment, shown, word_for
from domicile.report.model import ShredView, Status
from domicile.report.views import SiteLine, site_lines

__all__ = ["TextTable", "look_lines", "shred_lines", "state_rows", "status_rows", "verdict_lines"]


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of plain text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def status_rows(status: Status) -> TextTable:
    """Members' protected items at each site before and after, home last; then what is away from
    home in all. The last column: ``home``, ``clear`` (nothing left), ``held`` (all that is left),
    ``remains``, ``attested`` or ``not examined``. Columns of what is shared, held and attested are
    there where anything is."""
    rows = [_row(status, line) for line in site_lines(status)]
    header: tuple[str, ...] = (
        *("site", "where", "what", "before", "after"),
        *("reduced", "shared", "held", "attested", "not examined", ""),
    )
    rows.append(_sum_row(status))
    for at, name in ((8, "attested"), (7, "held"), (6, "shared")):
        header, rows = _without_zeros(header, rows, at, name)
    if not status.scanned_again:
        header = (*header[:3], "now", *header[5:])
        rows = [(*row[:3], *row[4:]) for row in rows]
    members = ", ".join(map(country_name, status.members_of))
    title = f"where the protected data of {shown(members)} members lies"
    return TextTable(title, header, tuple(rows))


def _without_zeros(
    header: tuple[str, ...], rows: list[tuple[str, ...]], at: int, name: str
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Without the column of this name, at this place, where it says nothing."""
    if header[at] != name or any(row[at] != "0" for row in rows):
        return header, rows
    return (*header[:at], *header[at + 1 :]), [(*row[:at], *row[at + 1 :]) for row in rows]


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


def look_lines(status: Status) -> tuple[str, ...]:
    """When the erased sites were last looked at, and until when they must be again: a line for
    those of whom the same is true."""
    sites: dict[str, list[str]] = {}
    for look in status.looks:
        state = "absent" if look.absent else "erased"
        said = f"{state}, looked at by {look.how} on {day(look.last)}; next by {day(look.due)}"
        sites.setdefault(said, []).append(look.site)
    return tuple(shown(f"{', '.join(names)}: {said}") for said, names in sites.items())


def shred_lines(status: Status) -> tuple[str, ...]:
    """What became of requests to destroy persons' keys, a line each."""
    return tuple(shown(_shred(view)) for view in status.shreds)


def _shred(view: ShredView) -> str:
    keys = f"keys of {word_for(view.persons, 'person', 'persons')}"
    match view.state:
        case "requested":
            return f"{keys} will be destroyed, not before {moment(view.until)} ({view.request})"
        case "cancelled":
            return f"{keys} were to be destroyed; cancelled at {moment(view.since)}"
        case "pending":
            return f"{keys} are deleted; what opens backups of them is not yet ({view.request})"
        case "destroyed":
            return f"{keys} were destroyed at {moment(view.since)}: {view.certificate}"


def _lines(status: Status) -> Iterator[str]:
    verdict = status.verdict
    yield f"{verdict.word}, as of the scan of {moment(status.after.finished)}"
    for reason in verdict.because:
        yield f"because {reason}"
    for reason in verdict.lacking:
        yield f"not home: {reason}"


def _row(status: Status, line: SiteLine) -> tuple[str, ...]:
    site = line.site
    scanned = any(other.name == site.name for other in status.after.sites)
    return (
        shown(site.name),
        shown(f"{country_name(site.country)}, {site.provider}, {site.role}"),
        line.kind,
        _protected(line.before),
        _protected(line.after),
        count(line.reduced),
        count(line.kept),
        count(line.held),
        count(line.attested),
        count(line.unexamined),
        _mark(line.unexamined, line.attested, line.after or 0, line.held, home=site.home)
        if scanned
        else "not examined",
    )


def _sum_row(status: Status) -> tuple[str, ...]:
    after = status.after
    away = after.protected(home=False)
    held = sum(line.items for line in status.held)
    return (
        "away from home, in all",
        "",
        "",
        count(status.before.protected(home=False)),
        count(away),
        count(sum(holding.reduced for holding in after.holdings)),
        count(after.shared),
        count(held),
        count(after.attested),
        count(after.unexamined),
        _mark(after.unexamined, after.attested, away, held, home=False),
    )


def _mark(unexamined: int, attested: int, protected: int, held: int, *, home: bool) -> str:
    if unexamined:
        return "not examined"
    if protected and not home:
        return "held" if protected <= held else "remains"
    if attested:
        return "attested"
    return "home" if home else "clear"


def _protected(number: int | None) -> str:
    return "not scanned" if number is None else count(number)
