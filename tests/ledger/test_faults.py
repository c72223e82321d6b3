"""Every call to the disk breaks twice: it fails, or it succeeds and reports failure."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from domicile.errors import SiteRefused
from domicile.ledger import Entry, decode
from tests.ledger.world import Fault, FaultyDisk, Noted, check, fill, open_ledger, texts

# 254 entries lie there already: the appends make a partial tile, complete it, and go beyond.
BATCHES = [texts("a", 1), texts("b", 2), texts("c", 1)]
FAULTS: list[Fault] = ["failed", "done but reported failed"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("begun") / "ledger"
    fill(directory, texts("before", 254))
    return directory


def run(directory: Path, disk: FaultyDisk) -> tuple[list[Entry], list[Entry] | None]:
    """What was acknowledged, and the batch in doubt (empty: the opening failed; None: no fault)."""
    acknowledged: list[Entry] = []
    try:
        ledger = open_ledger(directory, disk)
    except SiteRefused:
        return acknowledged, []
    with ledger:
        for batch in BATCHES:
            try:
                ledger.append(batch)
            except SiteRefused:
                return acknowledged, batch
            acknowledged += batch
    return acknowledged, None


def calls(begun: Path | None, tmp_path: Path) -> list[str]:
    directory = tmp_path / "counted"
    if begun:
        shutil.copytree(begun, directory)
    disk = FaultyDisk()
    assert run(directory, disk)[1] is None
    return disk.calls


def released(directory: Path) -> list[bytes]:
    """Every signed note that somebody may have seen."""
    names = [directory / "checkpoint", directory / ".log" / "signed"]
    return [name.read_bytes() for name in names if name.exists()]


def settle(directory: Path, acknowledged: list[Entry], doubtful: list[Entry]) -> None:
    """Reopen and go on: what was acknowledged is there once, the doubtful batch wholly or not."""
    seen = released(directory)
    with open_ledger(directory) as ledger:
        entries = [decode(data).body for _, data in ledger.entries()]
        ledger.append(texts("after", 3))
    found = [body.text for body in entries if isinstance(body, Noted)]
    found = [text for text in found if not text.startswith("before")]
    kept = [entry.body.text for entry in acknowledged if isinstance(entry.body, Noted)]
    maybe = [entry.body.text for entry in doubtful if isinstance(entry.body, Noted)]
    assert found in (kept, kept + maybe)
    verification = check(directory, seen=seen)
    assert verification.problems == ()
    assert verification.notices == ()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_broken_call_of_opening_and_appending_is_survived(
    begun: Path, tmp_path: Path, fault: Fault
) -> None:
    count = calls(begun, tmp_path)
    assert {"rename signed", "rename checkpoint", "remove directory"} <= set(count)
    for at, call in enumerate(count):
        directory = tmp_path / f"{at}"
        shutil.copytree(begun, directory)
        acknowledged, doubtful = run(directory, FaultyDisk(at, fault))
        # Dropping superseded partial tiles comes after the acknowledgement and may fail unseen.
        assert (doubtful is None) == call.startswith("remove"), (at, call)
        settle(directory, acknowledged, doubtful or [])


@pytest.mark.parametrize("fault", FAULTS)
def test_every_broken_call_of_a_new_log_is_survived(tmp_path: Path, fault: Fault) -> None:
    count = calls(None, tmp_path)
    for at, call in enumerate(count):
        directory = tmp_path / f"{at}"
        acknowledged, doubtful = run(directory, FaultyDisk(at, fault))
        assert doubtful is not None, (at, call)
        settle(directory, acknowledged, doubtful)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("interrupted", ["rename signed", "rename checkpoint"])
def test_a_recovery_that_is_broken_itself_is_survived(
    begun: Path, tmp_path: Path, fault: Fault, interrupted: str
) -> None:
    """First an append breaks off around its publishing, then every call of the opening after."""
    broken = tmp_path / "broken"
    shutil.copytree(begun, broken)
    at = calls(begun, tmp_path).index(interrupted)
    acknowledged, doubtful = run(broken, FaultyDisk(at, fault))
    assert doubtful == BATCHES[0]
    disk = FaultyDisk()
    shutil.copytree(broken, tmp_path / "recovered")
    open_ledger(tmp_path / "recovered", disk).close()
    for at in range(len(disk.calls)):
        directory = tmp_path / f"{at}"
        shutil.copytree(broken, directory)
        with pytest.raises(SiteRefused):
            open_ledger(directory, FaultyDisk(at, fault))
        settle(directory, acknowledged, doubtful)
