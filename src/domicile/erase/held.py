"""What a retention or a legal hold kept from being erased, summed up. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

import msgspec

from domicile.ledger.entries import time_text

__all__ = ["HeldItems", "held_items", "last_end"]


class HeldItems(msgspec.Struct, frozen=True):
    """Items of one dataset that are still at a site, and readable there, for one reason. until:
    from when on all of them can be erased (RFC 3339, UTC); empty where nobody can say."""

    site: str
    dataset: str
    items: int
    reason: str
    until: str


def held_items(site: str, rows: Iterable[Mapping[str, object]]) -> tuple[HeldItems, ...]:
    """What the results of erased shards at a site say is held."""
    ends: defaultdict[tuple[str, str], list[datetime | None]] = defaultdict(list)
    for row in rows:
        if row["state"] == "held":
            end = cast("datetime | None", row["held_until"])
            ends[str(row["dataset"]), str(row["reason"])].append(end)
    return tuple(
        HeldItems(site, dataset, len(found), reason, last_end(found))
        for (dataset, reason), found in sorted(ends.items())
    )


def last_end(ends: Iterable[datetime | None]) -> str:
    """When the last of these retentions ends, as entries spell times; empty where one of them has
    no end, or there is none."""
    known = list(ends)
    return "" if not known or None in known else time_text(max(filter(None, known)))
