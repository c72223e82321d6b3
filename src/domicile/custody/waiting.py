"""How long a request has waited, by clocks that nobody can set forward. Pure, but for `look_now`.

Time counts from one look to the next:

- Within one boot of the machine by the kernel's count of seconds since then, which can't be set.
- Across a boot by the clock on the wall, where the kernel took it for synchronised at both looks
  (setting it ends that); else only the seconds since the boot are sure, and they alone count.

So a clock that is wrong makes the wait longer and never shorter. Whoever is root of the machine can
do what they like here, as with the records altogether.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from domicile.ledger.clock import system_clock
from domicile.ledger.entries import ClockSource

__all__ = ["Look", "look_now", "waited_s"]

_SURE: ClockSource = "system, synchronised"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Look:
    """What the clocks said: the boot (empty where the system does not name it), whole seconds since
    it, seconds since 1970, and what the kernel says of that clock."""

    boot: str
    since_boot_s: int
    wall_s: int
    clock: ClockSource


def waited_s(before: Look, now: Look) -> int:
    """Seconds that have passed for sure."""
    if now.boot and now.boot == before.boot:
        return max(now.since_boot_s - before.since_boot_s, 0)
    if not now.boot:
        return _on_the_wall(before, now)
    return max(now.since_boot_s, _on_the_wall(before, now))


def _on_the_wall(before: Look, now: Look) -> int:
    sure = before.clock == now.clock == _SURE
    return max(now.wall_s - before.wall_s, 0) if sure else 0


def look_now() -> Look:
    """The clocks of this machine."""
    try:
        boot = _BOOT_ID.read_text().strip()
        since_boot_s = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    except (AttributeError, OSError):  # another system than Linux
        boot, since_boot_s = "", 0
    return Look(boot, since_boot_s, int(time.time()), system_clock())
