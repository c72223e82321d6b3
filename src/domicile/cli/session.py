"""What every command shares: its options, the opened charter, progress, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec
from rich.console import Console

from domicile.charter import LoadedCharter, load_charter
from domicile.cli import kinds  # noqa: F401 - whoever opens a ledger reads every kind
from domicile.cli.progress import BarProgress
from domicile.errors import CharterError
from domicile.inventory import Crew, Estate, Evidence, Progress, Quiet, make_executor
from domicile.inventory.lease import await_no_lease
from domicile.sites.endpoints import contradictions

if TYPE_CHECKING:
    from domicile.state import State  # slow to import, and no worker has use for it

__all__ = ["Options", "Session", "cluster_option", "common_options", "emit_json", "workers_option"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Options:
    """What every command takes."""

    charter: Path
    as_json: bool


def common_options(function: F) -> F:
    """``--charter`` and ``--json``."""
    function = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
    )(function)
    return click.option(
        "--charter",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("domicile.toml"),
        show_default=True,
        help="The charter.",
    )(function)


def workers_option(function: F) -> F:
    """``--workers``."""
    return click.option(
        "--workers",
        type=click.IntRange(1, 256),
        default=min(os.cpu_count() or 1, 8),
        show_default="the machine's cores, at most 8",
        help="Processes that work on shards.",
    )(function)


def cluster_option(function: F) -> F:
    """``--cluster``."""
    return click.option(
        "--cluster",
        metavar="ADDRESS",
        help="A Dask scheduler (tcp://HOST:PORT, tls://HOST:PORT), instead of --workers.",
    )(function)


def emit_json(value: object) -> None:
    """One JSON document on standard output."""
    data = msgspec.json.format(msgspec.json.encode(value))
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


class Session:
    """An opened charter with what a command needs of it. Closed at the end, whatever happens."""

    def __init__(self, options: Options, stack: ExitStack) -> None:
        self.options = options
        self._stack = stack
        self.out = Console(highlight=False)
        self.err = Console(stderr=True, highlight=False)
        self.loaded: LoadedCharter = load_charter(options.charter)
        wrong = contradictions(self.loaded.charter)
        if wrong:
            raise CharterError(
                f"{options.charter}: " + "; ".join(wrong),
                expected="each site's country and provider as its address says",
                next_step="correct the charter",
            )
        for warning in self.loaded.warnings:
            self.err.print(f"warning: {warning}", style="yellow", markup=False)
        self.estate = stack.enter_context(Estate(self.loaded, os.environ))
        self.progress: Progress = (
            stack.enter_context(BarProgress(self.err)) if self.err.is_terminal else Quiet()
        )

    @classmethod
    @contextmanager
    def open(cls, options: Options) -> Iterator[Session]:
        """Open a charter for one command."""
        with ExitStack() as stack:
            yield cls(options, stack)

    @property
    def state(self) -> State:
        """The state database."""
        from domicile.state import State

        state = State.beside(self.estate.records)
        self._stack.callback(state.close)
        return state

    @property
    def evidence(self) -> Evidence:
        """The ledger, open for what is done under a charter that its custodians approved. Raises
        CharterError where they must and did not."""
        evidence = self.reading_evidence
        evidence.require_approved()
        return evidence

    @property
    def reading_evidence(self) -> Evidence:
        """The ledger, open for writing what was looked at: also under a charter that still lacks
        its custodians' approval."""
        evidence = Evidence(self.estate.records, self.loaded)
        self._stack.callback(self._warn, evidence)
        return self._stack.enter_context(evidence)

    def _warn(self, evidence: Evidence) -> None:
        for notice in evidence.notices:
            self.err.print(f"warning: {notice}", style="yellow", markup=False)

    def crew(self, workers: int, cluster: str | None = None) -> Crew:
        """Workers for shards: of this machine, or of a cluster."""
        await_no_lease(self.estate.records)
        if cluster is not None:
            from domicile.inventory.cluster import cluster_executor

            begun = self._stack.enter_context(cluster_executor(cluster, self.estate))
            return Crew(*begun, self.progress)
        executor = self._stack.enter_context(make_executor(workers))
        return Crew(executor, workers, self.progress)
