"""In which order a key's versions come home, and when home already has them. Pure.

Rules:
1. A key's versions come home oldest first: copies' own versions, then the primary's, so that what
   is current at the primary is current at home.
2. A copy's version that has a twin (same size and ETag) at the primary is not brought twice. The
   twin is a guess that saves a transfer; verification proves it, or the version is brought after
   all.
3. Delete markers of the primary come home in their place. What only copies hold comes home under
   a delete marker: kept, not resurrected. Where home has the key as current, that is put
   on top again instead (see `objects`): a backup that is erased later than the primary hides
   nothing at home.
4. Where home already has versions of the key, they must be a beginning of what is to come, or
   contain all of it and end as it does. Below that may lie what earlier runs proved to be copies:
   the source went on since. Anything else is a conflict that is not resolved here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Item", "Step", "continue_from", "steps_home"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """A version or marker of one key on one site."""

    site: str
    key: str
    version_id: str
    is_marker: bool
    is_latest: bool
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Step:
    """Write this version home, or (None) put a delete marker there."""

    item: Item | None


def steps_home(sites: Sequence[Sequence[Item]], *, primary: int) -> tuple[list[Step], list[Item]]:
    """The steps for one key, and the twins that are left to verification. ``sites`` holds each
    site's items, newest first, in the order of rule 1; ``primary`` is the index of the primary's,
    or -1 where it has none of the key."""
    steps: list[Step] = []
    twins: list[Item] = []
    main = sites[primary] if primary >= 0 else ()
    seen = {(item.size_bytes, item.etag) for item in main if not item.is_marker}
    for number, items in enumerate(sites):
        for item in () if number == primary else reversed(items):
            if item.is_marker:
                continue
            if (item.size_bytes, item.etag) in seen:
                twins.append(item)
                continue
            seen.add((item.size_bytes, item.etag))
            steps.append(Step(item))
    steps += [Step(None if item.is_marker else item) for item in reversed(main)]
    if primary < 0 and steps:
        steps.append(Step(None))
    return steps, twins


def continue_from(coming: Sequence[T], stored: Sequence[T], *, known: int = 0) -> int | None:
    """How many of the coming contents home holds already (both oldest first), or None where home
    holds something else: a conflict. known: how many of those stored, from the oldest on, earlier
    runs brought."""
    for below in range(known + 1):
        above = list(stored[below:])
        if len(above) <= len(coming) and list(coming[: len(above)]) == above:
            return len(above)
        if below == 0 and _contains(stored, coming):
            return len(coming)
    return None


def _contains(stored: Sequence[T], coming: Sequence[T]) -> bool:
    """Whether all that comes is in what is stored, in its order, and the same is current. A content
    that comes back after another was current (put again, or undeleted) is not there yet."""
    rest = iter(stored)
    within = all(any(one == other for other in rest) for one in coming)
    return within and (not coming or stored[-1] == coming[-1])
