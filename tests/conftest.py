"""The servers that the tests share, and where their files lie: in memory, where there is room."""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.story.forking import forker

pytest_plugins = [
    "tests.covering",
    "tests.services.objects",
    "tests.services.oci_vault",
    "tests.services.openbao",
    "tests.services.postgres",
    "tests.services.roots",
    "tests.services.softhsm",
]

_HERE = Path(__file__).parent
SOURCE = _HERE.parent / "src" / "domicile"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_ROOM_BYTES = 6 << 30
_LOCK = "of-the-run"
_BEGINS_S = 60
_LONG = (
    "story/",
    "strangers/",
    "demo/",
    "erase/test_shred_commands.py",
    "ledger/test_kill.py",
    "ledger/test_power_loss.py",
)
"""Where the tests that take seconds each lie."""

# How long an example takes depends on who else uses the machine.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Before anything else, once: what some hundred commands would each do again."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    compileall.compile_dir(SOURCE, quiet=2)  # else none is kept under PYTHONDONTWRITEBYTECODE
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        _make_everything_in_memory(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long tests first, for each worker as many: what is left at the end is quick.

    A worker begins with an equal part of the list, in its order, and takes from the end of
    another's when it has done its own (``--dist worksteal``).
    """
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    items[:] = _spread(items, workers)


def _spread(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    long: list[pytest.Item] = []
    quick: list[pytest.Item] = []
    for item in items:
        (long if _is_long(item.path) else quick).append(item)
    spread: list[pytest.Item] = []
    for worker in range(workers):
        mine, left = long[worker::workers], workers - worker
        room = (len(items) - len(spread)) // left - len(mine)
        spread += mine + quick[: max(room, 0)]
        del quick[: max(room, 0)]
    return spread + quick


def _is_long(path: Path) -> bool:
    return path.is_relative_to(_HERE) and str(path.relative_to(_HERE)).startswith(_LONG)


def _make_everything_in_memory(config: pytest.Config) -> None:
    """Servers, buckets and records are put back some hundred times: a disk takes longer over their
    many small files than Domicile does over the story.

    No test rests on what a disk keeps when the power fails, but on what was asked of it (see
    `tests.ledger.power`). ``TMPDIR=/var/tmp make test`` puts it all on a disk.
    """
    for left in _MEMORY.glob("dom-*"):
        _remove_if_left(left)
    directory = Path(tempfile.mkdtemp(prefix="dom-", dir=_MEMORY))
    lock = (directory / _LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    config.add_cleanup(lock.close)
    directory.chmod(0o755)  # servers run as another user where we are root
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)  # of the workers and commands too
    config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))


def _remove_if_left(directory: Path) -> None:
    """Give back what a run that was killed still holds: nobody has its lock. A directory without
    one was made again by a server that stopped after its run, or is being made just now."""
    with contextlib.suppress(OSError):
        if not (directory / _LOCK).exists() and time.time() - directory.stat().st_mtime < _BEGINS_S:
            return
    with contextlib.suppress(OSError), (directory / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)


def _has_room(directory: Path) -> bool:
    """Whether some gigabytes may be written there, and programs started."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC


@pytest.fixture(scope="session", autouse=True)
def _a_reader_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What commands remember of the ledgers they verified stays out of the user's own state."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def _commands_end() -> Iterator[None]:
    yield
    if forker.cache_info().currsize:
        forker().close()
