"""The story on a Dask cluster: a real scheduler, and workers that are processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from distributed import Client

from domicile.inventory.cluster import COUNTRY
from tests.story.stage import PLACES, SITES, Stage, confirmed
from tests.story.test_kills import LONG

_PATIENCE_S = 60


@contextmanager
def _dask(*words: str, country: str = "") -> Iterator[subprocess.Popen[bytes]]:
    environ = {name: value for name, value in os.environ.items() if name != COUNTRY}
    environ |= {COUNTRY: country} if country else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Cluster:
    """A scheduler, and the workers that a test starts."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.address = ""

    @contextmanager
    def workers(
        self, number: int, *, country: str = "US", threads: int = 1
    ) -> Iterator[list[subprocess.Popen[bytes]]]:
        """So many workers, once the scheduler knows of them; ended at the end."""
        words = ("--scheduler-file", str(self.file), "--nthreads", str(threads), "--no-nanny")
        with ExitStack() as stack:
            started = [
                stack.enter_context(_dask("worker", *words, country=country)) for _ in range(number)
            ]
            with Client(self.address, set_as_default=False) as client:
                while len(client.nthreads()) != number:  # those of an earlier test leave
                    time.sleep(0.05)
            yield started


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler on this machine's loopback."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    with _dask("scheduler", "--port", "0", "--scheduler-file", str(file)):
        made = Cluster(file)
        deadline = time.monotonic() + _PATIENCE_S
        while not made.address and time.monotonic() < deadline:
            if file.exists() and file.stat().st_size:
                made.address = json.loads(file.read_text())["address"]
            time.sleep(0.05)
        yield made


def test_a_cluster_brings_home_and_erases_what_local_workers_do(
    stage: Stage, cluster: Cluster
) -> None:
    with cluster.workers(2):
        where = ("--cluster", cluster.address)
        stage.run("scan", *where).expect(1)
        stage.run("plan").expect(0)
        stage.run("move", *where).expect(0)
        stage.run("verify", *where).expect(0)
        stage.run("erase", *where, *confirmed(*SITES)).expect(0)
        deadline = time.monotonic() + 5
        while _sessions(stage):  # idle workers let go of what they had open
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert stage.problems() == []
    assert not list((stage.records / "cluster").iterdir())
    stage.run("ledger", "verify").expect(0)


def test_a_move_that_loses_a_worker_goes_on_when_it_is_run_again(
    planned: Stage, cluster: Cluster
) -> None:
    with cluster.workers(2) as workers:
        moving = planned.start("move", "--cluster", cluster.address)
        while not list((planned.records / "cluster").glob("*.claims/*")):
            assert moving.poll() is None
            time.sleep(0.01)
        workers[0].send_signal(signal.SIGKILL)
        out, err = moving.communicate(timeout=_PATIENCE_S)
        assert moving.returncode in (0, 1, 3), f"{out}\n{err}"
        assert list((planned.records / "cluster").glob("*.lease"))
    planned.run("move", "--workers", "1").expect(0)
    assert planned.home_problems() == []
    planned.run("verify", "--workers", "1").expect(0)
    planned.run("ledger", "verify").expect(0)


@pytest.mark.skipif(not LONG, reason="half a minute: it is part of make test-long")
def test_a_command_that_is_killed_ends_its_workers_and_resumes(
    planned: Stage, cluster: Cluster
) -> None:
    """A worker that was at work ends itself; an idle one lets go and serves the next command."""
    with cluster.workers(2) as workers:
        moving = planned.start("move", "--cluster", cluster.address)
        while not list((planned.records / "cluster").glob("*.claims/*")):
            assert moving.poll() is None
            time.sleep(0.01)
        moving.send_signal(signal.SIGSTOP)  # its lease lapses as if it had been killed at once
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)  # and nothing is finished before it is
        moving.send_signal(signal.SIGKILL)
        moving.communicate()
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        resumed = planned.start("move", "--workers", "1")
        out, err = resumed.communicate(timeout=2 * _PATIENCE_S)
        assert resumed.returncode == 0, f"{out}\n{err}"
        left = [worker for worker in workers if worker.poll() is None]
        assert _sessions(planned) == 0
        if left:
            planned.run("verify", "--cluster", cluster.address).expect(0)
    assert planned.home_problems() == []
    planned.run("verify", "--workers", "1").expect(0)
    planned.run("ledger", "verify").expect(0)


def _sessions(stage: Stage) -> int:
    """How many database sessions of Domicile's are open anywhere."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s"
    return sum(int(stage.execute(place, query, "domicile%")[0][0]) for place in PLACES)


def test_workers_that_may_not_or_cannot_work_are_refused_before_anything_is_touched(
    stage: Stage, cluster: Cluster
) -> None:
    scan = ("scan", "--cluster", cluster.address)
    with cluster.workers(1, country="SG"):
        assert "is in SG" in " ".join(stage.run(*scan).expect(2).err.split())
    with cluster.workers(1, country=""):
        assert "does not say its country" in " ".join(stage.run(*scan).expect(2).err.split())
    with cluster.workers(1, threads=2):
        assert "--nthreads 1" in " ".join(stage.run(*scan).expect(2).err.split())
    assert "no workers" in " ".join(stage.run(*scan).expect(3).err.split())
    assert "no scheduler" in stage.run("scan", "--cluster", "tcp://127.0.0.1:9").expect(3).err
    assert "no address" in stage.run("scan", "--cluster", "127.0.0.1:9").expect(2).err
    assert not (stage.records / "runs").exists()
