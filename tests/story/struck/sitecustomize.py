"""Strikes a command and its workers at the n-th change that they make to files.

Python imports this at its start, in the command and in each worker that it spawns, where its folder
is on PYTHONPATH. They count together every file that they are about to open for writing, rename or
remove below a directory; the one that comes to the n-th sends a signal to the whole process group,
at once or a moment later. So it depends on how far the work is, and not on how fast the machine is.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass

__all__ = ["VARIABLE"]

VARIABLE = "STORY_STRIKE"
"""``n:delay in seconds:signal:file that counts:directory``"""

_WRITING = os.O_WRONLY | os.O_RDWR
_PATH_AT = {"open": 0, "os.remove": 0, "os.rename": 1, "os.rmdir": 0}


@dataclass(frozen=True)
class _Strike:
    nth: int
    delay_s: float
    signal: int
    counter: int
    below: str

    def look(self, event: str, arguments: tuple[object, ...]) -> None:
        """Count a change before it is made. An audit hook: see PEP 578."""
        at = _PATH_AT.get(event)
        if at is None or (event == "open" and not int(str(arguments[2])) & _WRITING):
            return
        path = arguments[at]
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.below):
            os.write(self.counter, b".")  # appended: where it stands now is this one's number
            if os.lseek(self.counter, 0, os.SEEK_CUR) == self.nth:
                self._strike()

    def _strike(self) -> None:
        if not self.delay_s:
            os.killpg(0, self.signal)
            return
        timer = threading.Timer(self.delay_s, os.killpg, (0, self.signal))
        timer.daemon = True
        timer.start()


def _watch(nth: str, delay_s: str, signal: str, counter: str, below: str) -> None:
    count = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.addaudithook(_Strike(int(nth), float(delay_s), int(signal), count, below).look)


if VARIABLE in os.environ:
    _watch(*os.environ[VARIABLE].split(":", 4))
