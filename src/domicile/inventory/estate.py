"""The charter's sites, opened; and which of them is home, which the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from domicile.charter import (
    Boundary,
    Charter,
    KeysConfig,
    LoadedCharter,
    ObjectSiteConfig,
    PostgresSiteConfig,
    Route,
    narrowed,
    routes_of,
)
from domicile.custody.entries import Reason
from domicile.errors import PlanError
from domicile.ledger import Body
from domicile.sites.objects import ObjectSite, open_object_site
from domicile.sites.postgres import Database, PostgresSite, TableName, open_postgres_site

if TYPE_CHECKING:
    from domicile.custody.approval import Approver
    from domicile.custody.keyring import Keyring
    from domicile.custody.root import RootKey
    from domicile.state import State

__all__ = ["Estate", "Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to find everything else. The charter must still be the one that the
    command began with, and is judged by the day it began on. keys: the versions of the boundary's
    key that the ledger says are opened for it; none where nothing is sealed."""

    charter: str
    charter_sha256: str
    run: str
    today: date
    keys: tuple[int, ...] = ()


class Estate:
    """The one boundary of a charter with its sites. Sites are opened when first asked for."""

    def __init__(self, loaded: LoadedCharter, environ: Mapping[str, str]) -> None:
        self.loaded = loaded
        self.charter: Charter = loaded.charter
        self.base = loaded.path.resolve().parent
        self.records = self.base / self.charter.records.directory
        self.boundary_name, self.boundary = self._boundary()
        self._environ = environ
        self._databases: dict[str, PostgresSite] = {}
        self._stores: dict[str, ObjectSite] = {}
        self.approver: Approver | None = None
        """Who must agree to operations on the root of the boundary's keys, if anybody must."""

    def _boundary(self) -> tuple[str, Boundary]:
        ((name, boundary),) = self.charter.boundaries.items()
        return name, boundary

    def job(self, run: str) -> Job:
        """What workers are handed for a run."""
        return Job(
            str(self.loaded.path.resolve()), self.loaded.sha256, run, datetime.now(UTC).date()
        )

    @property
    def postgres_names(self) -> list[str]:
        """Every database site: sources first, home last."""
        return self._ordered(PostgresSiteConfig)

    @property
    def object_names(self) -> list[str]:
        """Every object site: copies first, then the primary, home last: the order in which a
        key's versions are brought home, so that the primary's current version stays current."""
        return self._ordered(ObjectSiteConfig)

    def _ordered(self, kind: type) -> list[str]:
        rank = {"backup": 0, "replica": 1, "primary": 2}
        names = [name for name, site in self.charter.sites.items() if isinstance(site, kind)]
        return sorted(
            names, key=lambda name: (self.is_home(name), rank[self.charter.sites[name].role], name)
        )

    def is_home(self, site: str) -> bool:
        """Whether a site is home."""
        return site in self.boundary.home

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The routes of rows; each database is in one."""
        return routes_of(self.charter)

    def route_at(self, site: str) -> Route:
        """The route that a database is in."""
        return next(route for route in self.routes if site in route.sites)

    def charter_at(self, site: str) -> Charter:
        """The charter as far as it is about a database."""
        return narrowed(self.charter, self.route_at(site))

    def holds_people(self, site: str, database: Database) -> bool:
        """Whether a database has the people table, and not another one of its name."""
        people = self.charter.people
        meant = self.route_at(site).is_meant(people.databases)
        return meant and TableName.parse(people.table) in database.tables

    @property
    def home_objects(self) -> str | None:
        """The object store that is home, if the charter has one."""
        return next(filter(self.is_home, self.object_names), None)

    @property
    def replicas(self) -> frozenset[str]:
        """The database sites that are copies of another."""
        sites = self.charter.sites
        return frozenset(name for name in self.postgres_names if sites[name].role != "primary")

    @property
    def seals(self) -> bool:
        """Whether protected objects lie sealed at home."""
        return self.boundary.keys is not None

    def keyring(self, state: State, record: Callable[[Body], None]) -> Keyring:
        """The boundary's keys. record appends to the ledger. Raises PlanError where the charter
        names no root for them, and as `open_root`."""
        # Here, since it takes long to import, and most commands open nothing.
        from domicile.custody.keyring import Keyring  # noqa: PLC0415 - see above
        from domicile.custody.opening import open_root  # noqa: PLC0415 - see above

        root = open_root(self._keys, self.base, self._environ)
        return Keyring(state, root, self.boundary_name, record, self.approver)

    def create_root(self) -> RootKey:
        """Make the root of the boundary's keys. Raises like `keyring`, and UsageError where there
        is one, or its keeper makes none for us."""
        from domicile.custody.opening import create_root  # noqa: PLC0415 - as in `keyring`

        return create_root(self._keys, self.base, self._environ)

    @property
    def _keys(self) -> KeysConfig:
        if self.boundary.keys is None:
            raise PlanError(
                f"boundary {self.boundary_name} has no keys",
                expected="the root of its keys",
                next_step=f"write [boundaries.{self.boundary_name}.keys], see docs/charter.md",
            )
        return self.boundary.keys

    def authorise_keys(self, reason: Reason, record: Callable[[Body], None]) -> tuple[int, ...]:
        """Have it in the ledger that the boundary's keys are opened, by this command and its
        workers. Their versions, for a `Job`."""
        from domicile.state import State  # noqa: PLC0415 - as in `keyring`

        with closing(State.beside(self.records)) as state:
            return self.keyring(state, record).authorise(reason)

    def outside(self, names: list[str]) -> list[str]:
        """Those sites that are not home."""
        return [name for name in names if not self.is_home(name)]

    def database(self, name: str) -> PostgresSite:
        """A database site."""
        if name not in self._databases:
            config = self.charter.sites[name]
            if not isinstance(config, PostgresSiteConfig):
                raise _wrong_kind(name, "a database")
            self._databases[name] = open_postgres_site(name, config, self.base, self._environ)
        return self._databases[name]

    def objects(self, name: str) -> ObjectSite:
        """An object site."""
        if name not in self._stores:
            config = self.charter.sites[name]
            if not isinstance(config, ObjectSiteConfig):
                raise _wrong_kind(name, "an object store")
            self._stores[name] = open_object_site(name, config, self.base, self._environ)
        return self._stores[name]

    def check(self, *, write: bool) -> None:
        """Reach every site before anything is touched; with ``write``, also prove that we may,
        but where a copy away from home is a standby."""
        for name in self.postgres_names:
            copy = not self.is_home(name) and name in self.replicas
            standby = write and copy and self.database(name).is_standby()
            self.database(name).check(write=write and not standby)
        for name in self.object_names:
            self.objects(name).check(write=write)

    def close(self) -> None:
        """Release what was opened."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        self._databases.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _wrong_kind(name: str, kind: str) -> PlanError:
    return PlanError(f"site {name} is not {kind}", expected=kind, next_step="correct the charter")
