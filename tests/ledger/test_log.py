from __future__ import annotations

import errno
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger import Entry, FileSigner, Log, decode, encode, read_only
from domicile.ledger.keys import Verifier
from domicile.ledger.note import open_checkpoint
from domicile.ledger.tiles import tiles_of
from tests.ledger.world import (
    BEGIN,
    CHARTER,
    ORIGIN,
    SIGNER,
    FaultyDisk,
    Noted,
    check,
    fill,
    noted,
    open_ledger,
    texts,
)


def stored(ledger: Log) -> list[str]:
    bodies = [decode(data).body for _, data in ledger.entries()]
    return [body.text for body in bodies if isinstance(body, Noted)]


def test_a_new_log_publishes_the_empty_tree_and_its_key(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger") as ledger:
        assert ledger.size == 0
        assert ledger.append([]) == []
    head = open_checkpoint(
        (tmp_path / "ledger" / "checkpoint").read_bytes(), [Verifier.parse(SIGNER.vkey)]
    )
    assert (head.origin, head.size) == (ORIGIN, 0)
    assert (tmp_path / "ledger" / "log.vkey").read_text() == SIGNER.vkey + "\n"
    assert check(tmp_path / "ledger").sound


def test_append_returns_indices_and_entries_come_back_in_order(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert ledger.append(texts("a", 3)) == [0, 1, 2]
        assert ledger.append(texts("b", 2)) == [3, 4]
        assert stored(ledger) == ["a0", "a1", "a2", "b0", "b1"]
        assert [index for index, _ in ledger.entries(3)] == [3, 4]
        assert [index for index, _ in ledger.entries(5)] == []


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 1000])
def test_every_size_has_its_tiles_and_survives_reopening(tmp_path: Path, size: int) -> None:
    fill(tmp_path, texts("a", size - 1))
    with open_ledger(tmp_path) as ledger:
        assert ledger.append(texts("z", 1)) == [size - 1]
        root = ledger.root
    paths = {tile.path for tile in tiles_of(size)}
    assert all((tmp_path / path).is_file() for path in paths)
    with open_ledger(tmp_path) as ledger:
        assert (ledger.size, ledger.root) == (size, root)
        assert stored(ledger)[-1] == "z0"
        assert [index for index, _ in ledger.entries(size - 1)] == [size - 1]
    assert check(tmp_path).root == root.hex()


def test_one_by_one_or_in_a_batch_the_tree_is_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "batch", texts("a", 260))
    with open_ledger(tmp_path / "single") as ledger:
        for each in texts("a", 260):
            ledger.append([each])
        assert ledger.root == read_only(tmp_path / "batch").checkpoint.root
    left = {p.relative_to(tmp_path / "single") for p in (tmp_path / "single" / "tile").rglob("*")}
    assert not {str(path) for path in left if str(path).startswith("tile/0/000.p")}


