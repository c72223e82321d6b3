"""The spans of a whole log, examined by one or several processes and handed on in order."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import ParamSpec, TypeVar

from domicile.errors import SiteUnreachable
from domicile.ledger.entries import kind_modules
from domicile.ledger.spans import SPAN, Span, SpanReport, examine
from domicile.ledger.store import Store
from domicile.ledger.tiles import TILE_WIDTH

__all__ = ["Walk"]

P = ParamSpec("P")
T = TypeVar("T")
_AHEAD_PER_WORKER = 2
_THREADS = Path("/proc/self/task")


@dataclass(slots=True)
class Walk:
    """One pass over a log of ``size`` entries; stops are sizes whose roots are wanted.

    Invariants: reports come in the order of the log, without gap or overlap, and say the same
    whatever the number of workers; at most ``2 * workers`` spans are under way, so memory is
    bounded. Where a whole span is missing, everything up to the next stored file is taken as
    missing with it: a size may be absurd, and nothing ever counts up to it.
    """

    store: Store
    size: int
    stops: frozenset[int] = frozenset()
    workers: int = 1
    _running: deque[tuple[Span, Future[SpanReport]]] = field(default_factory=deque)
    _next: int = 0
    _stored: array[int] | None = None

    def reports(self) -> Iterator[SpanReport]:
        """What is in every span. Raises SiteError where the store does not answer."""
        self.workers = min(self.workers, -(-self.size // SPAN) or 1)
        if self.workers == 1:
            yield from self._reports(_Here())
            return
        executor = _processes(self.workers)
        try:
            yield from self._reports(executor)
        except BrokenProcessPool as error:
            raise _died() from error
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _reports(self, executor: Executor) -> Iterator[SpanReport]:
        ahead = 1 if self.workers == 1 else _AHEAD_PER_WORKER * self.workers
        while True:
            while self._next < self.size and len(self._running) < ahead:
                start, self._next = self._next, min(self._next // SPAN * SPAN + SPAN, self.size)
                self._submit(executor, start, self._next, self._running.append)
            if not self._running:
                return
            span, future = self._running.popleft()
            report = future.result()
            yield report
            if report.end < span.end:
                self._submit(executor, report.end, span.end, self._running.appendleft)
            elif report.is_empty and (begin := self._next_stored(report.end)) > report.end:
                yield SpanReport(report.end, begin, missing=[(report.end, begin)])
                self._jump(executor, begin)

    def _submit(
        self,
        executor: Executor,
        start: int,
        end: int,
        queue: Callable[[tuple[Span, Future[SpanReport]]], None],
    ) -> None:
        span = Span(start, end, frozenset(s for s in self.stops if start < s <= end))
        queue((span, executor.submit(examine, self.store, span)))

    def _jump(self, executor: Executor, begin: int) -> None:
        """Go on at ``begin``; what is under way before it is missing too."""
        while self._running and self._running[0][0].end <= begin:
            self._running.popleft()[1].cancel()
        if self._running and self._running[0][0].start < begin:
            span, future = self._running.popleft()
            future.cancel()
            self._submit(executor, begin, span.end, self._running.appendleft)
        self._next = max(self._next, begin)

    def _next_stored(self, start: int) -> int:
        """The first entry from ``start`` on whose bundle or hashes are there; the size if none."""
        if self._stored is None:
            tiles = self.store.source.tiles() or ()
            blocks = {tile.index for tile in tiles if not tile.level}
            self._stored = array("Q", sorted(block for block in blocks if block < self.size))
        at = bisect_left(self._stored, start // TILE_WIDTH)
        found = self._stored[at] * TILE_WIDTH if at < len(self._stored) else self.size
        return min(found, self.size)


class _Here(Executor):
    """This very process, at once."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future


def _processes(workers: int) -> Executor:
    """Forked where this process has but one thread, which is when that is safe; else started
    afresh, to learn the kinds of entry that this process knows."""
    alone = len(list(_THREADS.iterdir())) == 1
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("fork" if alone else "spawn"),
        initializer=_begin,
        initargs=(() if alone else kind_modules(),),
    )


def _begin(modules: tuple[str, ...]) -> None:
    """In a worker: it ends when whoever started it is gone, however that ended."""
    for module in modules:
        import_module(module)
    gc.set_threshold(100_000)  # what is read makes no cycles
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="ledger-parent-watch", daemon=True).start()


def _died() -> SiteUnreachable:
    return SiteUnreachable(
        "a process that verified a part of the ledger died (out of memory, or killed)",
        expected="workers that live until the verification ends",
        next_step="run it again; fewer --workers need less memory",
    )
