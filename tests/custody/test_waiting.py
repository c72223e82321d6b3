"""A wait is never shortened by a clock that somebody set."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.custody.waiting import Look, look_now, waited_s
from domicile.ledger.entries import ClockSource

DAY = 86_400
SURE: ClockSource = "system, synchronised"
BEFORE = Look("one", 5_000, 1_767_355_200, SURE)


def test_within_a_boot_the_kernels_seconds_count_whatever_the_clock_shows() -> None:
    for wall_s in (0, BEFORE.wall_s - DAY, BEFORE.wall_s + 400 * DAY):
        assert waited_s(BEFORE, Look("one", 5_000 + DAY, wall_s, SURE)) == DAY


@pytest.mark.parametrize(
    ("before", "now", "counted"),
    [
        (SURE, SURE, 3 * DAY),
        (SURE, "system, unsynchronised", 100),
        ("system, unsynchronised", SURE, 100),
        ("system", "system", 100),
    ],
)
def test_across_a_boot_the_clock_counts_only_where_it_is_synchronised(
    before: ClockSource, now: ClockSource, counted: int
) -> None:
    later = Look("two", 100, BEFORE.wall_s + 3 * DAY, now)
    assert waited_s(replace(BEFORE, clock=before), later) == counted


def test_a_clock_that_went_back_across_a_boot_takes_nothing_away() -> None:
    assert waited_s(BEFORE, Look("two", 100, BEFORE.wall_s - DAY, SURE)) == 100


def test_where_the_system_names_no_boot_only_a_sure_clock_counts() -> None:
    nowhere = Look("", 0, BEFORE.wall_s, SURE)
    assert waited_s(nowhere, replace(nowhere, wall_s=BEFORE.wall_s + DAY)) == DAY
    assert waited_s(nowhere, Look("", 0, BEFORE.wall_s + DAY, "system")) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 10 * DAY), st.booleans(), st.integers(-(10**9), 10**9)),
        max_size=12,
    )
)
def test_unsure_clocks_never_count_more_than_has_passed(
    steps: list[tuple[int, bool, int]],
) -> None:
    now = replace(BEFORE, boot="boot 0", clock="system")
    boots, passed, counted = 0, 0, 0
    for real_s, boots_again, set_by in steps:
        boots += boots_again
        since = real_s // 2 if boots_again else now.since_boot_s + real_s
        later = Look(f"boot {boots}", since, now.wall_s + real_s + set_by, "system")
        counted += waited_s(now, later)
        passed, now = passed + real_s, later
        assert counted <= passed


def test_this_machines_clocks_go_on() -> None:
    first = look_now()
    assert 0 <= waited_s(first, look_now()) <= 60
    assert first.boot
