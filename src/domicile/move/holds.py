"""Which of the members' versions away from home are held, where a store has holds at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from domicile.inventory import Estate, Run, read_batches
from domicile.ledger.entries import time_text
from domicile.move.plan import HeldVersions
from domicile.sites.objects import ObjectSite, VersionRef

__all__ = ["held_versions"]

_AT_ONCE = 1000


def held_versions(estate: Estate, run: Run) -> Iterator[HeldVersions]:
    """What is held at each store away from home, by reason. Asks for each version, in stores with
    holds alone."""
    for site in estate.outside(estate.object_names):
        store = estate.objects(site)
        if store.capabilities().holds:
            yield from _held_at(store, run)


def _held_at(store: ObjectSite, run: Run) -> Iterator[HeldVersions]:
    ends: defaultdict[str, list[datetime | None]] = defaultdict(list)
    refs = _versions(run, store.name)
    while some := list(islice(refs, _AT_ONCE)):
        for hold in store.holds(some).values():
            ends[hold.reason].append(hold.until)
    for reason, found in sorted(ends.items()):
        until = "" if None in found else time_text(max(filter(None, found)))
        yield HeldVersions(store.name, len(found), reason, until)


def _versions(run: Run, site: str) -> Iterator[VersionRef]:
    for row in read_batches(run.found(site), ["kind", "key", "version_id", "state"]):
        if row["kind"] == "version" and row["state"] == "member":
            yield VersionRef(str(row["key"]), str(row["version_id"]))
