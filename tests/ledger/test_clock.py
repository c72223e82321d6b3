"""The entries' clock: what is said of it is what the kernel says, and no step back is lost."""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest

from domicile.ledger import Clock, Entry, decode
from domicile.ledger import clock as module
from domicile.ledger.clock import ClockWentBack, system_clock
from domicile.ledger.entries import ClockSource
from tests.ledger.world import BEGIN, CHARTER, Noted, check, open_ledger

_SYSCALL_ADJTIMEX = {"x86_64": 159, "aarch64": 171}
_STATUS_OFFSET = 40  # in struct timex where a long has 64 bits


def minutes(*numbers: float) -> Callable[[], datetime]:
    shown: Iterator[float] = iter(numbers)
    return lambda: BEGIN + timedelta(minutes=next(shown))


def bodies(entries: list[Entry]) -> list[object]:
    return [entry.body for entry in entries]


@pytest.mark.skipif(
    platform.machine() not in _SYSCALL_ADJTIMEX or platform.system() != "Linux",
    reason="the system call's number is known for Linux on x86-64 and ARM alone",
)
def test_what_is_said_of_the_clock_is_what_the_kernel_answers() -> None:
    room = ctypes.create_string_buffer(1024)
    libc = ctypes.CDLL(None)
    answer = libc.syscall(ctypes.c_long(_SYSCALL_ADJTIMEX[platform.machine()]), room)
    (status,) = struct.unpack_from("i", room.raw, _STATUS_OFFSET)
    expected = "system" if answer < 0 else "system, unsynchronised"
    if answer >= 0 and answer != 5 and not status & 0x40:
        expected = "system, synchronised"
    assert system_clock() == expected


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (0, 0, "system, synchronised"),
        (1, 0x2001, "system, synchronised"),  # a leap second is due; STA_NANO | STA_PLL
        (0, 0x40, "system, unsynchronised"),
        (5, 0x2040, "system, unsynchronised"),
        (5, 0, "system, unsynchronised"),
        (-1, 0, "system"),
    ],
)
def test_the_kernels_answers_are_read_as_adjtimex_has_them(
    answer: int, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(state: object) -> int:
        timex = state._obj  # type: ignore[attr-defined]
        assert timex.modes == 0  # else it would change the clock
        timex.status = status
        return answer

    monkeypatch.setattr(module, "_adjtimex", lambda: ask)
    assert system_clock() == said


def test_without_the_call_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_adjtimex", lambda: None)
    assert system_clock() == "system"


def test_entries_are_stamped_now_with_what_is_known_of_the_clock() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    (entry,) = Clock().stamp([Noted("a")], CHARTER, "cd" * 32)
    assert before <= entry.time <= datetime.now(UTC)
    assert entry.clock == system_clock()
    assert entry.clock in get_args(ClockSource)
    assert (entry.charter, entry.policy) == (CHARTER, "cd" * 32)


def test_a_clock_that_goes_back_is_said_once_and_the_entry_is_stamped_all_the_same() -> None:
    clock = Clock(now=minutes(5, 3, 4), source=lambda: "system")
    assert bodies(clock.stamp([Noted("a")], CHARTER)) == [Noted("a")]
    said, kept = clock.stamp([Noted("b")], CHARTER)
    assert said.body == ClockWentBack(
        before="2026-01-01T00:05:00.000Z", after="2026-01-01T00:03:00.000Z"
    )
    assert kept == Entry(Noted("b"), BEGIN + timedelta(minutes=3), CHARTER)
    assert bodies(clock.stamp([Noted("c")], CHARTER)) == [Noted("c")]


def test_a_clock_behind_the_ledgers_last_entry_is_noticed_at_once() -> None:
    clock = Clock(BEGIN + timedelta(minutes=1), now=minutes(0.5), source=lambda: "system")
    said, _ = clock.stamp([Noted("a")], CHARTER)
    assert isinstance(said.body, ClockWentBack)


def test_nothing_is_said_where_nothing_is_stamped_or_the_time_stands_still() -> None:
    clock = Clock(BEGIN, now=minutes(0, 0), source=lambda: "system")
    assert clock.stamp([], CHARTER) == []
    assert len(clock.stamp([Noted("a")], CHARTER)) == 1
    assert len(clock.stamp([Noted("a")], CHARTER)) == 1


def test_threads_that_stamp_at_once_do_not_make_the_clock_go_back() -> None:
    clock = Clock()
    stamped: list[list[Entry]] = []

    def work() -> None:
        for _ in range(300):
            stamped.append(clock.stamp([Noted("a")], CHARTER))  # noqa: PERF401 - as it goes

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {len(entries) for entries in stamped} == {1}
    assert len(stamped) == 1200


def test_writer_and_verifier_both_notice_a_clock_that_goes_back(tmp_path: Path) -> None:
    clock = Clock(now=minutes(5, 3, 4), source=lambda: "system")
    with open_ledger(tmp_path) as log:
        for text in "abc":
            log.append(clock.stamp([Noted(text)], CHARTER))
        written = [decode(data) for _, data in log.entries()]
    assert [entry.kind for entry in written] == [
        *("test.noted", "clock.went-back", "test.noted", "test.noted"),
    ]
    found = check(tmp_path)
    assert found.sound
    assert found.notices == (
        "entry 1: its clock went back, from 2026-01-01T00:05:00.000Z to 2026-01-01T00:03:00.000Z",
    )
