"""The tree in a process of its own: who dies when, who signs, and what each leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger import Ledger, decode
from domicile.ledger import ledger as facade
from domicile.ledger.apart import LogApart
from domicile.ledger.cosigning import Cosigner, NotCosigned
from domicile.ledger.note import Note
from domicile.ledger.proofs import Prover
from domicile.ledger.tiles import encode_bundle
from tests.ledger.world import ORIGIN, SIGNER, Noted, check, fill, noted, open_ledger, texts

SERVER = multiprocessing.get_context("forkserver")


def open_apart(directory: Path, cosigner: Cosigner | None = None) -> Ledger:
    return Ledger.open(directory, [SIGNER], ORIGIN, cosigner=cosigner, apart=True)


def growers(parent: int) -> list[int]:
    """The processes that grow trees for this one."""
    return [
        int(directory.name)
        for directory in Path("/proc").iterdir()
        if directory.name.isdecimal() and _grows_for(directory, parent)
    ]


def _grows_for(directory: Path, parent: int) -> bool:
    try:
        status = (directory / "stat").read_text().rpartition(")")[2].split()
        return int(status[1]) == parent and b"ledger.apart" in (directory / "cmdline").read_bytes()
    except OSError:
        return False


def wait_for(path: Path) -> str:
    while not path.exists() or not path.read_text().endswith("\n"):
        time.sleep(0.01)
    return path.read_text()


def append_and_wait(directory: Path, said: Path, fork: bool) -> None:  # noqa: FBT001 - picklable
    """Append, say who grows the tree, append what will not be integrated, and wait for the end."""
    ledger = open_apart(directory)
    ledger.append(texts("early", 3))
    (grower,) = growers(os.getpid())
    if fork and os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    os.kill(grower, signal.SIGSTOP)
    ledger.append(texts("late", 3), integrated=False)
    said.write_text(f"{grower}\n")
    time.sleep(60)


def kill_sequencer(directory: Path, said: Path, *, fork: bool = False) -> int:
    """A sequencer killed while the process that grows its tree is stopped in the middle; that
    process' id."""
    sequencer: BaseProcess = SERVER.Process(target=append_and_wait, args=(directory, said, fork))
    sequencer.start()
    grower = int(wait_for(said))
    sequencer.kill()
    sequencer.join(30)
    return grower


def stored(directory: Path) -> list[str]:
    with Ledger.open(directory, [SIGNER], ORIGIN) as ledger:
        bodies = [decode(data).body for _, data in ledger.entries()]
    return [body.text for body in bodies if isinstance(body, Noted)]


EARLY_AND_LATE = [f"{when}{number}" for when in ("early", "late") for number in range(3)]


class Recording:
    """A key that notes in which process it signed."""

    name, vkey = SIGNER.name, SIGNER.vkey

    def __init__(self) -> None:
        self.processes: set[int] = set()

    def sign(self, message: bytes) -> bytes:
        self.processes.add(os.getpid())
        return SIGNER.sign(message)


class Moody:
    """Witnesses that co-sign when they like to."""

    def __init__(self) -> None:
        self.like = True
        self.sizes: list[int] = []

    def cosign(self, note: Note, prover: Prover) -> Note:
        if not self.like:
            raise NotCosigned("too few witnesses", expected="2", next_step="wait for them")
        assert len(prover.consistency(0)) == 0
        self.sizes.append(prover.size)
        return note


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[LogApart]:
    log = LogApart(tmp_path, [SIGNER], ORIGIN, None)
    yield log
    log.close()


def test_the_log_is_the_same_as_one_that_grows_here(tmp_path: Path) -> None:
    for directory, apart in ((tmp_path / "apart", True), (tmp_path / "here", False)):
        with Ledger.open(directory, [SIGNER], ORIGIN, apart=apart) as ledger:
            for count in (1, 300, 2):
                ledger.append(texts(f"{count}-", count))
            assert ledger.size == 303
        assert check(directory).sound
    roots = {Ledger.open(tmp_path / name, [SIGNER], ORIGIN).root for name in ("apart", "here")}
    assert len(roots) == 1


