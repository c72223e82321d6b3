"""Shards in parallel: `concurrent.futures` executors, and what a worker keeps between shards.

A worker is handed a `Job` and a shard's name; it opens the charter's sites itself, so that no
secret and no connection travels between processes.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import psycopg

from domicile.charter import parse_charter
from domicile.custody.sealing import SealedStore
from domicile.custody.subjects import dataset_subject
from domicile.errors import DomicileError, PlanError, SiteUnreachable
from domicile.inventory.estate import Estate, Job
from domicile.inventory.progress import Progress
from domicile.inventory.runs import Run
from domicile.inventory.sessions import open_member_session
from domicile.inventory.tables import DatabaseRules
from domicile.ledger import Body
from domicile.sites.objects import ObjectSite
from domicile.sites.postgres import site_errors

if TYPE_CHECKING:
    from domicile.custody.keys import Keys
    from domicile.custody.pseudonyms import Pseudonyms
    from domicile.state import State

__all__ = [
    "Crew",
    "Outcome",
    "Workplace",
    "leave_workplaces",
    "make_executor",
    "run_all",
    "workplace",
]

T = TypeVar("T")
R = TypeVar("R")
_QUEUED_PER_WORKER = 2
_OPEN: weakref.WeakSet[Workplace] = weakref.WeakSet()
"""This process's workplaces."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works on shards, how many at once, and who is told how far they are."""

    executor: Executor
    workers: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T, R]):
    """What became of one task: its result, or the error that ended it."""

    task: T
    result: R | None
    error: DomicileError | None


class Workplace:
    """A worker's open sites and keys, kept from shard to shard."""

    def __init__(self, job: Job) -> None:
        path = Path(job.charter)
        data = path.read_bytes()
        if sha256(data).hexdigest() != job.charter_sha256:
            raise PlanError(
                f"{job.charter} changed while the run was under way",
                expected="the charter that the run began with",
                next_step="scan and plan again",
            )
        loaded = parse_charter(data.decode(), job.charter, today=job.today, base=path.parent)
        self.job = job
        self.estate = Estate(loaded, os.environ)
        self.run = Run(self.estate.records, job.run)
        self._sessions: dict[tuple[str, bool], tuple[psycopg.Connection, DatabaseRules]] = {}
        self._state: State | None = None
        _OPEN.add(self)

    def session(self, site: str, *, read_only: bool) -> tuple[psycopg.Connection, DatabaseRules]:
        """A database session that knows the members, idle and with no transaction open. The
        catalogue is the one of when it was opened."""
        held = self._sessions.get((site, read_only))
        if held is not None and not held[0].closed:
            with site_errors(site):
                held[0].rollback()
            if not held[0].closed:
                return held
        opened = open_member_session(self.estate, self.run, site, read_only=read_only)
        self._sessions[site, read_only] = opened
        return opened

    def home_objects(self, owners: Mapping[str, tuple[str, str]]) -> ObjectSite:
        """The home store, sealed where the boundary has keys. owners: the dataset of each key that
        may be written, and its person; ``""`` where it is no one person's."""
        store = self.estate.objects(str(self.estate.home_objects))
        if not self.job.keys:
            return store
        pseudonyms, keys = self._custody
        mine = pseudonyms.subjects({person for _, person in owners.values() if person})
        subjects = {
            key: mine[person] if person else dataset_subject(dataset)
            for key, (dataset, person) in owners.items()
        }
        return SealedStore(store, keys, subjects)

    @cached_property
    def _custody(self) -> tuple[Pseudonyms, Keys]:
        from domicile.custody.erased import ErasedPersons  # noqa: PLC0415 - as `Estate.keyring`
        from domicile.custody.pseudonyms import Pseudonyms  # noqa: PLC0415 - as `Estate.keyring`
        from domicile.state import State  # noqa: PLC0415 - as `Estate.keyring`

        self._state = state = State.beside(self.estate.records)
        keys = self.estate.keyring(state, _record_nothing).unwrap(self.job.keys)
        erased = ErasedPersons(state, self.estate.boundary_name, keys)
        return Pseudonyms(state, erased), keys

    def close(self) -> None:
        """Release what was opened, and forget the keys."""
        self.forget_sessions()
        self.estate.close()
        self.__dict__.pop("_custody", None)
        if self._state is not None:
            self._state.close()
            self._state = None

    def forget_sessions(self) -> None:
        """Close every session; the next one reads the catalogue afresh."""
        for connection, _ in self._sessions.values():
            connection.close()
        self._sessions.clear()


def _record_nothing(body: Body) -> None:
    """A worker's ledger is its command's."""
    raise RuntimeError(type(body).__name__)


@lru_cache(maxsize=1)
def workplace(job: Job) -> Workplace:
    """This process's workplace for a job."""
    return Workplace(job)


def leave_workplaces(records: Path) -> None:
    """Release what this process holds open for jobs with these records, none of them under way."""
    workplace.cache_clear()
    for place in [place for place in _OPEN if place.run.records.resolve() == records.resolve()]:
        _OPEN.discard(place)
        with suppress(Exception):  # what can't be closed is dropped
            place.close()


def make_executor(workers: int) -> Executor:
    """Processes, started afresh (never forked: clients hold threads); for one worker, a thread of
    this process."""
    if workers == 1:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with_parent,
    )


def _end_with_parent() -> None:
    """End this worker when the command that started it is gone, however it ended: a worker that
    went on would write result files beside those of the command that resumes."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="domicile-parent-watch", daemon=True).start()


def run_all(crew: Crew, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
    """Every task's outcome as it comes, with few tasks queued. Errors that are not Domicile's own
    end the run; a worker that died is a `SiteUnreachable` for its task."""
    waiting = iter(tasks)
    running: dict[Future[R], T] = {}
    exhausted = False
    while True:
        while not exhausted and len(running) < crew.workers * _QUEUED_PER_WORKER:
            try:
                task = next(waiting)
            except StopIteration:
                exhausted = True
                break
            running[_submit(crew, function, task)] = task
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield _outcome(future, running.pop(future))


def _outcome(future: Future[R], task: T) -> Outcome[T, R]:
    try:
        return Outcome(task, future.result(), None)
    except DomicileError as error:
        return Outcome(task, None, error)
    except (BrokenProcessPool, CancelledError) as error:  # a cluster that is gone cancels
        raise _died() from error
    except Exception as error:
        if _is_of_a_cluster(error):
            return Outcome(task, None, _died())
        raise


def _submit(crew: Crew, function: Callable[[T], R], task: T) -> Future[R]:
    try:
        return crew.executor.submit(function, task)
    except BrokenProcessPool as error:  # since the last outcome was looked at
        raise _died() from error


def _is_of_a_cluster(error: Exception) -> bool:
    """Whether Dask itself failed (a worker or the network was lost), and not the task."""
    modules = (kind.__module__ for kind in type(error).__mro__)
    return any(module.partition(".")[0] in {"dask", "distributed"} for module in modules)


def _died() -> SiteUnreachable:
    return SiteUnreachable(
        "a worker process died (out of memory, or killed)",
        expected="workers that live until the run ends",
        next_step="run the same command again: it resumes; fewer --workers need less memory",
    )
