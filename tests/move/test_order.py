from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.move.order import Item, Step, continue_from, steps_home

Content = str | None  # what home holds: bytes, or (None) a delete marker

SITES = ("singapore", "ireland", "virginia")


def item(site: str, number: int, content: Content, *, latest: bool = False) -> Item:
    """A version whose ETag tells its content, as an honest store's does."""
    size = 0 if content is None else 7
    return Item(site, "k", f"{site}-{number}", content is None, latest, size, content or "")


def held_by(site: str, contents: Sequence[Content]) -> list[Item]:
    """A site's items, newest first, from contents that are oldest first."""
    newest = len(contents) - 1
    items = [item(site, n, content, latest=n == newest) for n, content in enumerate(contents)]
    return items[::-1]


def brought(steps: Sequence[Step]) -> list[Content]:
    """What home holds after these steps, oldest first."""
    return [step.item.etag if step.item else None for step in steps]


contents = st.lists(st.sampled_from(["a", "b", "c", "d", None]), max_size=5)


@st.composite
def keys(draw: st.DrawFn) -> tuple[list[list[Content]], int]:
    """Each site's contents of one key, oldest first, and which site is the primary."""
    copies = [draw(contents.filter(bool)) for _ in range(draw(st.integers(0, 2)))]
    main = draw(contents)
    return ([*copies, main], len(copies)) if main else (copies, -1)


def plan(sites: list[list[Content]], primary: int) -> tuple[list[Step], list[Item]]:
    names = [*SITES[: len(sites) - 1], "virginia"] if primary >= 0 else SITES
    return steps_home(
        [held_by(name, has) for name, has in zip(names, sites, strict=False)], primary=primary
    )


@given(keys())
def test_what_is_current_at_the_primary_is_current_at_home(
    key: tuple[list[list[Content]], int],
) -> None:
    sites, primary = key
    home = brought(plan(sites, primary)[0])
    if primary >= 0:
        assert home[-1] == sites[primary][-1]
        assert home[-len(sites[primary]) :] == sites[primary]
    else:
        assert not home or home[-1] is None


@given(keys())
def test_every_content_comes_home_and_none_of_a_copy_twice(
    key: tuple[list[list[Content]], int],
) -> None:
    sites, primary = key
    steps, twins = plan(sites, primary)
    home = brought(steps)
    everything = {one for has in sites for one in has if one is not None}
    assert set(home) - {None} == everything
    extra = [step.item.etag for step in steps if step.item and step.item.site != "virginia"]
    main = set(sites[primary]) if primary >= 0 else set()
    if primary >= 0:
        assert sorted(extra) == sorted(everything - main)
    # Every version is a step or a twin of one.
    versions = sum(one is not None for has in sites for one in has)
    assert len([step for step in steps if step.item]) + len(twins) == versions
    assert {twin.etag for twin in twins} <= set(home)


@given(keys(), st.data())
def test_resuming_after_any_step_ends_the_same(
    key: tuple[list[list[Content]], int], data: st.DataObject
) -> None:
    coming = brought(plan(*key)[0])
    behind = data.draw(st.integers(0, len(coming)))
    assert continue_from(coming, coming[:behind]) == behind


@given(keys(), contents, st.data())
def test_resuming_above_what_earlier_runs_brought_ends_with_all_of_it(
    key: tuple[list[list[Content]], int], earlier: list[Content], data: st.DataObject
) -> None:
    coming = brought(plan(*key)[0])
    held = earlier + coming[: data.draw(st.integers(0, len(coming)))]
    done = continue_from(coming, held, known=len(earlier))
    assert done is not None
    home = held + coming[done:]
    assert home[: len(held)] == held
    rest = iter(home)
    assert all(any(one == other for other in rest) for one in coming)
    if coming:
        assert home[-1] == coming[-1]


@given(contents, contents)
def test_what_home_has_of_its_own_is_a_conflict(coming: list[Content], held: list[Content]) -> None:
    done = continue_from(coming, held)
    if done is None:
        assert coming[: len(held)] != held
    else:
        home = held + coming[done:]
        assert set(home) >= set(coming)
        assert not coming or home[-1] == coming[-1]


def test_twins_are_told_by_size_and_etag() -> None:
    main = held_by("virginia", ["a"])
    longer = Item("singapore", "k", "s", is_marker=False, is_latest=True, size_bytes=8, etag="a")
    for copy, expected in ((held_by("singapore", ["a"]), 1), ([longer], 0)):
        steps, twins = steps_home([copy, main], primary=1)
        assert len(twins) == expected
        assert len(steps) == 2 - expected


def test_a_copys_delete_marker_stays_behind_and_the_primarys_comes() -> None:
    steps, twins = plan([["a", None], ["a", None, "b"]], 1)
    assert brought(steps) == ["a", None, "b"]
    assert [twin.version_id for twin in twins] == ["singapore-0"]


def test_what_only_copies_hold_ends_under_a_marker() -> None:
    assert brought(plan([["a", "b"]], -1)[0]) == ["a", "b", None]
    assert brought(plan([[None]], -1)[0]) == []
    assert brought(plan([["a", "b"], ["b", "c"]], -1)[0]) == ["a", "b", "c", None]


def test_copies_come_oldest_first_before_the_primarys() -> None:
    steps, _ = plan([["x", "y"], ["a"]], 1)
    assert brought(steps) == ["x", "y", "a"]


@pytest.mark.parametrize(
    ("coming", "held", "known", "done"),
    [
        ("ab", "", 0, 0),
        ("ab", "a", 0, 1),
        ("ab", "ab", 0, 2),
        ("ab", "b", 0, None),
        ("", "a", 0, 0),
        ("ab", "ax", 0, None),
        ("ab", "xab", 0, 2),  # contains all of it
        ("ab", "xa", 0, None),
        ("ab", "xa", 1, 1),
        ("ab", "x", 1, 0),
        ("ab", "xy", 1, None),
        ("a", "aa", 0, 1),
        ("ba", "ab", 2, 1),
        ("a", "ab", 0, None),
        ("a", "ab", 2, 0),  # what was current earlier is current again
    ],
)
def test_where_to_go_on(coming: str, held: str, known: int, done: int | None) -> None:
    assert continue_from(list(coming), list(held), known=known) == done
