"""A log whose witnesses are away: what is recorded, what is published, and what comes of it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domicile.errors import SiteRefused
from domicile.ledger import Ledger, decode, encode, journal, read_only
from domicile.ledger.cosigning import NotCosigned
from domicile.ledger.disk import Disk
from domicile.ledger.door import Door
from domicile.ledger.note import Note, open_checkpoint, parse_note
from domicile.ledger.proofs import Prover
from domicile.ledger.sequencer import Sequencer
from tests.ledger.asking_world import NAMES, World, open_log, open_shared, published, witnessed
from tests.ledger.witness_world import LASTING, LOGS
from tests.ledger.world import ORIGIN, SIGNER, Noted, check, texts

PATIENCE_S = 30


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "witnesses")
    yield world
    world.stop()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


class Switched:
    """A cosigner that is away until it is told to be there; counts how often it was asked."""

    def __init__(self) -> None:
        self.is_there, self.asked = False, 0

    def cosign(self, note: Note, prover: Prover) -> Note:
        self.asked += 1
        if not self.is_there:
            raise NotCosigned("0 of 1 did", expected="1", next_step="see why")
        assert prover.root()  # the tiles that it proves with are there
        return note


def found(directory: Path) -> list[str]:
    entries = [decode(data).body for _, data in read_only(directory).entries()]
    return [body.text for body in entries if isinstance(body, Noted)]


def await_size(directory: Path, size: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (directory / "checkpoint").exists() and read_only(directory).size == size:
            return
        time.sleep(0.02)
    raise AssertionError(f"no checkpoint of size {size} was published")


def test_with_refuse_entries_are_durable_and_nothing_is_published(
    world: World, directory: Path
) -> None:
    world.start(NAMES[0])
    with open_shared(directory, world.asking(1, NAMES[0])) as ledger:
        ledger.append(texts("a", 2))
        before = published(directory)
        world.stop()
        with pytest.raises(NotCosigned, match="recorded and in no published checkpoint yet") as no:
            ledger.append(texts("b", 1))
        assert "0 of the 1 witnesses that must co-sign did (w1: no connection" in no.value.failed
        assert "published as soon as enough of them answer" in no.value.next_step
        assert ledger.append(texts("c", 3), integrated=False) == [3, 4, 5]
        assert published(directory) == before
        assert ledger.size == 2


def test_when_the_witnesses_are_back_all_is_published_without_another_append(
    directory: Path,
) -> None:
    cosigner = Switched()
    with open_shared(directory, cosigner) as ledger:
        with pytest.raises(NotCosigned):
            ledger.append(texts("a", 2))
        ledger.append(texts("b", 2), integrated=False)
        cosigner.is_there = True
        await_size(directory, 4)
    assert found(directory) == ["a0", "a1", "b0", "b1"]
    assert check(directory).sound


def test_a_log_reopened_with_its_witnesses_away_takes_entries_and_publishes_later(
    directory: Path,
) -> None:
    cosigner = Switched()
    for number in range(3):
        with open_shared(directory, cosigner) as ledger:
            assert ledger.append(texts(f"{number}-", 2), integrated=False) == [
                2 * number,
                2 * number + 1,
            ]
        assert not (directory / "checkpoint").exists()
        with pytest.raises(SiteRefused, match="has published no checkpoint yet"):
            read_only(directory)
    with open_shared(directory, cosigner):
        cosigner.is_there = True
        await_size(directory, 6)  # nothing was appended in this process
    assert found(directory) == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]
    assert check(directory).sound


def test_entries_that_only_the_journal_has_are_taken_into_the_tree_with_witnesses_away(
    tmp_path: Path,
) -> None:
    """A kill came between their acknowledgement and their integration."""
    cosigner, whole, killed = Switched(), tmp_path / "whole", tmp_path / "killed"
    cosigner.is_there = True
    with open_shared(whole, cosigner) as ledger:
        ledger.append(texts("a", 2))
    shutil.copytree(whole, killed)
    with open_shared(whole, cosigner) as ledger:
        ledger.append(texts("b", 2))
    shutil.rmtree(killed / ".log" / "journal")
    shutil.copytree(whole / ".log" / "journal", killed / ".log" / "journal")
    cosigner.is_there = False
    with open_shared(killed, cosigner) as ledger:
        assert ledger.append(texts("c", 1), integrated=False) == [4]
        assert ledger.size == 2
        cosigner.is_there = True
        await_size(killed, 5)
    assert found(killed) == ["a0", "a1", "b0", "b1", "c0"]


def test_opening_publishes_what_was_left_signed(directory: Path) -> None:
    cosigner = Switched()
    with open_log(directory, cosigner) as log:
        with pytest.raises(NotCosigned):
            log.append(texts("a", 2))
        assert log.is_ahead
        assert (log.size, log.published_size) == (2, 0)
    cosigner.is_there = True
    with open_log(directory, cosigner) as log:
        assert not log.is_ahead
        assert log.published_size == 2
    assert check(directory).sound


def test_what_a_repeated_id_asks_for_is_added_once_though_it_was_refused(directory: Path) -> None:
    cosigner = Switched()
    with open_shared(directory, cosigner) as ledger:
        for _ in range(3):
            with pytest.raises(NotCosigned):
                ledger.append(texts("a", 2), identity=bytes(16))
        cosigner.is_there = True
        assert ledger.append(texts("a", 2), identity=bytes(16)) == [0, 1]
        assert ledger.append(texts("b", 1)) == [2]
    assert found(directory) == ["a0", "a1", "b0"]


def test_a_process_at_the_door_is_told_too(directory: Path) -> None:
    cosigner = Switched()
    with open_shared(directory, cosigner), open_shared(directory, None) as other:
        with pytest.raises(SiteRefused, match="recorded and in no published checkpoint yet"):
            other.append(texts("a", 1))
        assert other.append(texts("b", 1), integrated=False) == [1]
        cosigner.is_there = True
        assert other.append(texts("c", 1)) == [2]
    assert found(directory) == ["a0", "b0", "c0"]


def test_what_waits_for_witnesses_is_no_reason_to_turn_callers_away(directory: Path) -> None:
    """The depth is for what is not in the signed tree yet."""
    log, disk = open_log(directory, Switched()), Disk()
    opened, groups = journal.Journal.open(directory / ".log" / "journal", disk)
    sequencer = Sequencer.start(log, opened, groups, Door(None), depth=3)
    for number in range(6):
        request = journal.Request.of(
            number.to_bytes(16, "big"), [encode(entry) for entry in texts(f"{number}", 2)]
        )
        receipt = sequencer.submit(request)
        assert receipt.durable(PATIENCE_S) == [2 * number, 2 * number + 1]
        with pytest.raises(NotCosigned):
            receipt.integrated(PATIENCE_S)
    assert (log.size, log.published_size) == (12, 0)
    sequencer.close()
    log.close()


def test_the_journal_is_not_trimmed_behind_what_is_published(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 4_096)
    monkeypatch.setattr(journal, "KEPT_REQUESTS", 1)
    cosigner = Switched()
    cosigner.is_there = True
    kept = directory / ".log" / "journal"
    with open_shared(directory, cosigner) as ledger:
        ledger.append(texts("a", 1))
        cosigner.is_there = False
        for number in range(30):
            ledger.append(texts(f"{number}-", 10), integrated=False)
        with pytest.raises(NotCosigned):
            ledger.append(texts("b", 1))
        assert len(list(kept.iterdir())) > 5
        first = min(kept.iterdir())
        cosigner.is_there = True
        await_size(directory, 302)
        ledger.append(texts("c", 1))
        ledger.append(texts("d", 1))
        assert not first.exists()
    assert len(found(directory)) == 304
    assert check(directory).sound


def test_partial_tiles_of_the_published_tree_stay_while_the_signed_one_outgrows_them(
    directory: Path,
) -> None:
    cosigner = Switched()
    cosigner.is_there = True
    with open_log(directory, cosigner) as log:
        log.append(texts("a", 5))
        note = published(directory)
        cosigner.is_there = False
        for number in range(3):
            with pytest.raises(NotCosigned):
                log.append(texts(f"{number}-", 200))
        assert published(directory) == note
        assert check(directory, seen=[note]).problems == ()
        assert read_only(directory).size == 5
        assert found(directory) == [f"a{number}" for number in range(5)]
        assert (directory / "tile" / "entries" / "000.p" / "5").exists()
        cosigner.is_there = True
        log.publish()
    assert check(directory, seen=[note]).sound
    assert check(directory).size == 605


def test_with_publish_fewer_cosign_and_it_is_said(world: World, directory: Path) -> None:
    world.start(NAMES[0])
    asking = world.asking(2, *NAMES[:2], publish=True)
    with open_shared(directory, asking) as ledger:
        assert ledger.append(texts("a", 2)) == [0, 1]
        assert witnessed(world, directory) == {NAMES[0]}
        world.stop()
        assert ledger.append(texts("b", 2)) == [2, 3]
    assert witnessed(world, directory) == set()
    assert open_checkpoint(published(directory), LOGS[ORIGIN]).size == 4
    (first, *_), last = asking.notices, asking.notices[-1]
    assert "only 1 of the 2 witnesses that must co-sign did (w2: no connection" in first
    assert "only 0 of the 2 witnesses" in last


def test_with_publish_witnesses_that_are_away_do_not_slow_the_log(
    world: World, directory: Path
) -> None:
    asking = world.asking(2, *NAMES[:2], publish=True)
    with open_log(directory, asking) as log:
        for number in range(20):
            log.append(texts(f"{number}", 1))
    asked = [one._not_before for one in asking._asked]
    assert all(moment > time.monotonic() for moment in asked)  # they are being left in peace
    assert check(directory).size == 20


def test_a_witness_sees_one_history_across_refusals(world: World, directory: Path) -> None:
    """The signed tree grows while one of two witnesses is away; the other co-signs each of its
    heads, and none is ever taken back."""
    world.start(NAMES[0])
    asking = world.asking(2, *NAMES[:2])
    with open_log(directory, asking) as log:
        for number in range(3):
            with pytest.raises(NotCosigned, match="1 of the 2"):
                log.append(texts(f"{number}", 3))
    world.start(NAMES[1])
    with open_log(directory, world.asking(2, *NAMES[:2])) as log:
        assert log.published_size == 9
    assert witnessed(world, directory) == set(NAMES[:2])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (1, "it has co-signed 6 entries of this log, which has 3 now: the log was rolled back"),
        (9, "it says that this log's tree does not follow the one it co-signed"),
    ],
)
def test_a_copy_of_a_log_that_goes_its_own_way_is_found_out(
    world: World, tmp_path: Path, more: int, said: str
) -> None:
    """A backup restored and continued: the same name and key, a second history."""
    world.start(NAMES[0])
    one, two = tmp_path / "one", tmp_path / "two"
    with open_log(one, world.asking(1, NAMES[0])) as log:
        log.append(texts("common", 2))
    shutil.copytree(one, two)
    with open_log(one, world.asking(1, NAMES[0])) as log:
        log.append(texts("one", 4))
    asking = world.asking(1, NAMES[0])
    with open_log(two, asking) as log:
        with pytest.raises(NotCosigned, match="0 of the 1"):
            log.append(texts("two", more))
        assert log.published_size == 2
    assert said in " ".join(asking.notices)


WRITER = """
import sys
from pathlib import Path
from domicile.ledger import Ledger
from domicile.ledger.cosigning import NotCosigned
from tests.ledger.witness_world import LASTING
from tests.ledger.world import ORIGIN, SIGNER, texts

