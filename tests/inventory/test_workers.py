from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from domicile.errors import PlanError, SiteUnreachable, SourceChanged
from domicile.inventory import Crew, Job, Quiet, Workplace, make_executor, run_all
from tests.charter.conftest import CHARTER
from tests.inventory.crew_tasks import die, double


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """Two worker processes."""
    with make_executor(2) as executor:
        yield executor


def crew(executor: Executor, workers: int = 2) -> Crew:
    return Crew(executor, workers, Quiet())


def test_every_task_has_its_outcome_and_errors_are_outcomes(processes: Executor) -> None:
    outcomes = list(run_all(crew(processes), double, range(9)))
    assert sorted(outcome.task for outcome in outcomes) == list(range(9))
    for outcome in outcomes:
        if outcome.task % 2:
            assert outcome.result is None
            assert isinstance(outcome.error, SourceChanged)
            assert str(outcome.error) == (
                f"shard {outcome.task}; expected: an even one; next: look"
            )
        else:
            assert (outcome.result, outcome.error) == (2 * outcome.task, None)


def test_nothing_to_do_is_done_at_once() -> None:
    with make_executor(1) as executor:
        assert list(run_all(crew(executor, 1), double, [])) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_few_tasks_are_taken_ahead_of_those_done(workers: int) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    done = 0
    with ThreadPoolExecutor(workers) as executor:
        for _ in run_all(crew(executor, workers), str, tasks()):
            done += 1
            assert len(taken) <= done + 2 * workers
    assert done == len(taken) == 50


def test_an_error_that_is_not_our_own_ends_the_run() -> None:
    with make_executor(1) as executor, pytest.raises(ZeroDivisionError):
        list(run_all(crew(executor, 1), lambda number: 1 // number, [1, 0, 1]))


def test_a_killed_worker_is_a_site_unreachable_that_says_to_resume() -> None:
    with make_executor(2) as executor, pytest.raises(SiteUnreachable, match="worker process died"):
        list(run_all(crew(executor), die, range(30)))


class Broken(Executor):
    """Executors whose workers died since the last outcome was looked at."""

    def submit(self, *_: object, **__: object) -> object:  # type: ignore[override]
        raise BrokenProcessPool


def test_workers_that_died_before_the_next_task_are_a_site_unreachable() -> None:
    with pytest.raises(SiteUnreachable, match="it resumes"):
        list(run_all(crew(Broken()), double, range(3)))


def test_a_worker_works_by_the_charter_that_the_run_began_with(tmp_path: Path) -> None:
    path = tmp_path / "domicile.toml"
    path.write_text(CHARTER)
    digest = sha256(path.read_bytes()).hexdigest()
    job = Job(str(path), digest, "20260102T030405Z-abcdef", date(2026, 1, 2))
    here = Workplace(job)
    assert here.estate.charter.company.name == "Reel"
    assert here.run.directory.parent.parent == tmp_path / ".domicile"
    path.write_text(CHARTER + "\n")
    with pytest.raises(PlanError, match="scan and plan again"):
        Workplace(job)
