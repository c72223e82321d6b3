"""The clock that entries take their time from: what the kernel says of it, and where it went back.

A clock that is wrong makes no entry impossible: the order of the ledger is the order of its
entries, and their times are what this machine believed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from threading import Lock

from domicile.ledger.entries import Body, ClockSource, Entry, EntryTime, entry_kind, time_text

__all__ = ["Clock", "ClockWentBack", "system_clock"]

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5
_ROOM_BYTES = 1024  # struct timex has 208 on Linux; its size may grow


@entry_kind("clock.went-back", version=1)
class ClockWentBack(Body, frozen=True):
    """The writer's clock shows an earlier time than it did: than in an entry of this process, or in
    the last one of the ledger when this process opened it. before: the latest time shown so far;
    after: the one shown then, which is this entry's too."""

    before: EntryTime
    after: EntryTime


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex`` (adjtimex(2)), as far as it is read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_char * _ROOM_BYTES),
    )


def system_clock() -> ClockSource:
    """The system's clock, and whether the kernel takes it for synchronised. Reads only; needs no
    privileges. Where the kernel can't be asked (other systems than Linux, a sandbox): ``system``.
    """
    ask = _adjtimex()
    if ask is None:
        return "system"
    state = _Timex()
    answer = ask(ctypes.byref(state))
    if answer < 0:
        return "system"
    unsure = answer == _TIME_ERROR or state.status & _STA_UNSYNC
    return "system, unsynchronised" if unsure else "system, synchronised"


class Clock:
    """Stamps entries, and notices where the time goes back. Usable from several threads.

    latest: the time of the last entry that is in the ledger already.
    """

    def __init__(
        self,
        latest: datetime | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        source: Callable[[], ClockSource] = system_clock,
    ) -> None:
        self._latest, self._now, self._source = latest, now, source
        self._turn = Lock()

    def stamp(self, bodies: Sequence[Body], charter: str, policy: str | None = None) -> list[Entry]:
        """Entries of now. Where the clock went back, one that says so comes before them.

        charter, policy: SHA-256 (hex) of the texts in force.
        """
        with self._turn:
            source = self._source()
            entries = [Entry(body, self._now(), charter, source, policy) for body in bodies]
            if entries and self._latest is not None and entries[0].time < self._latest:
                first = entries[0].time
                said = ClockWentBack(before=time_text(self._latest), after=time_text(first))
                entries.insert(0, Entry(said, first, charter, source, policy))
            if entries:
                self._latest = entries[-1].time
        return entries


@cache
def _adjtimex() -> Callable[..., int] | None:
    """The C library's call with ``modes`` 0, which changes nothing."""
    try:
        function = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = [ctypes.POINTER(_Timex)], ctypes.c_int
    return function
