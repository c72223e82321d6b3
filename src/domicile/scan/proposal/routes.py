"""Which databases are copies of which, and which home database takes whose rows, as far as that
shows. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from domicile.scan.proposal.model import Line
from domicile.scan.proposal.sites import NamedSite, said, slug
from domicile.sites.postgres import TableName

__all__ = ["Likeness", "is_alike", "route_lines"]

_COPY = re.compile(r"(?:^|[-_])(?:backups?|bak|archive|replica|standby|mirror|copy|dr)(?:$|[-_])")


@dataclass(frozen=True, slots=True)
class Likeness:
    """What databases showed. standbys: those whose server says that they are copies; alike: by
    database, the ones looked at before it that have its tables."""

    standbys: frozenset[str] = frozenset()
    alike: Mapping[str, Sequence[str]] = field(default_factory=dict)


def is_alike(tables: Collection[TableName], others: Collection[TableName]) -> bool:
    """Whether two databases are one's copy: most tables of one are the other's, or one has none."""
    shared, fewer = set(tables) & set(others), min(len(tables), len(others))
    return not fewer or 2 * len(shared) > fewer


def route_lines(
    sites: Sequence[NamedSite], home: Collection[str], seen: Likeness
) -> dict[str, tuple[Line, ...]]:
    """The lines ``role``, ``home`` and ``of`` that sites lack. home: names of home's sites."""
    away = [site for site in sites if site.name not in home]
    roles = _roles(away, seen)
    databases = [site for site in away if site.is_database]
    copies = [site for site in databases if _role(site, roles) != "primary"]
    primaries = [site for site in databases if site not in copies]
    homes = [site for site in sites if site.name in home and site.is_database]
    lines = {name: [line] for name, line in roles.items()}
    if len(primaries) > 1 or len(homes) > 1:
        for site in primaries if homes else ():
            lines.setdefault(site.name, []).append(_home(site, homes, primaries))
        for site in copies:
            lines.setdefault(site.name, []).append(_of(site, primaries, seen))
    keys = {site.name: site.keys for site in away}
    return {n: tuple(ln for ln in own if ln.key not in keys[n]) for n, own in lines.items()}


def _roles(away: Sequence[NamedSite], seen: Likeness) -> dict[str, Line]:
    """What is called a backup is one; a database that is like one before it is its copy."""
    roles: dict[str, Line] = {}
    for site in away:
        originals = [n for n in seen.alike.get(site.name, ()) if n not in roles]
        if "role" in site.keys:
            continue
        if site.name in seen.standbys:
            why = "the server says that it is a standby"
            roles[site.name] = Line("role", "replica", why)
        elif _COPY.search(f"{site.name}-{slug(site.keys['url'])}"):
            roles[site.name] = Line("role", "backup", "its name says so")
        elif originals:
            why = f"it has the tables of {originals[0]}: correct it if it is another primary"
            roles[site.name] = Line("role", "replica", why)
    return roles


def _role(site: NamedSite, roles: Mapping[str, Line]) -> str:
    return site.keys.get("role") or (
        str(roles[site.name].value) if site.name in roles else "primary"
    )


def _home(site: NamedSite, homes: Sequence[NamedSite], primaries: Sequence[NamedSite]) -> Line:
    """The home database of the same name, where no other primary has that name too."""
    taken = {other.keys.get("home") for other in primaries}
    free = [home for home in homes if home.name not in taken]
    for alike in (_same_database, _names_it):
        fits = [home for home in free if alike(site, home)]
        if len(fits) == 1 and sum(alike(other, fits[0]) for other in primaries) == 1:
            return Line("home", fits[0].name, "by its name: the home database that takes its rows")
    return Line("home", "", "", "the home database that takes its rows")


def _same_database(site: NamedSite, home: NamedSite) -> bool:
    return said(site.keys["url"]) == said(home.keys["url"])


def _names_it(site: NamedSite, home: NamedSite) -> bool:
    one, other = (set(re.split(r"[-_]", each.name)) for each in (site, home))
    return bool(one & other - {"db", "database", "us", "home"})


def _of(site: NamedSite, primaries: Sequence[NamedSite], seen: Likeness) -> Line:
    likes = seen.alike.get(site.name, ())
    fits = [p for p in primaries if p.name in likes or site.name in seen.alike.get(p.name, ())]
    if len(fits) == 1:
        return Line("of", fits[0].name, "it has its tables")
    return Line("of", "", "", "the primary database that it is a copy of")
