"""Keys in a process' memory: they must not reach a disk by way of its core dump."""

from __future__ import annotations

import ctypes
import resource
import sys

__all__ = ["forbid_core_dumps"]

_PR_SET_DUMPABLE = 4  # prctl(2)


def forbid_core_dumps() -> None:
    """Have the system write no core dump of this process from here on, nor hand one to a program,
    nor let others of the same user read its memory. Where it has no such call, no core file."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    if sys.platform == "linux":  # the limit alone does not hold for a program that takes dumps
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
