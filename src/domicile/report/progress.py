"""How far each shard came, and in which state each item is. Pure.

An item away from home is in its furthest state only: what was erased no longer counts as
verified, what was verified no longer as copied. What nothing is known of yet stays *found*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from domicile.erase import ShardErased
from domicile.move import ObjectShard, RowShard, ShardVerified
from domicile.move.entries import ShardCopied
from domicile.report.model import (
    AWAY,
    Failure,
    Holding,
    ItemState,
    Kind,
    ShardProgress,
    Snapshot,
    StateCount,
)

__all__ = ["ShardFacts", "Tally", "failures", "shard_progress", "state_counts"]

Tally = Mapping[tuple[str, str, str, str], int]
"""(site, dataset, state, reason) -> items."""

_Place = tuple[str, str, Kind]


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What the ledger and the files it names say of one shard. erased holds the last entry of
    each site. contents: its items away from home as the plan has them, while nothing later is
    known; proofs, erasures: the items of its latest verification and of its erasures."""

    shard: RowShard | ObjectShard
    copied: ShardCopied | None
    attempts: int
    verified: ShardVerified | None
    erased: tuple[ShardErased, ...]
    contents: Tally
    proofs: Tally
    erasures: Tally

    @property
    def kind(self) -> Kind:
        """Rows or objects."""
        return "rows" if isinstance(self.shard, RowShard) else "objects"

    @property
    def of_members(self) -> bool:
        """Whether its items are members' (others are projections and tables about nobody)."""
        return not isinstance(self.shard, RowShard) or self.shard.erasable


def shard_progress(facts: ShardFacts) -> ShardProgress:
    """One shard's line."""
    shard, verified = facts.shard, facts.verified
    known = {dataset for _, dataset, _, _ in (*facts.contents, *facts.proofs)}
    return ShardProgress(
        shard=shard.id,
        datasets=tuple(sorted(known)),
        kind=facts.kind,
        planned=shard.rows
        if isinstance(shard, RowShard)
        else shard.versions + shard.markers + shard.uploads,
        copied=facts.copied.items if facts.copied else None,
        attempts=facts.attempts,
        verified=verified.verified if verified else 0,
        failed=verified.failed if verified else 0,
        sites=verified.sites if verified else (),
        erased=sum(entry.erased for entry in facts.erased),
        reduced=sum(entry.reduced for entry in facts.erased),
        erase_failed=sum(entry.failed for entry in facts.erased),
        held=sum(entry.held for entry in facts.erased),
    )


def failures(shards: Iterable[ShardFacts]) -> tuple[Failure, ...]:
    """What could not be brought through, by reason, the most first."""
    sums: Counter[tuple[str, str, str, str]] = Counter()
    for facts in shards:
        for step, tally in (("verify", facts.proofs), ("erase", facts.erasures)):
            for (site, dataset, state, reason), items in tally.items():
                if state == "failed":
                    sums[site, dataset, step, reason] += items
    return tuple(
        Failure(site, dataset, "verify" if step == "verify" else "erase", items, reason)
        for (site, dataset, step, reason), items in sums.most_common()
    )


def state_counts(
    before: Snapshot,
    after: Snapshot,
    shards: Sequence[ShardFacts],
    absent: AbstractSet[str] = frozenset(),
) -> tuple[StateCount, ...]:
    """Items per site, dataset and state: found as the plan's scan saw them, moved on as the ledger
    says, and what the latest scan saw at home, found shared and could not examine. absent: sites
    where what was erased was looked for again, and not found."""
    home = after.home_sites | before.home_sites
    away = [holding for holding in before.holdings if holding.site not in home]
    counts = list(_away(_seen(away, "protected"), _seen(away, "reduced"), _reached(shards)))
    counts = [
        structs.replace(count, state="absent")
        if count.state == "erased" and count.site in absent
        else count
        for count in counts
    ]
    counts += [
        StateCount(*place, "at home", items)
        for place, items in _seen(after.holdings, "protected").items()
        if place[0] in home
    ]
    counts += [
        StateCount(*place, "shared", items)
        for place, items in _seen(after.holdings, "shared").items()
    ]
    counts += [
        StateCount(*place, "not examined", items)
        for place, items in _seen(after.holdings, "unexamined").items()
    ]
    counts += [
        StateCount(*place, "attested", items)
        for place, items in _seen(after.holdings, "attested").items()
    ]
    rank = {site.name: number for number, site in enumerate((*before.sites, *after.sites))}
    order = (*AWAY, "at home")
    return tuple(
        sorted(counts, key=lambda c: (rank.get(c.site, -1), c.dataset, order.index(c.state)))
    )


def _seen(
    holdings: Iterable[Holding],
    what: Literal["protected", "reduced", "shared", "unexamined", "attested"],
) -> dict[_Place, int]:
    sums: Counter[_Place] = Counter()
    for holding in holdings:
        items: int = abs(getattr(holding, what))
        if items:
            sums[holding.site, holding.dataset, holding.kind] += items
    return dict(sums)


def _reached(shards: Iterable[ShardFacts]) -> dict[_Place, Counter[str]]:
    sums: dict[_Place, Counter[str]] = {}
    for facts in shards:
        if not facts.of_members:
            continue
        for tally, step in (
            (facts.contents if facts.copied else {}, ""),
            (facts.proofs, ""),
            (facts.erasures, "erase "),
        ):
            for (site, dataset, state, _), items in tally.items():
                place = (site, dataset, facts.kind)
                sums.setdefault(place, Counter())[step + state] += items
    return sums


def _away(
    found: Mapping[_Place, int],
    public: Mapping[_Place, int],
    reached: Mapping[_Place, Counter[str]],
) -> Iterator[StateCount]:
    """found, public: what the plan's scan saw protected, and reduced already. What no step reached
    is still what it was."""
    for place in dict.fromkeys((*found, *public, *reached)):
        sums = reached.get(place, Counter())
        erased, reduced = sums["erase erased"], sums["erase reduced"]
        stuck, held = sums["erase failed"], sums["erase held"]
        moved: dict[ItemState, int] = {
            "copied": sums["copied"],
            "verified": max(sums["verified"] - erased - reduced - held - stuck, 0),
            "erased": erased,
            "reduced": reduced,
            "held": held,
            "failed": sums["failed"] + stuck,
        }
        total = found.get(place, 0) + public.get(place, 0)
        rest = max(total - sum(moved.values()) - sums["gone"], 0)
        untouched = min(rest, public.get(place, 0))
        moved["reduced"] += untouched
        for state, items in {"found": rest - untouched, **moved}.items():
            if items:
                yield StateCount(*place, state, items)
