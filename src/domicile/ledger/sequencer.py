"""One sequencer per log: it makes entries durable in groups, and has them integrated.

Two threads. The *committer* takes whatever waits (in this process, and at the `door` from others),
writes it as one group, and acknowledges it as *durable* after one fdatasync. The *integrator* takes
what is durable and puts it into the signed, published tree: *integrated*.

Invariants:

- Order: journal, fdatasync, durable, tiles, signature, checkpoint, integrated, and only then is the
  journal trimmed. The order of the journal is the order of the log.
- A request whose id is known (see `journal.KEPT_REQUESTS`) gets the answer of the first one; it
  adds no entry.
- Beyond a fixed depth of entries that are not integrated yet, callers are turned away at once, and
  nothing of theirs is recorded.
- After a failed fsync nothing is acknowledged any more: what the disk holds is unknown until the
  log is opened again.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from threading import Thread
from typing import Self

from domicile.errors import DomicileError, EvidenceError, SiteRefused, UsageError
from domicile.ledger.cosigning import NotCosigned
from domicile.ledger.disk import SyncFailed
from domicile.ledger.door import Busy, Door, Leaving
from domicile.ledger.integrator import Integrator, Queues, Tree
from domicile.ledger.journal import (
    ID_BYTES,
    KEPT_REQUESTS,
    MAX_GROUP_BYTES,
    Group,
    Journal,
    Request,
)
from domicile.ledger.log import refusal
from domicile.ledger.pending import Pending, Receipt
from domicile.ledger.tiles import encode_bundle

__all__ = ["DEPTH", "Sequencer", "check_request"]

DEPTH = 65_536
"""Entries that may wait for integration before callers are turned away."""
_HURRY_SHARE = 4  # of the depth; from there on the integrator makes no pauses


class Sequencer:
    """The one writer of a log. Usable from any thread, not from a forked child."""

    def __init__(self, log: Tree, journal: Journal, door: Door, *, depth: int = DEPTH) -> None:
        self.log = log
        self._journal, self._door, self._depth = journal, door, depth
        self._queues = Queues()
        self._turn = self._queues.turn
        self._ids: OrderedDict[bytes, int] = OrderedDict()  # of requests; to their first entries
        self._next = log.size
        self._process = os.getpid()
        integrator = Integrator(log, journal, self._queues, door.wake)
        self._threads = (
            Thread(target=self._commit_all, name="ledger-committer", daemon=True),
            Thread(target=integrator.run, name="ledger-integrator", daemon=True),
        )

    @classmethod
    def start(
        cls, log: Tree, journal: Journal, groups: Sequence[Group], door: Door, *, depth: int = DEPTH
    ) -> Self:
        """Recover what the journal holds beyond the log, and begin.

        Raises EvidenceError where journal and log contradict each other, SiteRefused where what
        is durable cannot be integrated.
        """
        _settle_journal(log, groups)
        if groups and groups[-1].end < log.size:  # an older journal was restored: go on after it
            with refusal("the ledger's journal cannot be begun anew"):
                journal.drop()
        sequencer = cls(log, journal, door, depth=depth)
        for group in groups:
            sequencer._remember(group)
        for thread in sequencer._threads:
            thread.start()
        return sequencer

    def submit(self, request: Request) -> Receipt:
        """Take a request on, all of it or nothing; the same id for a repetition.

        Raises Busy, Leaving where this sequencer has ended, UsageError where the request cannot be
        one.
        """
        check_request(request)
        if self._process != os.getpid():
            raise _ended("another process holds its lock")
        receipt = Receipt(request.number, self._queues.hurry)
        with self._turn:
            if why := self._refusal(request.number):
                raise why
            self._queues.entries += request.number
            self._queues.waiting.append(Pending(request, receipt.tell))
            was_idle, self._queues.idle = self._queues.idle, False
        if was_idle:
            self._door.wake()
        return receipt

    def close(self) -> None:
        """Finish what was taken on and stop. Does nothing the second time."""
        if self._process != os.getpid():
            return
        with self._turn:
            self._queues.closing = True
            self._queues.changed.notify_all()
        self._door.wake()
        for thread in self._threads:
            thread.join()
        self._door.close()
        self._journal.close()

    def _refusal(self, count: int) -> SiteRefused | None:
        """Why a request of ``count`` entries is not taken on, if it is not. Under the lock."""
        queues = self._queues
        if ended := queues.ended or ("it was closed" if queues.closing else ""):
            return _ended(ended)
        return _busy(queues.entries) if queues.entries + count > self._depth else None

    # The committer.

    def _commit_all(self) -> None:
        try:
            while group := self._next_group():
                self._commit(group)
                self._door.flush()
        except BaseException as error:
            self._queues.end(f"its committer broke down ({type(error).__name__})", [])
            raise
        finally:
            with self._turn:
                self._queues.committed = True
                self._queues.changed.notify_all()

    def _next_group(self) -> list[Pending]:
        """Wait for requests and take as many as fit into a group; empty when all is done."""
        while True:
            with self._turn:
                idle, done = not self._queues.waiting, self._queues.closing or self._queues.ended
                self._queues.idle = idle  # what is submitted from here on wakes the poll
            if idle and done:
                return []
            self._take_on(self._door.poll(wait=idle))
            if taken := self._take():
                return taken

    def _take_on(self, pendings: Sequence[Pending]) -> None:
        """Take on what came through the door, or turn it away."""
        with self._turn:
            refused = []
            for pending in pendings:
                count = pending.request.number
                if why := self._refusal(count):
                    refused.append((pending, why))
                else:
                    self._queues.entries += count
                    self._queues.waiting.append(pending)
        for pending, why in refused:
            pending.tell(pending, why)
        if refused:
            self._door.flush()

    def _take(self) -> list[Pending]:
        taken: list[Pending] = []
        room = MAX_GROUP_BYTES
        with self._turn:
            waiting = self._queues.waiting
            while waiting and (room := room - waiting[0].request.size_bytes) >= 0:
                taken.append(waiting.popleft())
        return taken

    def _commit(self, taken: Sequence[Pending]) -> None:
        fresh, repeated = self._sort(taken)
        group = Group(self._next, tuple([pending.request for pending in fresh]))
        try:
            if fresh:
                self._journal.append(group)
        except SyncFailed as error:
            self._queues.end(f"an fsync failed ({os.strerror(error.errno or 0)})", taken)
            return
        except OSError as error:
            self._refuse(taken, _not_recorded(error))
            return
        self._remember(group)
        self._next = group.end
        for pending in (*fresh, *repeated):
            pending.first = self._ids[pending.request.id]
            pending.tell(pending, None)
        with self._turn:
            self._queues.durable += (*fresh, *repeated)
            self._queues.urgent |= (
                any(pending.is_urgent for pending in taken)
                or self._queues.entries > self._depth // _HURRY_SHARE
            )
            self._queues.changed.notify_all()

    def _sort(self, taken: Sequence[Pending]) -> tuple[list[Pending], list[Pending]]:
        """New requests, and repetitions (of known ones, and within this very group)."""
        fresh: dict[bytes, Pending] = {}
        repeated = []
        for pending in taken:
            identity = pending.request.id
            if identity in self._ids or identity in fresh:
                repeated.append(pending)
            else:
                pending.is_new = True
                fresh[identity] = pending
        return list(fresh.values()), repeated

    def _remember(self, group: Group) -> None:
        first = group.first
        for request in group.requests:
            self._ids[request.id] = first
            first += request.number
        while len(self._ids) > KEPT_REQUESTS:
            self._ids.popitem(last=False)

    # Ends.

    def _refuse(self, pendings: Sequence[Pending], error: DomicileError) -> None:
        with self._turn:
            self._queues.entries -= sum(pending.request.number for pending in pendings)
        for pending in pendings:
            pending.tell(pending, error)


def check_request(request: Request) -> None:
    """Raise UsageError unless this can be a request."""
    if len(request.id) != ID_BYTES or not request.number:
        raise _unfit("a request of no entries, or under an id of another length")
    if request.size_bytes > MAX_GROUP_BYTES // 2:
        raise _unfit(f"a request of more than {MAX_GROUP_BYTES // 2:,} bytes")


def _settle_journal(log: Tree, groups: Sequence[Group]) -> None:
    """Integrate what the journal holds beyond the log; the rest must be in the log already."""
    beyond: list[bytes] = []
    size = log.size
    if groups and groups[0].first > size:
        raise _contradiction(f"entries {size} to {groups[0].first - 1} are missing from both")
    stored = log.entries(groups[0].first) if groups else iter(())
    for group in groups:
        index = group.first
        for entry in (entry for request in group.requests for entry in request.entries):
            if index >= size:
                beyond.append(entry)
            elif next(stored) != (index, entry):
                raise _contradiction(f"entry {index} is another in the journal than in the tree")
            index += 1
    with contextlib.suppress(NotCosigned):  # signed; the integrator publishes it when it may
        if beyond:
            log.grow(encode_bundle(beyond), len(beyond))


def _busy(entries: int) -> Busy:
    return Busy(
        f"the ledger is busy: {entries:,} entries wait for their checkpoint",
        expected="a ledger that keeps up",
        next_step="wait a moment and repeat; nothing was recorded",
    )


def _ended(why: str) -> Leaving:
    return Leaving(
        f"the ledger takes no entries: {why}",
        expected="a ledger opened by this process",
        next_step="open the ledger again and repeat under the same id",
    )


def _not_recorded(error: OSError) -> SiteRefused:
    return SiteRefused(
        f"the entries were not recorded: {error.strerror or type(error).__name__}",
        expected="room and permission on the ledger's disk",
        next_step="make room on the ledger's disk and repeat",
    )


def _unfit(failed: str) -> UsageError:
    return UsageError(
        failed,
        expected=f"entries of at most {MAX_GROUP_BYTES // 2:,} bytes under an id of 16",
        next_step="append the entries in several requests",
    )


def _contradiction(failed: str) -> EvidenceError:
    return EvidenceError(
        f"the ledger's journal and tree contradict each other: {failed}",
        expected="a journal that goes on where the signed tree ends",
        next_step="keep the directory as it is, restore a copy of it elsewhere and compare",
    )
