"""Which sites are physical standbys, and whose. Nothing is written to one: what is erased at its
primary is gone there once it was replayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from domicile.sites.postgres import Lineage, lineage, not_replayed, written_until

if TYPE_CHECKING:
    from domicile.inventory.estate import Estate

__all__ = ["find_standbys", "primary_among", "replay_lacking"]

_PATIENCE_S = 60


def find_standbys(estate: Estate) -> dict[str, str | None]:
    """The standbys away from home, each with its primary's site; None where the charter names
    none, or several that it may be. Raises SiteError."""
    away = estate.outside(estate.postgres_names)
    standbys = [site for site in away if estate.database(site).is_standby()]
    found: dict[str, Lineage] = {}
    for site in estate.postgres_names if standbys else ():
        with estate.database(site).connect(read_only=True) as connection:
            found[site] = lineage(connection)
    return {site: primary_among(site, found) for site in standbys}


def primary_among(site: str, found: Mapping[str, Lineage]) -> str | None:
    """The one database of these that a standby follows. Pure."""
    candidates = [name for name, other in found.items() if found[site].follows(other)]
    return candidates[0] if len(candidates) == 1 else None


def replay_lacking(estate: Estate, site: str) -> str:
    """Wait until a standby has replayed all that its primary wrote before now. Returns nothing
    then, else why it hasn't, or why that can't be told. Raises SiteError."""
    primary = find_standbys(estate).get(site)
    if primary is None:
        return "the charter does not name its primary: name that as a site"
    with estate.database(primary).connect(read_only=True) as connection:
        until = written_until(connection)
    with estate.database(site).connect(read_only=True) as connection:
        return not_replayed(connection, until, patience_s=_PATIENCE_S)
