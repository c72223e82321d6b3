"""What may be erased at a site, by what the ledger has. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from domicile.charter import CountryWay, People
from domicile.erase.entries import ShardErased
from domicile.inventory import RunEntries
from domicile.move import ObjectShard, Plan, RowShard, latest_verified
from domicile.sites.postgres import TableName

__all__ = ["Erasable", "erasable", "erased_shards"]


@dataclass(frozen=True, slots=True)
class Erasable:
    """What may be erased at a site: shards proven there and not erased yet; shards that are not
    proven stay. items: rows, versions, markers and uploads."""

    site: str
    shards: tuple[str, ...]
    unproven: tuple[str, ...]
    items: int


def erasable(plan: Plan, entries: RunEntries, site: str, people: People) -> Erasable:
    """What the ledger allows to be erased at a site, and what it does not (yet). Pure.

    Where persons' countries stand in another table than ``people``'s, its rows stay until every
    person's row is proven at home: from then on home says where they belong."""
    verified = latest_verified(entries)
    apart = _countries_apart(people) if _has_people(plan, site, people) else None
    erased = {
        (body.shard, body.verified_sha256)
        for body in entries.of(ShardErased)
        if body.site == site and not (body.failed or body.held)
    }
    shards: list[str] = []
    unproven: list[str] = []
    items = 0
    shown = erased_shards(plan, site)
    doubted = {
        _table(shard)
        for shard in shown
        if (proof := verified.get(shard.id)) is None or proof.failed
    }
    for shard in shown:
        proof = verified.get(shard.id)
        if _table(shard) == apart and TableName.parse(people.table) in doubted:
            unproven.append(shard.id)
            continue
        if proof is None or site not in (*proof.sites, *proof.partly):
            if proof is None or proof.failed:
                unproven.append(shard.id)
            continue
        if proof.failed and site in proof.partly:
            unproven.append(shard.id)
        if (shard.id, proof.files[0].sha256) not in erased:
            shards.append(shard.id)
            items += shard.rows if isinstance(shard, RowShard) else shard.items(site)
    return Erasable(site, tuple(shards), tuple(unproven), items)


def erased_shards(plan: Plan, site: str) -> list[RowShard | ObjectShard]:
    """The shards of which something is to be erased at a site."""
    if site in plan.databases:
        return [shard for shard in plan.rows_at(site) if shard.erasable]
    return [shard for shard in plan.objects if site in shard.sites]


def _has_people(plan: Plan, site: str, people: People) -> bool:
    """Whether a site may have ``people``'s table, and not another one of its name."""
    return any(site in route.sites and route.is_meant(people.databases) for route in plan.routes)


def _countries_apart(people: People) -> TableName | None:
    """The table that holds persons' countries, if it isn't the people table."""
    way = CountryWay.parse(people.country).way
    there = TableName.parse(way.table) if way else None
    return None if there == TableName.parse(people.table) else there


def _table(shard: RowShard | ObjectShard) -> TableName | None:
    return TableName(shard.schema, shard.table) if isinstance(shard, RowShard) else None
