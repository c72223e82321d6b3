"""Appending through the sequencer: acknowledgements, repetitions, push-back, restarts, faults."""

from __future__ import annotations

import errno
import shutil
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger import Ledger, door, encode
from domicile.ledger import ledger as facade
from domicile.ledger import sequencer as module
from domicile.ledger.disk import Disk
from domicile.ledger.door import Busy, Door, connect, encode_request
from domicile.ledger.journal import MAX_GROUP_BYTES, Journal, Request
from domicile.ledger.log import Log
from domicile.ledger.sequencer import Sequencer
from tests.ledger.world import ORIGIN, SIGNER, FaultyDisk, check, noted, open_ledger, texts


def open_shared(directory: Path, disk: Disk | None = None) -> Ledger:
    return Ledger.open(directory, [SIGNER], ORIGIN, disk=disk)


def request(number: int, *names: str) -> Request:
    return Request.of(number.to_bytes(16, "big"), [encode(noted(name)) for name in names])


def stored(directory: Path) -> list[bytes]:
    with open_ledger(directory) as log:
        return [data for _, data in log.entries()]


class Alone:
    """A sequencer without a door, whose integrator waits for a word."""

    def __init__(self, directory: Path, disk: Disk | None = None, depth: int = 100) -> None:
        disk = disk or Disk()
        self.log = open_ledger(directory, disk)
        journal, groups = Journal.open(directory / ".log" / "journal", disk)
        self.sequencer = Sequencer.start(self.log, journal, groups, Door(None), depth=depth)
        self.may = threading.Event()
        extend: Callable[[list[bytes]], list[int]] = self.log.extend

        def later(entries: list[bytes]) -> list[int]:
            self.may.wait()
            return extend(entries)

        self.log.extend = later  # type: ignore[method-assign,assignment]

    def close(self) -> None:
        self.may.set()
        self.sequencer.close()
        self.log.close()