def test_a_reader_keeps_its_size_while_the_writer_goes_on(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.append(texts("a", 250))
        reader = read_only(tmp_path)
        ledger.append(texts("b", 10))  # the partial tiles that the reader knows are gone
        assert [index for index, _ in reader.entries()] == list(range(250))
        assert read_only(tmp_path).size == 260


def test_reading_where_there_is_no_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no checkpoint"):
        read_only(tmp_path)


def test_a_second_opener_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(UsageError, match="written by somebody else"):
            open_ledger(tmp_path)
        assert ledger.append(texts("a", 1)) == [0]
        with pytest.raises(UsageError):  # refusing the first must not have dropped the lock
            open_ledger(tmp_path)
    open_ledger(tmp_path).close()


def test_a_second_opener_in_another_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.ledger.world import open_ledger\n"
        "open_ledger(Path(sys.argv[1]))"
    )
    with open_ledger(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert "written by somebody else" in other.stderr


def test_a_forked_child_cannot_append(tmp_path: Path) -> None:
    def child(ledger: Log, answer: multiprocessing.SimpleQueue[str]) -> None:
        try:
            ledger.append(texts("child", 1))
        except SiteRefused as error:
            answer.put(error.failed)

    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()
    with open_ledger(tmp_path) as ledger:
        process = context.Process(target=child, args=(ledger, answer))
        process.start()
        process.join(10)
        assert process.exitcode == 0
        assert "another process" in answer.get()
        ledger.append(texts("parent", 1))
        assert stored(ledger) == ["parent0"]


def test_threads_append_without_losing_or_doubling(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        threads = [
            Thread(target=lambda n=n: [ledger.append(texts(f"{n}-{m}-", 2)) for m in range(5)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = {f"{n}-{m}-{k}" for n in range(4) for m in range(5) for k in range(2)}
        assert sorted(stored(ledger)) == sorted(expected)
    assert check(tmp_path).sound


def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.close()
    ledger.close()
    with pytest.raises(SiteRefused, match="closed"):
        ledger.append(texts("a", 1))


def test_one_oversized_entry_keeps_its_whole_batch_out(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(UsageError, match="bytes"):
            ledger.append([noted("fits"), noted("x" * 65_536)])
        assert ledger.size == 0
        assert ledger.append([noted("fits")]) == [0]


def test_the_largest_bundle_survives_reopening(tmp_path: Path) -> None:
    room = 65_535 - len(encode(noted("")))
    fill(tmp_path, [noted("x" * room)] * 257)
    with open_ledger(tmp_path) as ledger:
        assert ledger.size == 257
    assert check(tmp_path).sound


def test_another_key_cannot_continue_a_log(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 1))
    with pytest.raises(EvidenceError, match="no key that you trust"):
        Log.open(tmp_path, [FileSigner(ORIGIN, bytes(32))], ORIGIN)
    with pytest.raises(UsageError, match="cannot sign for"):
        Log.open(tmp_path, [FileSigner("other", bytes(32))], ORIGIN)
    open_ledger(tmp_path).close()  # neither kept the lock


def test_a_served_copy_without_private_files_can_be_continued(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 3))
    shutil.rmtree(tmp_path / ".log")
    with open_ledger(tmp_path) as ledger:
        assert ledger.append(texts("b", 1)) == [3]


def test_a_rolled_back_checkpoint_is_brought_forward_again(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 3))
    old = (tmp_path / "checkpoint").read_bytes()
    fill(tmp_path, texts("b", 2))
    new = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(old)
    with open_ledger(tmp_path) as ledger:
        assert ledger.size == 5
    assert (tmp_path / "checkpoint").read_bytes() == new


def test_a_log_restored_behind_what_it_signed_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 3))
    shutil.copytree(tmp_path, tmp_path / "backup")
    fill(tmp_path, texts("b", 2))
    shutil.rmtree(tmp_path / "tile")
    shutil.copytree(tmp_path / "backup" / "tile", tmp_path / "tile")
    shutil.copy(tmp_path / "backup" / "checkpoint", tmp_path / "checkpoint")
    with pytest.raises(EvidenceError, match="damaged"):
        open_ledger(tmp_path)


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    changed = {"truncate": data[:-1], "flip": data[:-1] + b"\x01", "lengthen": data + b"\x00"}
    path.unlink() if how == "remove" else path.write_bytes(changed[how])


@pytest.mark.parametrize("name", ["tile/1/000.p/1", "tile/entries/001.p/4", "tile/0/001.p/4"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "lengthen"])
def test_damage_at_the_edge_stops_the_opening(tmp_path: Path, name: str, damage: str) -> None:
    fill(tmp_path, texts("a", 260))
    _damage(tmp_path / name, damage)
    with pytest.raises(EvidenceError, match="damaged"):
        open_ledger(tmp_path)
    assert not check(tmp_path).sound


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/000"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "lengthen"])
def test_damage_behind_the_edge_is_for_verification_to_find(
    tmp_path: Path, name: str, damage: str
) -> None:
    fill(tmp_path, texts("a", 260))
    _damage(tmp_path / name, damage)
    fill(tmp_path, texts("b", 1))
    assert not check(tmp_path).sound


def test_a_log_that_signed_two_histories_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "one", texts("a", 2))
    fill(tmp_path / "two", texts("b", 3))
    shutil.copy(tmp_path / "one" / ".log" / "signed", tmp_path / "two" / ".log" / "signed")
    with pytest.raises(EvidenceError, match="damaged"):
        open_ledger(tmp_path / "two")


def test_reopening_makes_the_published_names_durable_again(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 1))
    disk = FaultyDisk()
    open_ledger(tmp_path, disk).close()
    assert disk.calls == ["sync", "sync"]


