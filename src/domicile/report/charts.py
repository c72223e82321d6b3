"""The geometry of the charts: which bar is how long. Pure; the template draws.

Bars of one chart share one scale. Whatever is not nothing is at least visible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from domicile.charter import country_name
from domicile.report.figures import count, short
from domicile.report.model import Holding, Kind, Snapshot, Status
from domicile.scan import SiteInfo

__all__ = ["Bar", "Chart", "Segment", "SiteBand", "charts"]

_LEFT = 258.0
_WIDTH = 420.0
_BAND_HEIGHT = 62
_BAR_TOPS = (10, 32)
_LEAST_WIDTH = 3.0
_NAME_LENGTH = 30


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar, in the units of the drawing. kind: home, away, reduced, attested or
    unexamined."""

    kind: str
    x: float
    width: float
    items: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One scan's bar at one site. label ends the bar; text says all of it in words."""

    when: str
    y: int
    end: float
    segments: tuple[Segment, ...]
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class SiteBand:
    """A site with its bars."""

    name: str
    place: str
    home: bool
    y: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing: rows in databases, or objects in stores."""

    kind: Kind
    title: str
    description: str
    left: float
    height: int
    bands: tuple[SiteBand, ...]


def charts(status: Status) -> tuple[Chart, ...]:
    """A chart of rows and a chart of objects, where there is a site for them."""
    scans = [("before", status.before), ("after", status.after)]
    if not status.scanned_again:
        scans = [("now", status.after)]
    kinds: tuple[tuple[Kind, str, str], ...] = (
        ("rows", "postgres", "Rows in databases"),
        ("objects", "objects", "Objects in stores: versions, delete markers, unfinished uploads"),
    )
    drawn = (_chart(scans, kind, site_kind, title) for kind, site_kind, title in kinds)
    return tuple(chart for chart in drawn if chart.bands)


def _chart(scans: list[tuple[str, Snapshot]], kind: Kind, site_kind: str, title: str) -> Chart:
    sites = {site.name: site for _, scan in scans for site in scan.sites if site.kind == site_kind}
    amounts = {(when, name): _amounts(scan, name, kind) for when, scan in scans for name in sites}
    most = max((sum(parts.values()) for parts in amounts.values()), default=0)
    bands: list[SiteBand] = []
    for site in sorted(sites.values(), key=lambda site: site.home):
        y = len(bands) * _BAND_HEIGHT
        bars = [
            _bar(when, y + top, amounts[when, site.name], most, known=_knows(scan, site.name))
            for top, (when, scan) in zip(_BAR_TOPS, scans, strict=False)
        ]
        bands.append(_band(site, y, bars))
    description = " ".join(
        f"{band.name} ({band.place}): " + "; ".join(bar.text for bar in band.bars) + "."
        for band in bands
    )
    return Chart(kind, title, description, _LEFT, len(bands) * _BAND_HEIGHT + 4, tuple(bands))


def _knows(scan: Snapshot, name: str) -> bool:
    return any(site.name == name for site in scan.sites)


def _band(site: SiteInfo, y: int, bars: Iterable[Bar]) -> SiteBand:
    place = f"{country_name(site.country)} · {site.provider} · {site.role}"
    return SiteBand(
        short(site.name, _NAME_LENGTH), short(place, _NAME_LENGTH + 6), site.home, y, tuple(bars)
    )


def _amounts(scan: Snapshot, site: str, kind: Kind) -> dict[str, int]:
    there = [holding for holding in scan.holdings_of(site) if holding.kind == kind]
    protected = "home" if site in scan.home_sites else "away"
    return {
        protected: _sum(there, lambda holding: holding.protected),
        "reduced": _sum(there, lambda holding: holding.reduced),
        "attested": _sum(there, lambda holding: abs(holding.attested)),
        "unexamined": _sum(there, lambda holding: abs(holding.unexamined)),
    }


def _sum(holdings: Iterable[Holding], of: Callable[[Holding], int]) -> int:
    return sum(of(holding) for holding in holdings)


_WORDS = {
    "home": "at home",
    "away": "away from home",
    "reduced": "of which only what is public is left",
    "attested": "attested, not examined",
    "unexamined": "not examined",
}
_SHORT_WORDS = {
    "home": "home",
    "away": "away",
    "reduced": "reduced",
    "attested": "attested",
    "unexamined": "not examined",
}


def _bar(when: str, y: int, amounts: dict[str, int], most: int, *, known: bool) -> Bar:
    if not known:
        return Bar(when, y, _LEFT, (), "not scanned", f"{when}: not scanned")
    segments = tuple(_segments(amounts, most))
    end = segments[-1].x + segments[-1].width if segments else _LEFT
    parts = [f"{count(s.items)} {_WORDS[s.kind]}" for s in segments]
    label = ", ".join(f"{count(s.items)} {_SHORT_WORDS[s.kind]}" for s in segments)
    return Bar(when, y, end, segments, label or "none", f"{when}: {', '.join(parts) or 'none'}")


def _segments(amounts: dict[str, int], most: int) -> Iterator[Segment]:
    x = _LEFT
    for kind, items in amounts.items():
        if items:
            width = max(_WIDTH * items / most, _LEAST_WIDTH)
            yield Segment(kind, round(x, 1), round(width, 1), items)
            x += width
