"""A Dask cluster as an executor: the same shards, on workers that were looked at first.

Invariants:
- A task is started at most once in a command's life, whatever the scheduler repeats: whoever
  starts it makes its claim, a file, first. So no two workers are ever at one shard, and no result
  file is written twice.
- A worker works only while the command's lease is renewed. Where it is not, or cannot be read, the
  worker ends itself within `WORKER_S`; the next command waits for longer (`COMMAND_S`) before it
  takes the lease for dead. So nothing writes beside the command that resumes.
Both need nothing but the records directory, which every worker must share.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import domicile
from domicile.errors import OperatorError, SiteUnreachable, UsageError
from domicile.inventory.estate import Estate
from domicile.inventory.lease import Lease, Watch, is_out_of_reach
from domicile.inventory.workers import leave_workplaces

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["COUNTRY", "Facts", "cluster_executor", "unfit"]

P = ParamSpec("P")
R = TypeVar("R")
COUNTRY = "DOMICILE_COUNTRY"
"""The environment variable in which a worker says where it runs."""
_REACH_S = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker must have. variables: names of environment variables, never their values."""

    version: str
    charter: str
    charter_sha256: str
    lease: Path
    variables: tuple[str, ...]
    countries: frozenset[str]


@contextmanager
def cluster_executor(address: str, estate: Estate) -> Iterator[tuple[Executor, int]]:
    """An executor on the cluster whose scheduler is at ``address``, and its number of workers.

    Raises UsageError where Dask is not installed, SiteUnreachable where no scheduler answers, and
    OperatorError where a worker is not fit, before anything is touched.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_connect(address))
        lease = stack.enter_context(Lease.taken(estate.records))
        workers = _fit_workers(client, _facts(estate, lease.path))
        stack.enter_context(lease.kept(lambda: _still_there(client, workers)))
        inner = client.get_executor(workers=sorted(workers), pure=False, retries=0)
        yield _Cluster(inner, lease.path.resolve()), len(workers)


def unfit(facts: Facts, environ: Mapping[str, str]) -> str:
    """What keeps this process from working on shards; ``""`` where nothing does."""
    if domicile.__version__ != facts.version:
        return f"has Domicile {domicile.__version__}, not {facts.version}"
    try:
        same = sha256(Path(facts.charter).read_bytes()).hexdigest() == facts.charter_sha256
        shared = same and facts.lease.exists()
    except OSError:
        shared = False
    if not shared:
        return "does not see this charter and its records directory"
    if is_out_of_reach(facts.lease):
        return "shares the records directory without its file locks: the state database could break"
    country = environ.get(COUNTRY, "")
    if country not in facts.countries:
        where = f"is in {country}" if country else f"does not say its country ({COUNTRY})"
        return f"{where}: it may not read members' data"
    missing = [name for name in facts.variables if not environ.get(name)]
    return f"lacks the environment variable {missing[0]}" if missing else ""


def _facts(estate: Estate, lease: Path) -> Facts:
    boundary, charter = estate.boundary, estate.charter
    places = [charter.sites[name] for name in boundary.home]
    asked = [*charter.sites.values(), *([boundary.keys] if boundary.keys else [])]
    return Facts(
        domicile.__version__,
        str(estate.loaded.path.resolve()),
        estate.loaded.sha256,
        lease.resolve(),
        tuple(sorted({name for place in asked for name in _variables(place.model_dump())})),
        frozenset({*boundary.members, *(place.country for place in places)}),
    )


def _variables(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if name.endswith("_env") and isinstance(value, str):
            yield value


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    if not address.startswith(("tcp://", "tls://")):
        raise UsageError(
            f"--cluster {address!r} is no address of a scheduler",
            expected="tcp://HOST:PORT or tls://HOST:PORT",
            next_step="give the address that `dask scheduler` prints",
        )
    if find_spec("distributed") is None:
        raise UsageError(
            "Dask is not installed here",
            expected="the package for --cluster",
            next_step="pip install 'domicile[cluster]', on every worker too",
        )
    from distributed import Client  # noqa: PLC0415 - slow to import, and not everybody has it

    made: Future[Client] = Future()

    def connect() -> None:
        try:
            made.set_result(Client(address, timeout=_REACH_S, set_as_default=False))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            made.set_exception(error)

    # Dask waits for ever where something listens that is no scheduler.
    threading.Thread(target=connect, name="domicile-cluster-connect", daemon=True).start()
    with _asking(f"no scheduler answers at {address}"):
        client = made.result(2 * _REACH_S)
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=_REACH_S)


@contextmanager
def _asking(failed: str) -> Iterator[None]:
    """Whatever Dask raises is told as a cluster that is not there: it has errors of many kinds."""
    try:
        yield
    except Exception as error:
        raise _away(f"{failed} ({type(error).__name__})") from error


def _fit_workers(client: Client, facts: Facts) -> frozenset[str]:
    """The workers, where all of them are fit."""
    with _asking("the cluster does not answer"):
        threads: dict[str, int] = client.nthreads()
        said = client.run(_unfit_here, facts, on_error="return") if threads else {}
    if not threads:
        raise _away("the cluster has no workers")
    wrong = [
        f"{worker} runs {threads[worker]} tasks at once in one process (--nthreads 1)"
        if threads[worker] != 1
        else f"{worker} {_in_words(said.get(worker, 'did not answer'))}"
        for worker in sorted(threads)
        if threads[worker] != 1 or said.get(worker, "did not answer")
    ]
    if wrong:
        raise OperatorError(
            "workers of the cluster are not fit: " + "; ".join(wrong),
            expected="one task at a time, the same Domicile, charter and records directory, the"
            " secrets' variables, and a country of the boundary",
            next_step=f"start them again: {COUNTRY}=… dask worker --nthreads 1 SCHEDULER",
        )
    return frozenset(threads)


def _unfit_here(facts: Facts) -> str:
    return unfit(facts, os.environ)


def _in_words(said: object) -> str:
    """An exception of a worker's that cannot even import Domicile is told by its type alone."""
    if isinstance(said, BaseException):
        return f"cannot run this Domicile ({type(said).__name__})"
    return str(said)


