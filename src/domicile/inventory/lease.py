"""The lease of a command whose workers are no children of its: a file that it keeps changing.

Whoever reads it judges by their own monotonic clock how long it has not changed: no two clocks are
compared.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
import uuid
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from domicile.errors import SiteUnreachable, UsageError

__all__ = ["COMMAND_S", "WORKER_S", "Lease", "Watch", "await_no_lease", "is_out_of_reach"]

BEAT_S = 0.5
WORKER_S = 10.0
"""Seconds without a change after which a worker ends itself."""
COMMAND_S = 2 * WORKER_S
"""Seconds without a change after which the next command goes on."""
_SUFFIX = ".lease"
LOCK = ".lock"


def is_out_of_reach(lease: Path) -> bool:
    """Whether this process does not see the lock that the command holds: then SQLite's locks, which
    keep the state database whole, do not reach it either. Not for the command itself."""
    with lease.with_suffix(LOCK).open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def await_no_lease(records: Path) -> None:
    """Wait until no worker of a command that is gone can be at work. Raises UsageError where the
    command is still there."""
    for path in sorted((records / "cluster").glob(f"*{_SUFFIX}")):
        _await_end(path)


def _await_end(path: Path) -> None:
    first, until = _read(path), time.monotonic() + COMMAND_S
    while time.monotonic() < until and first is not None:
        time.sleep(BEAT_S)
        now = _read(path)
        if now is not None and now != first:
            raise UsageError(
                "another command works on a cluster with these records",
                expected="one such command at a time",
                next_step="wait until it has ended, then run this one again",
            )
        first = now
    path.unlink(missing_ok=True)
    path.with_suffix(LOCK).unlink(missing_ok=True)
    shutil.rmtree(path.with_suffix(".claims"), ignore_errors=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@dataclass
class Lease:
    """The command's side."""

    path: Path
    ended: threading.Event = field(default_factory=threading.Event)
    whole: bool = True

    @classmethod
    @contextmanager
    def taken(cls, records: Path) -> Iterator[Lease]:
        """A new lease. It stays behind, for the next command to wait for, unless every task has
        ended and no worker was lost."""
        path = records / "cluster" / f"{uuid.uuid4().hex}{_SUFFIX}"
        path.with_suffix(".claims").mkdir(parents=True)
        held = path.with_suffix(LOCK).open("wb")
        fcntl.lockf(held, fcntl.LOCK_EX)  # seen by whom SQLite's locks reach: `is_out_of_reach`
        path.write_bytes(b"%020d" % 0)
        lease = cls(path)
        beating = threading.Thread(target=lease._beat, name="domicile-lease", daemon=True)
        beating.start()
        try:
            yield lease
        except BaseException:
            claims = path.with_suffix(".claims")
            lease.whole = lease.whole and not (claims.exists() and any(claims.iterdir()))
            raise
        finally:
            lease.ended.set()
            beating.join()
            held.close()
            path.with_suffix(LOCK).unlink(missing_ok=True)
            if lease.whole:
                path.unlink(missing_ok=True)
                shutil.rmtree(path.with_suffix(".claims"), ignore_errors=True)

    @contextmanager
    def kept(self, complete: Callable[[], bool]) -> Iterator[None]:
        """Ask now and then, and at the end, whether all workers are still there."""

        def look() -> None:
            while not self.ended.wait(4 * BEAT_S):
                self.whole = complete() and self.whole

        threading.Thread(target=look, name="domicile-cluster", daemon=True).start()
        yield
        self.whole = complete() and self.whole

    def _beat(self) -> None:
        number = 0
        while not self.ended.wait(BEAT_S):
            number += 1
            try:
                with self.path.open("r+b", buffering=0) as file:
                    file.write(b"%020d" % number)
                    os.fsync(file.fileno())
            except FileNotFoundError:  # another command took us for dead
                interrupt_main()
                return
            except OSError:
                continue  # workers judge how long that may last


class Watch:
    """A worker's side. It works only once it has seen the lease change, and, after a time in which
    it did not change, once it has seen it change again. released: called where the lease has lapsed
    and nothing is being done under it, to let go what is open."""

    def __init__(self, lease: Path, released: Callable[[], None] = lambda: None) -> None:
        self._lease = lease
        self._released = released
        self._changed = time.monotonic()
        self._gone = self._busy = False
        self._alive = threading.Event()
        self._deciding = threading.Lock()
        for target in (self._look, self._judge):
            threading.Thread(target=target, name="domicile-lease-watch", daemon=True).start()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work under the lease: the process ends where the lease does meanwhile."""
        self._alive.wait(WORKER_S)
        with self._deciding:
            if self._lapsed() or not self._alive.is_set():
                raise SiteUnreachable(
                    "the command that gave this task is gone",
                    expected="a command that renews its lease in the records directory",
                    next_step="run the same command again: it resumes",
                )
            self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def retire(self) -> None:
        """Release nothing any more: another command's work begins here."""
        with self._deciding:
            self._released = lambda: None

    def _lapsed(self) -> bool:
        return self._gone or time.monotonic() - self._changed > WORKER_S

    def _look(self) -> None:
        seen: bytes | None = None
        while not self._gone:
            with suppress(OSError):
                now = _read(self._lease)
                if now is not None and now != seen and seen is not None:
                    self._changed = time.monotonic()
                    self._alive.set()
                seen = now
                self._gone = now is None
            time.sleep(BEAT_S / 2)

    def _judge(self) -> None:
        """End the process where it works under no lease; let go what an idle one has open. A lease
        that is gone never comes back."""
        is_over = held = False
        while not is_over:
            time.sleep(BEAT_S / 2)
            with self._deciding:
                is_over = self._gone
                if not self._lapsed():
                    held = True
                    continue
                if self._busy:
                    os._exit(1)
                self._alive.clear()
                if held:
                    held = False
                    self._released()
