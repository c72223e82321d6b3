"""Requests to destroy persons' keys, as far as the ledger says. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domicile.custody.entries import ShredCancelled, ShredCondemned, ShredDone, ShredRequested
from domicile.ledger import Entry
from domicile.report.model import ShredView

__all__ = ["shred_views"]


def shred_views(entries: Iterable[Entry]) -> tuple[ShredView, ...]:
    """Each request's latest state, in the order in which they were asked for."""
    views = dict[str, ShredView]()
    for entry in entries:
        time = entry.time.isoformat(timespec="seconds")
        match entry.body:
            case ShredRequested(request=request, persons=persons, until=until):
                views[request] = ShredView(request, persons, "requested", time, until, "")
            case ShredCancelled(request=request) if request in views:
                views[request] = _now(views[request], "cancelled", time)
            case ShredCondemned(request=request) if request in views:
                views[request] = _now(views[request], "pending", time)
            case ShredDone(request=request, files=files) if request in views:
                done = _now(views[request], "destroyed", time)
                path = files[0].path if files else ""
                views[request] = msgspec.structs.replace(done, certificate=path)
    return tuple(views.values())


def _now(view: ShredView, state: str, since: str) -> ShredView:
    return msgspec.structs.replace(view, state=state, since=since)