def _still_there(client: Client, workers: frozenset[str]) -> bool:
    """Whether every worker still is; where none is, whoever waits for one is told."""
    try:
        left = workers & set(client.nthreads())
    except (OSError, ValueError, RuntimeError):
        left = frozenset()
    if not left:
        client.close(timeout=1)
    return left == workers


class _Cluster(Executor):
    """Dask's executor, with every task guarded."""

    def __init__(self, inner: Executor, lease: Path) -> None:
        self._inner = inner
        self._lease = lease

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As of any executor."""
        once = _Once(self._lease.resolve(), uuid.uuid4().hex, fn)
        with _asking("the cluster takes no more tasks"):
            return self._inner.submit(once, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class _Once:
    """A function for one task, which runs at most once."""

    lease: Path
    claim: str
    function: Callable[..., Any]

    def __call__(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - as the function's
        with _WATCHES.over(self.lease).working():
            try:
                (self.lease.parent / f"{self.lease.stem}.claims" / self.claim).touch(exist_ok=False)
            except FileExistsError:
                raise _away("a worker of the cluster was lost with this task") from None
            return self.function(*args, **kwargs)


class _Watches:
    """This worker's watch over each records directory's latest lease. What an earlier command
    opened is let go: its catalogues are of before. What this one opens is, once its lease lapses.
    """

    def __init__(self) -> None:
        self._latest: dict[Path, tuple[Path, Watch]] = {}
        self._lock = threading.Lock()

    def over(self, lease: Path) -> Watch:
        """The watch over a command's lease."""
        records = lease.parent.parent
        with self._lock:
            known = self._latest.get(records)
            if known is not None and known[0] == lease:
                return known[1]
            if known is not None:
                known[1].retire()
            leave_workplaces(records)
            watch = Watch(lease, partial(leave_workplaces, records))
            self._latest[records] = (lease, watch)
            return watch


_WATCHES = _Watches()


def _away(failed: str) -> SiteUnreachable:
    return SiteUnreachable(
        failed,
        expected="a scheduler and workers that live until the run ends",
        next_step="see to the cluster, then run the same command again: it resumes",
    )
