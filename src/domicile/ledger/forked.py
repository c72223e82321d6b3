"""What a forked child must not keep open: where its parent dies, those at the other end of a
connection wait for an end that the child holds off."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["abandon_in_children"]


class _Holder(Protocol):
    def abandon(self) -> None:
        """Close this process' descriptors, and tell nobody."""
        ...


_holders: WeakSet[_Holder] = WeakSet()


def abandon_in_children(holder: _Holder) -> None:
    """Have every child that this process forks from here on abandon what this one holds."""
    _holders.add(holder)


def _abandon() -> None:
    for holder in list(_holders):
        holder.abandon()
    _holders.clear()


os.register_at_fork(after_in_child=_abandon)