def test_durable_comes_before_integrated(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    receipt = alone.sequencer.submit(request(1, "a", "b"))
    assert receipt.durable(10) == [0, 1]
    with pytest.raises(TimeoutError):
        receipt.integrated(0.05)
    assert alone.log.size == 0
    alone.may.set()
    assert receipt.integrated(10) == 2
    alone.close()
    assert check(tmp_path).sound


def test_closing_integrates_what_is_durable(tmp_path: Path) -> None:
    with open_shared(tmp_path) as ledger:
        assert ledger.append(texts("a", 3), integrated=False) == [0, 1, 2]
    assert len(stored(tmp_path)) == 3
    assert check(tmp_path).sound


def test_the_order_of_acknowledgements_is_the_order_of_the_log(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    receipts = [alone.sequencer.submit(request(number, f"{number}")) for number in range(50)]
    assert [receipt.durable(10) for receipt in receipts] == [[number] for number in range(50)]
    alone.close()
    assert stored(tmp_path) == [encode(noted(f"{number}")) for number in range(50)]


def test_a_repeated_id_gets_the_first_answer_and_adds_nothing(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    first = alone.sequencer.submit(request(7, "a", "b"))
    again = alone.sequencer.submit(request(7, "a", "b"))
    other = alone.sequencer.submit(request(8, "c"))
    assert (first.durable(10), again.durable(10), other.durable(10)) == ([0, 1], [0, 1], [2])
    late = alone.sequencer.submit(request(7, "a", "b"))
    assert late.durable(10) == [0, 1]
    alone.may.set()
    assert late.integrated(10) >= 2
    assert alone.sequencer.submit(request(7, "a", "b")).integrated(10) == 3
    alone.close()
    assert len(stored(tmp_path)) == 3


def test_an_id_is_known_after_a_restart(tmp_path: Path) -> None:
    identity = bytes(16)
    for _ in range(3):
        with open_shared(tmp_path) as ledger:
            assert ledger.append(texts("a", 2), identity=identity) == [0, 1]
    assert len(stored(tmp_path)) == 2


def test_an_id_is_forgotten_beyond_the_window_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_REQUESTS", 3)
    with open_shared(tmp_path) as ledger:
        for number in range(4):
            ledger.append(texts(f"{number}", 1), identity=number.to_bytes(16, "big"))
        assert ledger.append(texts("1", 1), identity=(1).to_bytes(16, "big")) == [1]
        assert ledger.append(texts("0", 1), identity=bytes(16)) == [4]


def test_beyond_the_depth_callers_are_turned_away_and_nothing_is_recorded(tmp_path: Path) -> None:
    alone = Alone(tmp_path, depth=3)
    assert alone.sequencer.submit(request(1, "a", "b")).durable(10) == [0, 1]
    with pytest.raises(Busy, match="busy: 2 entries wait"):
        alone.sequencer.submit(request(2, "c", "d"))
    last = alone.sequencer.submit(request(3, "e"))
    with pytest.raises(Busy):
        alone.sequencer.submit(request(4, "f"))
    alone.may.set()
    assert last.integrated(10) == 3
    assert alone.sequencer.submit(request(2, "c", "d")).integrated(10) == 5
    alone.close()
    assert stored(tmp_path) == [encode(noted(name)) for name in "abecd"]


@pytest.mark.parametrize(
    "bad",
    [
        Request.of(b"short", [b"x"]),
        Request.of(bytes(16), []),
        Request.of(bytes(16), [bytes(60_000)] * (MAX_GROUP_BYTES // 120_000 + 1)),
    ],
)
def test_what_can_be_no_request_is_refused_at_once(tmp_path: Path, bad: Request) -> None:
    alone = Alone(tmp_path)
    with pytest.raises(UsageError):
        alone.sequencer.submit(bad)
    alone.close()


def test_what_is_durable_and_not_integrated_is_integrated_at_the_next_opening(
    tmp_path: Path,
) -> None:
    alone = Alone(tmp_path / "ledger")
    alone.sequencer.submit(request(1, "a", "b")).durable(10)
    shutil.copytree(tmp_path / "ledger", tmp_path / "killed")
    alone.close()
    with open_shared(tmp_path / "killed") as ledger:
        assert ledger.size == 2
        assert ledger.append(texts("c", 1)) == [2]
    assert check(tmp_path / "killed").sound


def test_a_journal_restored_behind_the_signed_state_loses_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "ledger"
    with open_shared(directory) as ledger:
        ledger.append(texts("a", 2))
    shutil.copytree(directory / ".log" / "journal", tmp_path / "old")
    with open_shared(directory) as ledger:
        ledger.append(texts("b", 2))
    shutil.rmtree(directory / ".log" / "journal")
    shutil.copytree(tmp_path / "old", directory / ".log" / "journal")
    with open_shared(directory) as ledger:
        assert ledger.size == 4
        assert ledger.append(texts("c", 1)) == [4]
    with open_shared(directory) as ledger:  # and the journal is in one piece
        assert ledger.append(texts("d", 1)) == [5]
    assert check(directory).sound


def test_a_journal_that_begins_behind_a_gap_halts(tmp_path: Path) -> None:
    with open_shared(tmp_path / "long") as ledger:
        ledger.append(texts("a", 3))
    shutil.rmtree(tmp_path / "long" / ".log" / "journal")
    with open_shared(tmp_path / "long") as ledger:
        ledger.append(texts("b", 1))
    with open_shared(tmp_path / "short") as ledger:
        ledger.append(texts("a", 1))
    shutil.rmtree(tmp_path / "short" / ".log" / "journal")
    shutil.copytree(tmp_path / "long" / ".log" / "journal", tmp_path / "short" / ".log" / "journal")
    with pytest.raises(EvidenceError, match="entries 1 to 2 are missing"):
        open_shared(tmp_path / "short")


def test_a_journal_of_another_history_halts(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with open_shared(tmp_path / name) as ledger:
            ledger.append(texts(name, 2))
    shutil.rmtree(tmp_path / "one" / ".log" / "journal")
    shutil.copytree(tmp_path / "two" / ".log" / "journal", tmp_path / "one" / ".log" / "journal")
    with pytest.raises(EvidenceError, match="entry 0 is another in the journal"):
        open_shared(tmp_path / "one")
    open_ledger(tmp_path / "one").close()  # the lock is free again


def test_a_failed_fsync_of_the_journal_ends_the_sequencer(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with open_shared(tmp_path, disk) as ledger:
        ledger.append(texts("a", 1))
        disk.fail_next("sync data")
        with pytest.raises(SiteRefused, match="unknown whether the entries are recorded") as failed:
            ledger.append(texts("b", 1), identity=bytes(16))
        assert "same id" in failed.value.next_step
        with pytest.raises(SiteRefused, match="an fsync failed"):
            ledger.append(texts("c", 1))
    with open_shared(tmp_path) as ledger:
        assert ledger.append(texts("b", 1), identity=bytes(16)) == [1]
    assert check(tmp_path).sound


def test_no_room_for_the_journal_records_nothing_and_it_goes_on(tmp_path: Path) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    with open_shared(tmp_path, disk) as ledger:
        disk.fail_next("create")
        with pytest.raises(SiteRefused, match="were not recorded: No space"):
            ledger.append(texts("a", 1))
        assert ledger.append(texts("b", 1)) == [0]
    assert stored(tmp_path) == [encode(noted("b0"))]


def test_no_room_for_the_tree_is_said_and_made_up_for(tmp_path: Path) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    with open_shared(tmp_path, disk) as ledger:
        ledger.append(texts("a", 1))
        disk.fail_next("rename 2")
        with pytest.raises(SiteRefused, match="recorded and in no signed checkpoint yet"):
            ledger.append(texts("b", 1), identity=bytes(16))
        assert ledger.append(texts("b", 1), identity=bytes(16)) == [1]
        assert ledger.append(texts("c", 1)) == [2]
    assert stored(tmp_path) == [encode(noted(name)) for name in ("a0", "b0", "c0")]
    assert check(tmp_path).sound


def test_two_ledgers_on_one_log_share_it(tmp_path: Path) -> None:
    with open_shared(tmp_path) as one, open_shared(tmp_path) as two:
        assert two.append(texts("a", 2)) == [0, 1]
        assert one.append(texts("b", 1)) == [2]
        assert two.append(texts("a", 2), identity=bytes(16), integrated=False) == [3, 4]
        assert one.append(texts("a", 2), identity=bytes(16)) == [3, 4]
        assert two.size == one.size == 5
    assert check(tmp_path).sound


def test_when_the_sequencer_leaves_another_takes_its_place(tmp_path: Path) -> None:
    one, two, three = open_shared(tmp_path), open_shared(tmp_path), open_shared(tmp_path)
    assert two.append(texts("a", 1)) == [0]
    one.close()
    assert two.append(texts("b", 1)) == [1]
    assert three.append(texts("c", 1)) == [2]
    two.close()
    assert three.append(texts("d", 1)) == [3]
    three.close()
    assert not (tmp_path / ".log" / "door").exists()
    assert check(tmp_path).sound


def test_a_long_path_has_a_door_too(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 90) / ("y" * 90)
    with open_shared(directory), open_shared(directory) as two:
        assert two.append(texts("a", 1)) == [0]


def test_the_door_is_for_its_owner_alone(tmp_path: Path) -> None:
    with open_shared(tmp_path):
        assert (tmp_path / ".log" / "door").stat().st_mode & 0o777 == 0o600


def test_a_log_whose_holder_does_not_answer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facade, "_PATIENCE_S", 0.1)
    with open_ledger(tmp_path), pytest.raises(UsageError, match="written by somebody else"):
        open_shared(tmp_path)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x16\x01" + bytes(16) + b"\x00\x01\x00\x02a",  # its bundle is cut off
        b"\x00\x00\x00\x16\x09" + bytes(16) + b"\x00\x01\x00\x01a",  # of no known kind
        b"\x00\x00\x00\x16\x01" + bytes(16) + b"\x00\x00\x00\x01a",  # of no entries
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_cut_off_and_others_go_on(tmp_path: Path, sent: bytes) -> None:
    with open_shared(tmp_path) as ledger:
        with connect(tmp_path / ".log" / "door", 10) as stranger:
            stranger.sendall(sent)
            assert stranger.recv(1) == b""
        assert ledger.append(texts("a", 1)) == [0]


def test_one_who_sends_half_a_request_holds_up_nobody(tmp_path: Path) -> None:
    data = encode_request(request(1, "slow"), integrated=True)
    with open_shared(tmp_path) as ledger, connect(tmp_path / ".log" / "door", 10) as slow:
        slow.sendall(data[:30])
        assert ledger.append(texts("a", 1)) == [0]
        slow.sendall(data[30:] + data)  # the second is a repetition
        assert b"".join(_read(slow, 27) for _ in range(4)).count(b"I") >= 2
        assert ledger.append(texts("b", 1)) == [2]


def test_one_who_reads_no_answers_is_cut_off_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_MAX_UNSENT_BYTES", 10_000)
    with open_shared(tmp_path) as ledger, connect(tmp_path / ".log" / "door", 5) as deaf:
        flood = (encode_request(request(n, "x"), integrated=False) for n in range(100_000))
        with pytest.raises(ConnectionError):
            deque(map(deaf.sendall, flood), maxlen=0)
        (index,) = ledger.append(texts("a", 1))
        assert index > 0


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += connection.recv(count - len(data))
    return data


def test_a_log_without_private_files_is_continued(tmp_path: Path) -> None:
    with open_shared(tmp_path) as ledger:
        ledger.append(texts("a", 3))
    shutil.rmtree(tmp_path / ".log")
    with open_shared(tmp_path) as ledger:
        assert ledger.append(texts("b", 1)) == [3]


def test_a_log_opened_by_its_files_alone_takes_over_from_the_journal(tmp_path: Path) -> None:
    """Appending without a journal, as before there was one, leaves a journal that is behind."""
    with open_shared(tmp_path) as ledger:
        ledger.append(texts("a", 1))
    with Log.open(tmp_path, [SIGNER], ORIGIN) as log:
        log.append(texts("b", 1))
    with open_shared(tmp_path) as ledger:
        assert ledger.append(texts("c", 1)) == [2]
    with open_shared(tmp_path) as ledger:
        assert ledger.size == 3
