"""The sequencer's second thread: it puts what is durable into the signed, published tree."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import Protocol

from domicile.errors import DomicileError, SiteRefused
from domicile.ledger.cosigning import NotCosigned
from domicile.ledger.disk import SyncFailed
from domicile.ledger.journal import Journal
from domicile.ledger.pending import Pending

__all__ = ["Integrator", "Queues", "Tree"]

_PAUSE_S = (0.1, 0.5)  # between two integrations that nobody waits for
_PAUSE_SHARE = 2  # of the time that the last one took: most of the disk is the committer's
_BACKOFF_S = (0.1, 5.0)


class Tree(Protocol):
    """What the sequencer needs of a log's one writer: a `Log`, or one in a process of its own."""

    @property
    def size(self) -> int:
        """How many entries the signed tree has."""
        ...

    @property
    def published_size(self) -> int:
        """How many entries the published checkpoint covers."""
        ...

    @property
    def is_ahead(self) -> bool:
        """Whether something is signed that is not published."""
        ...

    @property
    def ended(self) -> str:
        """Why this writer takes nothing any more; empty while it does."""
        ...

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` on."""
        ...

    def grow(self, bundle: bytes, count: int) -> None:
        """Sign and publish a tree that has the ``count`` entries of a bundle, too. Raises
        NotCosigned where they are signed and not published, SiteRefused."""
        ...

    def publish(self) -> None:
        """Publish what is signed, if it is not yet. Raises NotCosigned, SiteRefused."""
        ...

    def close(self) -> None:
        """Give the log's lock back."""
        ...


@dataclass(slots=True)
class Queues:
    """What the sequencer's two threads share, under one lock (`turn`). entries: taken on and not
    in the signed tree yet. idle: the committer found nothing waiting; whoever brings something
    wakes it. committed: the committer has done its last. ended: why nothing is acknowledged any
    more."""

    turn: Lock = field(default_factory=Lock)
    changed: Condition = field(init=False)
    waiting: deque[Pending] = field(default_factory=deque)
    durable: deque[Pending] = field(default_factory=deque)
    entries: int = 0
    urgent: bool = False
    idle: bool = False
    closing: bool = False
    committed: bool = False
    ended: str = ""

    def __post_init__(self) -> None:
        self.changed = Condition(self.turn)

    def hurry(self) -> None:
        """Somebody waits for a checkpoint."""
        with self.turn:
            self.urgent = True
            self.changed.notify_all()

    def end(self, why: str, doubtful: Sequence[Pending]) -> None:
        """Acknowledge nothing any more. doubtful: those of whom nobody knows how far they got."""
        with self.turn:
            self.ended = why
            left = [*doubtful, *self.durable, *self.waiting]
            self.waiting.clear()
            self.durable.clear()
            self.changed.notify_all()
        for pending in left:
            pending.tell(pending, _unknown(why))


class Integrator:
    """Runs until the committer has done its last, or something ends the sequencer. wake: have
    what was told sent to those outside."""

    def __init__(
        self, log: Tree, journal: Journal, queues: Queues, wake: Callable[[], None]
    ) -> None:
        self._log, self._journal, self._queues, self._wake = log, journal, queues, wake
        self._backoff_s = _BACKOFF_S[0]
        self._pause_s = _PAUSE_S[0]

    def run(self) -> None:
        """Integrate until all is done."""
        taken: list[Pending] = []
        try:
            while not self._queues.ended:
                taken, is_last = self._next()
                if (taken or self._log.is_ahead) and not self._queues.ended:
                    self._settle(taken)
                if is_last:
                    return
        except BaseException as error:
            self._end(f"its integrator broke down ({type(error).__name__})", taken)
            raise

    def _next(self) -> tuple[list[Pending], bool]:
        """Wait for durable requests, a little longer where nobody waits for their integration, so
        that a checkpoint covers many. Also whether they are the last ones."""
        queues = self._queues
        with queues.turn:
            queues.changed.wait_for(
                lambda: queues.durable or queues.ended or queues.committed,
                self._backoff_s if self._log.is_ahead else None,
            )
            queues.changed.wait_for(
                lambda: queues.urgent or queues.ended or queues.committed, self._pause_s
            )
            taken = [] if queues.ended else list(queues.durable)
            queues.durable.clear()
            queues.urgent = False
            return taken, queues.committed

    def _settle(self, taken: Sequence[Pending]) -> None:
        """Integrate, and say what came of it."""
        begun = time.monotonic()
        try:
            self._integrate(taken)
        except NotCosigned as error:
            self._tell(taken, _not_published(error))
            self._back_off()
            return
        except DomicileError as error:
            if self._log.ended or self._queues.committed:
                self._end(self._log.ended or error.failed, taken)
                return
            self._tell(taken, _not_signed(error))
            with self._queues.turn:
                self._queues.durable.extendleft(reversed(taken))
            time.sleep(self._backoff_s)
            self._back_off()
            return
        self._backoff_s = _BACKOFF_S[0]
        self._tidy()
        took_s = time.monotonic() - begun
        self._pause_s = min(max(_PAUSE_S[0], _PAUSE_SHARE * took_s), _PAUSE_S[1])

    def _integrate(self, taken: Sequence[Pending]) -> None:
        """Raises NotCosigned where all is in the signed tree and not published, another
        DomicileError where nothing of ``taken`` is in it."""
        fresh = [pending.request for pending in taken if pending.is_new]
        try:
            if fresh:
                bundle = b"".join([request.bundle for request in fresh])
                self._log.grow(bundle, sum([request.number for request in fresh]))
            self._log.publish()
        except NotCosigned:
            self._count(taken)
            raise
        self._count(taken)
        for pending in taken:
            pending.size = self._log.size
        self._tell(taken, None)

    def _count(self, taken: Sequence[Pending]) -> None:
        with self._queues.turn:
            self._queues.entries -= sum(pending.request.number for pending in taken)

    def _tidy(self) -> None:
        """Drop what the journal need not hold any more, and have its next segment ready."""
        try:
            self._journal.trim(self._log.published_size)
            self._journal.prepare()
        except SyncFailed:
            self._end("an fsync failed", [])
        except OSError:
            return  # both are done again later

    def _back_off(self) -> None:
        self._backoff_s = min(2 * self._backoff_s, _BACKOFF_S[1])

    def _tell(self, pendings: Sequence[Pending], error: DomicileError | None) -> None:
        waiting = [pending for pending in pendings if not pending.is_told]
        for pending in waiting:
            pending.tell(pending, error)
        if waiting:
            self._wake()

    def _end(self, why: str, doubtful: Sequence[Pending]) -> None:
        self._queues.end(why, doubtful)
        self._wake()


def _unknown(why: str) -> SiteRefused:
    return SiteRefused(
        f"it is unknown whether the entries are recorded: {why}",
        expected="a disk that takes and keeps the ledger's files",
        next_step="check the ledger's disk, open the ledger again and repeat under the same id",
    )


def _not_signed(error: DomicileError) -> SiteRefused:
    return SiteRefused(
        f"the entries are recorded and in no signed checkpoint yet: {error.failed}",
        expected=error.expected,
        next_step=error.next_step,
    )


def _not_published(error: NotCosigned) -> NotCosigned:
    return NotCosigned(
        f"the entries are recorded and in no published checkpoint yet: {error.failed}",
        expected=error.expected,
        next_step=error.next_step,
    )