def test_the_other_process_asks_for_signatures_and_ends_with_the_log(tmp_path: Path) -> None:
    signer = Recording()
    with Ledger.open(tmp_path, [signer], ORIGIN, apart=True) as ledger:
        ledger.append(texts("a", 1))
        assert len(growers(os.getpid())) == 1
    assert signer.processes == {os.getpid()}
    assert growers(os.getpid()) == []
    assert check(tmp_path).sound


def test_what_is_not_cosigned_is_signed_and_published_when_it_is(tmp_path: Path) -> None:
    witnesses = Moody()
    with open_apart(tmp_path, witnesses) as ledger:
        ledger.append(texts("a", 1))
        witnesses.like = False
        with pytest.raises(NotCosigned, match="recorded and in no published checkpoint"):
            ledger.append(texts("b", 1))
        assert ledger.size == 1
        witnesses.like = True
        ledger.append(texts("c", 1))
        assert ledger.size == 3
    assert witnesses.sizes[-1] == 3


def test_a_log_that_cannot_be_opened_is_refused_as_here(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 3))
    with open_ledger(tmp_path), pytest.raises(UsageError, match="written by somebody else"):
        LogApart(tmp_path, [SIGNER], ORIGIN, None)
    (tmp_path / "tile" / "0" / "000.p" / "3").write_bytes(bytes(96))
    with pytest.raises(EvidenceError, match="do not fit their hashes"):
        LogApart(tmp_path, [SIGNER], ORIGIN, None)
    assert growers(os.getpid()) == []


def test_an_error_there_is_the_error_here(tmp_path: Path, apart: LogApart) -> None:
    (tmp_path / ".log" / "tmp").rmdir()
    with pytest.raises(SiteRefused, match="2 entries were not recorded"):
        apart.grow(encode_bundle([b"a", b"b"]), 2)
    (tmp_path / ".log" / "tmp").mkdir()
    apart.grow(encode_bundle([b"a", b"b"]), 2)
    assert (apart.size, apart.published_size, apart.ended) == (2, 2, "")


def test_an_interrupt_from_the_terminal_ends_nothing_there(apart: LogApart) -> None:
    (grower,) = growers(os.getpid())
    os.kill(grower, signal.SIGINT)
    apart.grow(encode_bundle([b"a"]), 1)
    assert apart.size == 1


def test_a_sequencer_killed_while_its_tree_grows_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody begins beside a tree that somebody still writes; then everything acknowledged is
    there, once, and nothing was signed without its sequencer."""
    directory = tmp_path / "ledger"
    grower = kill_sequencer(directory, tmp_path / "said")
    before = (directory / "checkpoint").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(facade, "_PATIENCE_S", 0.2)
        with pytest.raises(UsageError, match="written by somebody else"):
            open_apart(directory)
    os.kill(grower, signal.SIGCONT)
    assert stored(directory) == EARLY_AND_LATE
    assert check(directory, seen=[before]).sound


def test_a_sequencers_forked_child_does_not_keep_its_tree_alive(tmp_path: Path) -> None:
    directory = tmp_path / "ledger"
    os.kill(kill_sequencer(directory, tmp_path / "said", fork=True), signal.SIGCONT)
    assert stored(directory) == EARLY_AND_LATE


def test_a_tree_killed_while_its_sequencer_lives_ends_it_and_loses_nothing(tmp_path: Path) -> None:
    with open_apart(tmp_path) as ledger:
        assert ledger.append(texts("early", 3)) == [0, 1, 2]
        (grower,) = growers(os.getpid())
        os.kill(grower, signal.SIGKILL)
        with pytest.raises(SiteRefused, match=r"unknown .* process that writes its tree ended"):
            ledger.append(texts("late", 3), identity=bytes(16))
        with pytest.raises(SiteRefused, match="takes no entries"):
            ledger.append([noted("refused")])
    with open_apart(tmp_path) as ledger:
        assert ledger.append(texts("late", 3), identity=bytes(16)) == [3, 4, 5]
    assert stored(tmp_path) == EARLY_AND_LATE
    assert check(tmp_path).sound
