"""What worker processes do in the tests: importable, as a spawned worker needs it."""

from __future__ import annotations

import os
import signal
import time

from domicile.errors import SourceChanged


def double(number: int) -> int:
    """Twice the number; odd ones fail as a shard fails."""
    if number % 2:
        raise SourceChanged(f"shard {number}", expected="an even one", next_step="look")
    return 2 * number


def die(number: int) -> int:
    """Ends its process where the number is 3, as the kernel does when memory is short."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return number
