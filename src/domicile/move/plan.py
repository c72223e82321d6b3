"""The plan: what would move and be erased, from where to where, and what stands in the way. Pure.

It is written down before anything moves, its digest is in the ledger, and move, verify and erase
do what it says and nothing else.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from domicile.charter import Route
from domicile.ledger import FileDigest

__all__ = [
    "Effect",
    "HeldVersions",
    "ObjectShard",
    "Plan",
    "RowShard",
    "SequencePlan",
    "Standby",
    "TablePlan",
]


class RowShard(msgspec.Struct, frozen=True):
    """Rows that are copied, verified and erased together.

    kind: ``members`` (members' protected rows with lo < key <= hi; an open end is None), ``bare``
    (members' rows with nothing protected in them; their keys are in the shard's file), ``shared``
    (members' rows that are others' too and stay where they are; by keys), ``projection`` (other
    people's rows that home needs, and shared ones with nothing protected in them, as their public
    projection; by keys too) or ``whole`` (a public table about nobody). Keys are text, in the order
    of the primary key. source: the primary database whose rows they are.
    """

    id: str
    kind: Literal["members", "bare", "shared", "projection", "whole"]
    schema: str
    table: str
    rows: int
    lo: tuple[str, ...] | None = None
    hi: tuple[str, ...] | None = None
    source: str = ""

    @property
    def by_keys(self) -> bool:
        """Whether the shard's file holds its keys."""
        return self.kind in {"bare", "shared", "projection"}

    @property
    def erasable(self) -> bool:
        """Whether its rows are members' alone, to be erased away from home."""
        return self.kind in {"members", "bare"}


class ObjectShard(msgspec.Struct, frozen=True):
    """Keys with all their versions, markers and uploads on every site; listed in the shard's
    file. bytes counts the versions away from home; items_at, in the order of sites, what each of
    them holds."""

    id: str
    keys: int
    versions: int
    markers: int
    uploads: int
    bytes: int
    sites: tuple[str, ...]
    items_at: tuple[int, ...] = ()

    def items(self, site: str) -> int:
        """Versions, markers and uploads at one site."""
        return dict(zip(self.sites, self.items_at, strict=False)).get(site, 0)


class TablePlan(msgspec.Struct, frozen=True):
    """One table of one site, in rows: deleted there, reduced to their public projection, or (at
    home) received as others' public projections. removed: the columns that a projection drops.
    shared: rows that stay as they are, because they are others' too."""

    site: str
    table: str
    copied: int
    projected: int
    deleted: int
    reduced: int
    removed: tuple[str, ...]
    shared: int = 0


class Effect(msgspec.Struct, frozen=True):
    """Something that the database does by itself when rows are deleted or changed."""

    site: str
    kind: Literal[
        "cascade",
        "set null",
        "set default",
        "trigger",
        "event trigger",
        "large objects",
        "unindexed",
    ]
    what: str


class SequencePlan(msgspec.Struct, frozen=True):
    """Where a sequence goes on at home, disjoint from what the source gives out until it has
    reached that value itself. home: the database there."""

    schema: str
    name: str
    source_value: int
    home_value: int
    home: str


class HeldVersions(msgspec.Struct, frozen=True):
    """Members' versions that are under retention or legal hold away from home, as the plan saw
    them: they come home, and erase leaves them. until: from when on all of them can be erased
    (RFC 3339, UTC); empty where nobody can say."""

    site: str
    versions: int
    reason: str
    until: str


class Standby(msgspec.Struct, frozen=True):
    """A site that is a physical standby of another: what is erased there goes from here with it."""

    site: str
    primary: str


class Plan(msgspec.Struct, frozen=True):
    """Everything that move, verify and erase will do. blockers must be empty before move. routes:
    each database's way home; databases: those that rows are erased at; standbys of these follow
    them."""

    run: str
    boundary: str
    charter_sha256: str
    made: str
    routes: tuple[Route, ...]
    home_objects: str | None
    databases: tuple[str, ...]
    stores: tuple[str, ...]
    rows: tuple[RowShard, ...]
    objects: tuple[ObjectShard, ...]
    tables: tuple[TablePlan, ...]
    effects: tuple[Effect, ...]
    sequences: tuple[SequencePlan, ...]
    held: tuple[HeldVersions, ...]
    blockers: tuple[str, ...]
    warnings: tuple[str, ...]
    unexamined: int
    files: tuple[FileDigest, ...]
    standbys: tuple[Standby, ...] = ()

    @property
    def erased_at(self) -> tuple[str, ...]:
        """Every site away from home where something is erased, standbys after their primaries."""
        return (*self.stores, *self.databases, *(standby.site for standby in self.standbys))

    def primary_of(self, site: str) -> str | None:
        """The primary's site of a standby; None for any other site."""
        return next((each.primary for each in self.standbys if each.site == site), None)

    @property
    def rows_to_copy(self) -> int:
        """Rows that home receives."""
        return sum(shard.rows for shard in self.rows)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to bring home and nothing to erase."""
        rows = any(shard.erasable for shard in self.rows) or self.shared_rows
        return not rows and not self.objects

    @property
    def shared_rows(self) -> int:
        """Rows that stay where they are, because they are others' too."""
        return sum(table.shared for table in self.tables)

    def route_of(self, shard: RowShard) -> Route:
        """The route of a shard's rows."""
        return next(route for route in self.routes if route.source == shard.source)

    def home_of(self, shard: RowShard) -> str:
        """The database that takes a shard's rows."""
        return str(self.route_of(shard).home)

    def rows_at(self, site: str) -> list[RowShard]:
        """The shards whose rows a database away from home may hold."""
        return [shard for shard in self.rows if site in self.route_of(shard).outside]

    def row_shard(self, shard: str) -> RowShard | None:
        """The row shard of this id, if it is one."""
        return next((rows for rows in self.rows if rows.id == shard), None)
