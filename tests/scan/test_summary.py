from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.scan import ScanSummary, SiteInfo
from domicile.scan.attribution import Verdict
from domicile.scan.objects import ObjectCount, Tally
from domicile.scan.tables import TableCount

SITES = (
    SiteInfo("old", "postgres", "US", "Reel", "primary", home=False),
    SiteInfo("home", "postgres", "US", "Oracle", "primary", home=True),
)


def summary(tables: Iterable[TableCount] = (), objects: Iterable[ObjectCount] = ()) -> ScanSummary:
    return ScanSummary(
        run="one",
        boundary="us",
        charter_sha256="ab" * 32,
        started="2026-01-02T03:04:05Z",
        finished="2026-01-02T03:05:05Z",
        sites=SITES,
        persons=3,
        members=2,
        unknown_persons=0,
        spellings={},
        tables=tuple(tables),
        objects=tuple(objects),
    )


def rows(site: str, *, members: int = 0, unexamined: int = 0) -> TableCount:
    return TableCount(
        site, "users", "users", "protected", 9, members, 0, 0, unexamined, 0, "users", ""
    )


def items(
    site: str, state: str, versions: int = 0, markers: int = 0, uploads: int = 0
) -> ObjectCount:
    return ObjectCount(site, "media", state, "", versions, markers, uploads, 9)


def test_nothing_anywhere_is_home() -> None:
    assert summary().home


@pytest.mark.parametrize(
    ("tables", "objects"),
    [
        ([rows("home", members=5)], []),
        ([], [items("home", "member", 3, 2, 1)]),
        ([], [items("old", state, 3, 2, 1) for state in ("other", "public", "excepted")]),
    ],
)
def test_members_items_at_home_and_others_anywhere_are_home(
    tables: list[TableCount], objects: list[ObjectCount]
) -> None:
    assert summary(tables, objects).home


@pytest.mark.parametrize(
    ("tables", "objects"),
    [
        ([rows("old", members=1)], []),
        ([rows("old", unexamined=1)], []),
        ([rows("home", unexamined=1)], []),
        ([rows("home", unexamined=-1)], []),
        ([], [items("old", "member", versions=1)]),
        ([], [items("old", "member", markers=1)]),
        ([], [items("old", "member", uploads=1)]),
        ([], [items("home", "not examined", versions=1)]),
        ([], [items("old", "not examined", markers=1)]),
        ([], [items("old", "not examined", uploads=1)]),
    ],
)
def test_one_item_found_or_unexamined_is_not_home(
    tables: list[TableCount], objects: list[ObjectCount]
) -> None:
    assert not summary(tables, objects).home


def test_an_uncounted_relation_never_cancels_a_counted_one() -> None:
    found = summary([rows("old", unexamined=1), rows("old", unexamined=-1)])
    assert found.unexamined == 2
    assert not found.home


COUNT = st.integers(0, 3)
SITE = st.sampled_from(["old", "home"])
STATE = st.sampled_from(["member", "other", "public", "excepted", "not examined"])


@given(
    st.lists(st.builds(lambda s, m, u: rows(s, members=m, unexamined=u), SITE, COUNT, COUNT)),
    st.lists(st.builds(items, SITE, STATE, COUNT, COUNT, COUNT)),
)
def test_the_boundary_is_home_only_if_nothing_was_found_and_all_was_examined(
    tables: list[TableCount], objects: list[ObjectCount]
) -> None:
    found = summary(tables, objects)
    doubtful = any(count.unexamined for count in tables) or any(
        count.versions + count.markers + count.uploads
        for count in objects
        if count.state == "not examined"
    )
    away = any(count.members for count in tables if count.site == "old") or any(
        count.versions + count.markers + count.uploads
        for count in objects
        if count.state == "member" and count.site == "old"
    )
    assert found.home == (not doubtful and not away)


def test_what_was_not_examined_is_told_by_place_and_an_offline_place_is_one() -> None:
    vault = SiteInfo("vault", "offline", "SG", "Iron", "offline", home=False, about="tapes")
    found = msgspec.structs.replace(
        summary(
            [rows("old", unexamined=2), rows("home", members=5)],
            [items("old", "not examined", 3, 2, 1), items("old", "member", 9)],
        ),
        sites=(*SITES, vault),
    )
    assert found.unexamined_at() == {("vault", ""): -1, ("old", "users"): 2, ("old", "media"): 6}
    assert found.unexamined == 9
    assert not found.home


def test_a_summary_comes_back_from_its_file() -> None:
    found = summary([rows("old", members=2)], [items("old", "member", 1, 2, 3)])
    assert msgspec.json.decode(msgspec.json.encode(found), type=ScanSummary) == found


def test_items_are_tallied_by_what_they_are() -> None:
    tally = Tally("old")
    member = Verdict("member", "media", "7", "")
    for kind, size in (("version", 5), ("version", 6), ("marker", 0), ("upload", 7)):
        tally.add(member, kind, size)
    tally.add(Verdict("not examined", "", "", "why"), "version", 1)
    assert tally.counts() == [
        ObjectCount("old", "", "not examined", "why", 1, 0, 0, 1),
        ObjectCount("old", "media", "member", "", 2, 1, 1, 18),
    ]
