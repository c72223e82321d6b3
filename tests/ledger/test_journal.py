"""The journal: groups come back as they were, a write that broke off is cut, damage halts."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError
from domicile.ledger import journal as module
from domicile.ledger.disk import Disk, SyncFailed
from domicile.ledger.journal import Group, Journal, Request, encode_group, read_segment
from tests.ledger.world import FaultyDisk

NONCE = bytes(range(16))
HEAD = b"domjrnl1" + NONCE
entries = st.lists(st.binary(max_size=60), min_size=1, max_size=4).map(tuple)
requests = st.builds(Request.of, st.binary(min_size=16, max_size=16), entries)
batches = st.lists(st.lists(requests, min_size=1, max_size=3).map(tuple), max_size=5)


def request(number: int, *texts: str) -> Request:
    return Request.of(number.to_bytes(16, "big"), [text.encode() for text in texts])


def chained(batches: list[tuple[Request, ...]], first: int = 0) -> list[Group]:
    groups = []
    for batch in batches:
        groups.append(Group(first, batch))
        first = groups[-1].end
    return groups


def segment(groups: list[Group], zeros: int = 64) -> bytes:
    return HEAD + b"".join(encode_group(NONCE, group) for group in groups) + bytes(zeros)


def open_journal(directory: Path, disk: Disk | None = None) -> tuple[Journal, list[Group]]:
    return Journal.open(directory, disk or Disk())


@given(batches, st.integers(0, 100))
def test_a_segment_comes_back_as_it_was_written(
    batches: list[tuple[Request, ...]], zeros: int
) -> None:
    groups = chained(batches)
    assert read_segment(segment(groups, zeros)) == (groups, len(segment(groups, 0)), True)


GROUPS = chained(
    [(request(1, "one"), request(2, "", "three")), (request(3, "y"),), (request(4, "x"),)]
)
WHOLE = segment(GROUPS)
ENDS = [len(segment(GROUPS[:count], 0)) for count in range(4)]


@pytest.mark.parametrize("length", range(len(HEAD), ENDS[3]))
def test_a_write_that_broke_off_anywhere_leaves_the_groups_before_it(length: int) -> None:
    whole = max(count for count in range(4) if ENDS[count] <= length)
    groups, at, clean = read_segment(WHOLE[:length].ljust(len(WHOLE), b"\x00"))
    assert (groups, at) == (GROUPS[:whole], ENDS[whole])
    # What broke off within a group is seen, unless all that had come of it were zeros.
    assert clean == (not WHOLE[ENDS[whole] : length].strip(b"\x00"))


@pytest.mark.parametrize("at", range(len(HEAD), ENDS[3]))
def test_a_changed_byte_halts_where_a_group_follows_and_is_cut_at_the_end(at: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= 0x40
    if at < ENDS[2]:
        with pytest.raises(EvidenceError, match="others follow it"):
            read_segment(bytes(data))
    else:
        groups, end, clean = read_segment(bytes(data))
        assert (groups, end, clean) == (GROUPS[:2], ENDS[2], False)


@pytest.mark.parametrize("at", range(8))
def test_a_segment_without_its_head_halts(at: int) -> None:
    with pytest.raises(EvidenceError, match="no head"):
        read_segment(WHOLE[:at] + b"?" + WHOLE[at + 1 :])


def test_a_group_of_another_segment_is_no_group_here() -> None:
    stranger = encode_group(bytes(16), GROUPS[0])
    assert read_segment(HEAD + stranger + bytes(9))[0] == []
    # Nor is one that a caller wrote into an entry, behind a write that broke off.
    inner = Request.of(bytes(16), [encode_group(bytes(16), GROUPS[1])])
    torn = encode_group(NONCE, Group(0, (inner,)))[1:]
    assert read_segment(HEAD + torn) == ([], len(HEAD), False)


def test_a_reopened_journal_has_its_groups_and_goes_on(tmp_path: Path) -> None:
    journal, groups = open_journal(tmp_path)
    assert groups == []
    for group in GROUPS[:2]:
        journal.append(group)
    journal.close()
    journal, groups = open_journal(tmp_path)
    assert groups == GROUPS[:2]
    journal.append(GROUPS[2])
    journal.close()
    assert open_journal(tmp_path)[1] == GROUPS
    assert len(list(tmp_path.iterdir())) == 1


def test_a_torn_tail_is_cut_and_later_groups_are_found_behind_it(tmp_path: Path) -> None:
    journal, _ = open_journal(tmp_path)
    for group in GROUPS[:2]:
        journal.append(group)
    journal.close()
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[ENDS[2] : ENDS[2] + 9] = b"DGRP torn"
    path.write_bytes(data)
    journal, groups = open_journal(tmp_path)
    assert groups == GROUPS[:2]
    assert path.stat().st_size == ENDS[2]
    journal.append(GROUPS[2])
    journal.close()
    assert open_journal(tmp_path)[1] == GROUPS


def test_damage_with_a_later_segment_behind_it_halts_and_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 160)
    journal, _ = open_journal(tmp_path)
    for group in GROUPS:
        journal.append(group)
    journal.close()
    first, *_, last = sorted(tmp_path.iterdir())
    assert first != last
    data = bytearray(first.read_bytes())
    data[-30] = data[-30] ^ 1 or 7
    first.write_bytes(data)
    with pytest.raises(EvidenceError, match=r"follows it|others follow"):
        open_journal(tmp_path)
    assert first.read_bytes() == bytes(data)
    assert last.exists()


def test_a_missing_segment_halts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 110)
    journal, _ = open_journal(tmp_path)
    for group in GROUPS:
        journal.append(group)
    journal.close()
    _, second, third = sorted(tmp_path.iterdir())
    second.unlink()
    with pytest.raises(EvidenceError, match="are missing"):
        open_journal(tmp_path)
    assert third.exists()


def test_only_what_is_integrated_and_out_of_the_window_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 130)
    monkeypatch.setattr(module, "KEPT_REQUESTS", 2)
    journal, _ = open_journal(tmp_path)
    groups = chained([(request(number, "x" * 50),) for number in range(6)])
    for group in groups:
        journal.append(group)
    left = []
    for size in (0, 1, 2, 6):
        journal.trim(size)
        left.append(len(list(tmp_path.iterdir())))
    assert left == [6, 5, 4, 2]
    journal.close()
    assert open_journal(tmp_path)[1] == groups[4:]


@pytest.mark.parametrize("how", ["trim", "drop"])
def test_each_removal_of_a_segment_is_durable_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 130)
    monkeypatch.setattr(module, "KEPT_REQUESTS", 1)
    disk = FaultyDisk()
    journal, _ = open_journal(tmp_path, disk)
    for group in chained([(request(number, "x" * 50),) for number in range(4)]):
        journal.append(group)
    before = len(disk.calls)
    if how == "trim":
        journal.trim(4)
    else:
        journal.drop()
    removals = disk.calls[before:]
    assert removals == ["remove", "sync"] * (len(removals) // 2)
    assert len(removals) >= 4


def test_a_segment_that_could_not_be_removed_is_removed_before_any_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 130)
    monkeypatch.setattr(module, "KEPT_REQUESTS", 1)
    disk = FaultyDisk()
    journal, _ = open_journal(tmp_path, disk)
    groups = chained([(request(number, "x" * 50),) for number in range(4)])
    for group in groups:
        journal.append(group)
    disk.fail_next("remove")
    with pytest.raises(OSError, match="Input/output"):
        journal.trim(4)
    journal.trim(4)
    journal.close()
    assert open_journal(tmp_path)[1] == groups[3:]


def test_no_room_for_a_segment_is_no_failed_sync(tmp_path: Path) -> None:
    disk = FaultyDisk()
    journal, _ = open_journal(tmp_path / "journal", disk)
    disk.at = len(disk.calls) + 1
    with pytest.raises(OSError, match="Input/output") as refused:
        journal.append(GROUPS[0])
    assert not isinstance(refused.value, SyncFailed)
    journal.append(GROUPS[0])
    journal.close()
    assert open_journal(tmp_path / "journal")[1] == GROUPS[:1]


@pytest.mark.parametrize("call", ["write at", "sync data"])
def test_a_failed_write_leaves_unknown_what_the_disk_holds(tmp_path: Path, call: str) -> None:
    disk = FaultyDisk()
    journal, _ = open_journal(tmp_path / "journal", disk)
    journal.append(GROUPS[0])
    before = len(disk.calls)
    assert disk.calls[-2:] == ["write at", "sync data"]
    disk.at = before + ["write at", "sync data"].index(call)
    with pytest.raises(SyncFailed):
        journal.append(GROUPS[1])


def test_a_write_without_room_is_gone_over_by_the_next(tmp_path: Path) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    journal, _ = open_journal(tmp_path / "journal", disk)
    journal.append(GROUPS[0])
    disk.fail_next("write at")
    with pytest.raises(OSError, match="No space") as refused:
        journal.append(Group(GROUPS[0].end, (request(9, "x" * 500),)))
    assert not isinstance(refused.value, SyncFailed)
    for group in GROUPS[1:]:
        journal.append(group)
    journal.close()
    assert open_journal(tmp_path / "journal")[1] == GROUPS
    assert open_journal(tmp_path / "journal")[1] == GROUPS
