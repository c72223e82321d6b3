"""What a plan lacks: a home for what was found, and a source that it comes from."""

from __future__ import annotations

from collections.abc import Mapping

from domicile.charter import Route
from domicile.inventory import Estate
from domicile.move.effects import standby_blockers
from domicile.scan import ScanSummary

__all__ = ["finds_rows", "history_blockers", "missing_parts", "standbys_of"]


def missing_parts(estate: Estate, summary: ScanSummary) -> list[str]:
    """What home or a source lacks for what was found, in words."""
    missing = []
    for route in estate.routes:
        if not finds_rows(route, summary):
            continue
        where = "" if len(estate.routes) == 1 else f" at {', '.join(sorted(route.outside))}"
        if route.home is None:
            missing.append(
                f"members' rows were found{where}, but no database is home: add one to `home`"
            )
        if route.source is None:
            missing.append(
                f"members' rows were found{where} only in copies: no database is `primary`"
            )
    if summary.finding_objects and estate.home_objects is None:
        missing.append("members' objects were found, but no object store is home")
    return missing


def finds_rows(route: Route, summary: ScanSummary) -> bool:
    """Whether the scan found members' protected rows on a route, away from home, or shared ones
    that home lacks."""
    mine = (count for count in summary.tables if count.site in route.outside)
    return any(count.members or count.behind for count in mine)


def standbys_of(
    estate: Estate, summary: ScanSummary, standbys: Mapping[str, str | None]
) -> list[str]:
    """Standbys (each with its primary) from which nothing can be erased, where something is to
    be."""
    meant = {n: p for n, p in standbys.items() if finds_rows(estate.route_at(n), summary)}
    roles = {name: estate.charter.sites[name].role for name in meant}
    return list(standby_blockers(meant, roles, estate.routes))


def history_blockers(estate: Estate, *, objects_found: bool) -> list[str]:
    """That home would lose older versions."""
    home = estate.home_objects
    if home is None or not objects_found or estate.objects(home).capabilities().versions:
        return []
    versioned = [
        name
        for name in estate.outside(estate.object_names)
        if estate.objects(name).capabilities().versions
    ]
    if not versioned:
        return []
    return [
        (
            f"{home} keeps no versions, {', '.join(versioned)} does: older versions would be lost;"
            f" turn versioning on at {home}"
        ),
    ]