def test_tiles_without_any_checkpoint_stop_the_opening(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 1))
    (tmp_path / "checkpoint").unlink()
    (tmp_path / ".log" / "signed").unlink()
    with pytest.raises(EvidenceError, match="no checkpoint"):
        open_ledger(tmp_path)


def test_what_lies_beyond_the_checkpoint_is_cut_and_strangers_are_kept(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 3))
    beyond = [tmp_path / name for name in ("tile/entries/000.p/7", "tile/0/000", "tile/0/001.p/2")]
    stranger = tmp_path / "tile" / "README"
    for path in (*beyond, stranger):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"left by a crash")
    with open_ledger(tmp_path) as ledger:
        assert ledger.size == 3
    assert not any(path.exists() for path in beyond)
    assert stranger.exists()
    assert check(tmp_path).sound


def test_a_full_disk_is_named_and_the_ledger_goes_on_once_there_is_room(tmp_path: Path) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    with open_ledger(tmp_path, disk) as ledger:
        ledger.append(texts("a", 2))
        disk.at = len(disk.calls) + 4  # the second file's write of the next append
        with pytest.raises(SiteRefused, match="were not recorded: the disk is full") as refused:
            ledger.append(texts("b", 2))
        assert "free space" in refused.value.next_step
        assert list((tmp_path / ".log" / "tmp").iterdir()) == []
        assert ledger.append(texts("c", 2)) == [2, 3]
        assert stored(ledger) == ["a0", "a1", "c0", "c1"]


def test_a_disk_full_while_publishing_never_says_repeat_at_once(tmp_path: Path) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    with open_ledger(tmp_path, disk) as ledger:
        ledger.append(texts("a", 1))
        start = len(disk.calls)
        ledger.append(texts("b", 1))
        disk.at = 2 * len(disk.calls) - start - 2  # the same call of the next append
        assert disk.calls[-2] == "rename checkpoint"
        with pytest.raises(SiteRefused, match="unknown whether entries 2 to 2") as refused:
            ledger.append(texts("c", 1))
    assert "before repeating any" in refused.value.next_step
    assert "free space" not in refused.value.next_step
    with open_ledger(tmp_path) as ledger:
        assert stored(ledger) == ["a0", "b0", "c0"]


def test_after_a_failed_fsync_the_ledger_refuses_everything_until_reopened(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with open_ledger(tmp_path, disk) as ledger:
        disk.at = len(disk.calls) + 2
        with pytest.raises(SiteRefused, match="were not recorded"):
            ledger.append(texts("a", 1))
        assert disk.calls[-1] == "remove"
        with pytest.raises(SiteRefused, match="an fsync failed"):
            ledger.append(texts("b", 1))
    with open_ledger(tmp_path) as ledger:
        assert ledger.append(texts("c", 1)) == [0]


def test_everything_is_on_disk_before_it_is_signed_and_signed_before_published(
    tmp_path: Path,
) -> None:
    disk = FaultyDisk()
    with open_ledger(tmp_path, disk) as ledger:
        ledger.append(texts("a", 1))
        disk.calls.clear()
        ledger.append(texts("b", 1))
    written = ["create", "write", "sync"]
    assert disk.calls == [
        *written, *written, "rename 2", "rename 2", "sync", "sync",
        *written, "rename signed", "sync",
        *written, "rename checkpoint", "sync",
    ]  # fmt: skip


def test_a_batch_of_thousands_publishes_one_checkpoint(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with open_ledger(tmp_path, disk) as ledger:
        disk.calls.clear()
        ledger.append([Entry(Noted(str(n)), BEGIN, CHARTER) for n in range(2000)])
    assert disk.calls.count("rename checkpoint") == 1


def test_an_interrupt_while_publishing_ends_the_writer(tmp_path: Path) -> None:
    class Interrupted(FaultyDisk):
        def rename(self, source: Path, target: Path) -> None:
            super().rename(source, target)
            if target.name == "checkpoint" and self.at == 0:
                raise KeyboardInterrupt

    disk = Interrupted()
    with open_ledger(tmp_path, disk) as ledger:
        disk.at = 0
        disk.calls.append("never the first")
        with pytest.raises(KeyboardInterrupt):
            ledger.append(texts("a", 1))
        with pytest.raises(SiteRefused, match="broke off"):
            ledger.append(texts("b", 1))
    with open_ledger(tmp_path) as ledger:
        assert stored(ledger) == ["a0"]
