"""The routes of rows: each primary database with its copies and the database at home that takes
its rows. Pure.

1. A primary outside home says with ``home`` which home database takes its rows; where there is one
   of each, it is that one. A home database takes one primary's rows.
2. A replica or backup says with ``of`` whose copy it is; where there is one route, it is its.
3. A dataset of a table is about every database that has the table, or those that ``databases``
   names, each with its copies and its home.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter, PostgresSiteConfig
from domicile.charter.problems import Problem

__all__ = ["Route", "databases_problems", "narrowed", "route_problems", "routes_of"]


@dataclass(frozen=True, slots=True)
class Route:
    """The way home of one database's rows. source: the primary outside home; home: the database at
    home that takes them; copies: the source's replicas and backups. Either end may be missing."""

    source: str | None
    home: str | None
    copies: tuple[str, ...] = ()

    @property
    def ends(self) -> frozenset[str]:
        """The primaries at its two ends: what ``databases`` and ``of`` may name it by."""
        return frozenset(name for name in (self.source, self.home) if name is not None)

    @property
    def outside(self) -> frozenset[str]:
        """Its databases away from home."""
        return frozenset((*self.copies, *((self.source,) if self.source else ())))

    @property
    def sites(self) -> frozenset[str]:
        """All its databases."""
        return self.ends | self.outside

    def is_meant(self, databases: Collection[str]) -> bool:
        """Whether ``databases`` of a dataset names it, or nothing."""
        return not databases or not self.ends.isdisjoint(databases)


def routes_of(charter: Charter) -> tuple[Route, ...]:
    """Every database of a charter in exactly one route, the routes with a source first. What the
    rules refuse is passed over."""
    homes, sources, copies = _databases(charter)
    pairs: list[tuple[str | None, str | None]] = [
        (name, _home_of(charter, name, sources, homes)) for name in sources
    ]
    taken = {home for _, home in pairs}
    pairs += [(None, name) for name in homes if name not in taken]
    if not pairs:
        return (Route(None, None, tuple(copies)),) if copies else ()
    return tuple(
        Route(
            source,
            home,
            tuple(
                name
                for name in copies
                if (_of(charter, name) in (source, home) if _of(charter, name) else not at)
            ),
        )
        for at, (source, home) in enumerate(pairs)
    )


def narrowed(charter: Charter, route: Route) -> Charter:
    """The charter as far as it is about one route's databases."""
    tables = {name: t for name, t in charter.tables.items() if route.is_meant(t.databases)}
    return charter.model_copy(update={"tables": tables})


def _databases(charter: Charter) -> tuple[list[str], list[str], list[str]]:
    """Databases at home; primaries outside; copies."""
    at_home = {name for boundary in charter.boundaries.values() for name in boundary.home}
    homes: list[str] = []
    sources: list[str] = []
    copies: list[str] = []
    for name, site in charter.sites.items():
        if site.kind == "postgres":
            outside = sources if site.role == "primary" else copies
            (homes if name in at_home else outside).append(name)
    return homes, sources, copies


def _home_of(charter: Charter, name: str, sources: list[str], homes: list[str]) -> str | None:
    site = charter.sites[name]
    if isinstance(site, PostgresSiteConfig) and site.home is not None:
        return site.home if site.home in homes else None
    return homes[0] if len(sources) == len(homes) == 1 else None


def _of(charter: Charter, name: str) -> str | None:
    site = charter.sites[name]
    return site.of if isinstance(site, PostgresSiteConfig) else None


def route_problems(charter: Charter) -> Iterator[Problem]:
    """Databases of which it isn't clear where their rows go, or whose copies they are."""
    homes, sources, copies = _databases(charter)
    taken: dict[str, str] = {}
    for name in sources:
        yield from _source_problems(charter, name, homes, sources, taken)
    for name in (*homes, *copies):
        site = charter.sites[name]
        if isinstance(site, PostgresSiteConfig) and site.home is not None:
            what = "a home site" if name in homes else f"a {site.role}"
            yield Problem(
                ("sites", name, "home"),
                f"is for primaries outside home, and this is {what}",
                "rows that come home from here",
                "remove it" if name in homes else "write `of`, whose copy it is, instead",
            )
    for name in (*homes, *sources):
        if _of(charter, name) is not None:
            yield Problem(
                ("sites", name, "of"),
                "is for copies, and this is a primary",
                'role = "replica" or role = "backup"',
                "remove it, or correct the role",
            )
    yield from _copy_problems(charter, copies, [*sources, *homes])


def _source_problems(
    charter: Charter, name: str, homes: list[str], sources: list[str], taken: dict[str, str]
) -> Iterator[Problem]:
    site = charter.sites[name]
    said = site.home if isinstance(site, PostgresSiteConfig) else None
    path: KeyPath = ("sites", name, "home")
    if said is None:
        if homes and not len(homes) == len(sources) == 1:
            yield Problem(
                path,
                f"is missing: {len(sources)} primary databases outside home, {len(homes)} at home",
                f"one of {', '.join(homes)}, another for each primary database",
                "name the home database that takes its rows; if it has none yet, add one to home",
            )
    elif said not in homes:
        yield Problem(
            path,
            f"there is no database {said} at home",
            f"one of {', '.join(homes) or 'none yet'}",
            "name a database of the boundary's `home`, or add it there",
        )
    elif (first := taken.setdefault(said, name)) != name:
        yield Problem(
            path,
            f"takes the rows of sites.{first} already",
            "a home database for each primary database",
            "name another one, or add one to home",
        )


def _copy_problems(charter: Charter, copies: list[str], primaries: list[str]) -> Iterator[Problem]:
    for name in copies:
        said = _of(charter, name)
        expected = f"one of {', '.join(primaries) or 'none yet'}"
        if said is None and len(routes_of(charter)) > 1:
            yield Problem(
                ("sites", name, "of"),
                "is missing: it could be a copy of several databases",
                expected,
                "name the database that this one is a copy of",
            )
        elif said is not None and said not in primaries:
            yield Problem(
                ("sites", name, "of"),
                f"there is no primary database {said}",
                expected,
                "name the database that this one is a copy of",
            )


def databases_problems(charter: Charter) -> Iterator[Problem]:
    """``databases`` that names what is no primary database."""
    homes, sources, _ = _databases(charter)
    named: list[tuple[KeyPath, tuple[str, ...]]] = [
        (("people", "databases"), charter.people.databases)
    ]
    named += [(("tables", n, "databases"), t.databases) for n, t in charter.tables.items()]
    named += [(("objects", n, "databases"), o.databases) for n, o in charter.objects.items()]
    for path, names in named:
        for name in names:
            if name not in (*homes, *sources):
                yield Problem(
                    path,
                    f"there is no primary database {name}",
                    f"of {', '.join((*sources, *homes))}",
                    "name primary databases: their copies and their home follow them",
                )
    for name, dataset in charter.objects.items():
        if dataset.databases and dataset.key_column is None:
            yield Problem(
                ("objects", name, "databases"),
                "is for a key_column",
                "the databases whose column holds the keys",
                "remove it",
            )
