"""A command's lease: who may work under it, and when it is over."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from domicile.errors import SiteUnreachable, UsageError
from domicile.inventory import lease as module
from domicile.inventory.cluster import _Once
from domicile.inventory.lease import Lease, Watch, await_no_lease


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience in tenths of a second."""
    monkeypatch.setattr(module, "BEAT_S", 0.05)
    monkeypatch.setattr(module, "WORKER_S", 1.0)
    monkeypatch.setattr(module, "COMMAND_S", 2.0)


def leases(records: Path) -> list[Path]:
    return sorted((records / "cluster").glob("*.lease"))


def left_behind(records: Path) -> Path:
    """The lease of a command that was killed."""
    path = records / "cluster" / "gone.lease"
    path.with_suffix(".claims").mkdir(parents=True)
    path.write_bytes(b"%020d" % 5)
    return path


def test_a_command_that_ends_well_leaves_no_lease(tmp_path: Path) -> None:
    with Lease.taken(tmp_path) as lease, lease.kept(lambda: True):
        assert leases(tmp_path) == [lease.path]
    assert leases(tmp_path) == []
    assert list((tmp_path / "cluster").iterdir()) == []


@pytest.mark.parametrize("complete", [True, False])
def test_where_a_worker_may_still_be_at_work_the_lease_stays(
    tmp_path: Path, *, complete: bool
) -> None:
    def end() -> None:
        with Lease.taken(tmp_path) as lease, lease.kept(lambda: complete):
            (lease.path.with_suffix(".claims") / "task").touch()
            raise KeyError

    with pytest.raises(KeyError):
        end()
    assert len(leases(tmp_path)) == 1


def test_the_next_command_waits_until_no_worker_can_be_left_and_goes_on(tmp_path: Path) -> None:
    left_behind(tmp_path)
    begun = time.monotonic()
    await_no_lease(tmp_path)
    assert time.monotonic() - begun >= module.COMMAND_S > module.WORKER_S
    assert list((tmp_path / "cluster").iterdir()) == []


def test_the_next_command_is_refused_while_the_first_one_is_there(tmp_path: Path) -> None:
    with Lease.taken(tmp_path), pytest.raises(UsageError, match="another command works"):
        await_no_lease(tmp_path)


def test_whoever_sees_the_commands_lock_is_in_reach(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from domicile.inventory.lease import is_out_of_reach;"
        "print(is_out_of_reach(Path(sys.argv[1])))"
    )

    def ask(path: Path) -> str:
        command = [sys.executable, "-c", script, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with Lease.taken(tmp_path) as lease:
        assert ask(lease.path) == "False"
    path = left_behind(tmp_path)
    path.with_suffix(module.LOCK).touch()  # nobody holds it, or the file system keeps it to itself
    assert ask(path) == "True"


def test_a_worker_works_while_the_lease_changes(tmp_path: Path) -> None:
    with Lease.taken(tmp_path) as lease, Watch(lease.path).working():
        pass


@pytest.mark.parametrize("removed", [True, False])
def test_a_worker_does_nothing_for_a_command_that_is_gone(tmp_path: Path, *, removed: bool) -> None:
    path = left_behind(tmp_path)
    if removed:
        path.unlink()
    watch = Watch(path)
    with pytest.raises(SiteUnreachable, match="is gone"), watch.working():
        raise AssertionError


def test_a_task_runs_once_however_often_the_scheduler_gives_it_out(tmp_path: Path) -> None:
    ran = list[int]()
    lock = threading.Barrier(4, timeout=10)
    refused = list[str]()

    with Lease.taken(tmp_path) as lease:
        once = _Once(lease.path.resolve(), "claim", ran.append)

        def give() -> None:
            lock.wait()
            try:
                once(1)
            except SiteUnreachable as error:
                refused.append(str(error))

        threads = [threading.Thread(target=give) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ran == [1]
    assert len(refused) == 3


def test_an_idle_worker_lets_go_when_the_command_has_ended(tmp_path: Path) -> None:
    released = list[float]()
    with Lease.taken(tmp_path) as lease:
        watch = Watch(lease.path, lambda: released.append(time.monotonic()))
        with watch.working():
            pass
        assert released == []
    eventually(lambda: len(released) == 1)
    with pytest.raises(SiteUnreachable, match="is gone"), watch.working():
        raise AssertionError


def test_a_watch_that_is_retired_releases_nothing(tmp_path: Path) -> None:
    released = list[int]()
    with Lease.taken(tmp_path) as lease:
        watch = Watch(lease.path, lambda: released.append(1))
        with watch.working():
            watch.retire()
    eventually(lambda: watch._gone)
    time.sleep(5 * module.BEAT_S)
    assert released == []


def test_a_worker_whose_lease_lapsed_while_it_was_idle_comes_back_when_it_changes_again(
    tmp_path: Path,
) -> None:
    path = left_behind(tmp_path)
    released = list[int]()
    watch = Watch(path, lambda: released.append(1))
    with beating(path, 6), watch.working():
        pass
    eventually(lambda: len(released) == 1)
    with pytest.raises(SiteUnreachable, match="is gone"), watch.working():
        raise AssertionError
    with beating(path, 1_000), watch.working():
        pass


@contextmanager
def beating(path: Path, number: int) -> Iterator[None]:
    """The lease changes, as often as a command changes it."""
    stop = threading.Event()

    def beat() -> None:
        for beats in count(number):
            path.write_bytes(b"%020d" % beats)
            if stop.wait(module.BEAT_S):
                break

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