class Away:
    def cosign(self, note, prover):
        print(note.encode().hex(), flush=True)
        raise NotCosigned("away")

with Ledger.open(Path(sys.argv[1]), [SIGNER, LASTING], ORIGIN, cosigner=Away()) as ledger:
    for number in range(100_000):
        ledger.append(texts(f"{sys.argv[2]}-{number}-", 7), integrated=False)
"""


def test_what_is_signed_and_unpublished_survives_kills_and_grows_on(directory: Path) -> None:
    """Every head that was signed, and shown to a witness, is of one history."""
    cosigner = Switched()
    cosigner.is_there = True
    with open_shared(directory, cosigner) as ledger:
        ledger.append(texts("begin", 3))
    shown: list[bytes] = []
    for number in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(directory), f"{number}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines(keepends=True)
        shown += [bytes.fromhex(line) for line in lines if line.endswith("\n")]
        assert read_only(directory).size == 3
    sizes = [open_checkpoint(note, LOGS[ORIGIN]).size for note in shown]
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0] > 3
    with open_shared(directory, cosigner) as ledger:
        ledger.append(texts("end", 1))
    assert check(directory, seen=shown).problems == ()
    texts_found = found(directory)
    assert len(texts_found) == len(set(texts_found)) > sizes[-1]


def test_a_log_that_is_ahead_and_closed_asks_once_more_and_ends(directory: Path) -> None:
    cosigner = Switched()
    ledger = Ledger.open(directory, [SIGNER, LASTING], ORIGIN, cosigner=cosigner)
    ledger.append(texts("a", 1), integrated=False)
    ledger.close()
    asked = cosigner.asked
    time.sleep(0.3)
    assert cosigner.asked == asked
    assert parse_note((directory / ".log" / "signed").read_bytes()).text.split("\n")[1] == "1"
