"""Rows that change at the source between a copy and its proof, and between two runs: home's older
copies follow, and nothing else of home's is ever overwritten."""

from __future__ import annotations

import pytest

from domicile.erase import unsigned
from tests.story.stage import AWAY, Stage

pytestmark = pytest.mark.xdist_group("story-changes")

_KEPT = "SELECT id, email, display_name, bio FROM users WHERE country = 'US' ORDER BY id"


def _again(stage: Stage) -> None:
    """Another run, up to its move."""
    stage.run("scan", "--workers", "1").expect(0, 1)
    stage.run("plan").expect(0)
    stage.run("move", "--workers", "1").expect(0)


def _newcomer(stage: Stage) -> None:
    """A new member in Virginia, so that a run has something to do."""
    stage.everywhere_away(
        "INSERT INTO users (id, handle, country, email, display_name, created_at)"
        " VALUES (900000, 'newcomer', 'US', 'newcomer@example.com', 'New Comer', '2026-01-01')"
    )


def _projected(stage: Stage) -> int:
    """Somebody else of whom home holds the public projection."""
    ((person,),) = stage.execute("oracle", "SELECT min(id) FROM users WHERE country <> 'US'")
    return int(person)


def _change_others(stage: Stage, person: int) -> None:
    stage.everywhere_away("UPDATE users SET handle = 'renamed' WHERE id = %s", person)
    stage.everywhere_away("UPDATE languages SET name = 'changed' WHERE code = 'en'")


def _home_follows(stage: Stage, person: int) -> None:
    assert stage.execute(
        "oracle", "SELECT handle, handle_lower, email FROM users WHERE id = %s", person
    ) == [("renamed", "renamed", f"removed-{person}")]
    assert stage.execute("oracle", "SELECT name FROM languages WHERE code = 'en'") == [("changed",)]


def test_others_rows_that_changed_since_their_copy_are_copied_and_verified_again(
    moved: Stage,
) -> None:
    person = _projected(moved)
    _change_others(moved, person)
    moved.remember()
    moved.run("verify", "--workers", "1").expect(0)
    _home_follows(moved, person)
    assert moved.home_problems() == []


def test_others_rows_that_changed_between_two_runs_are_brought_up_to_date(erased: Stage) -> None:
    person = _projected(erased)
    _change_others(erased, person)
    _newcomer(erased)
    erased.everywhere_away("UPDATE users SET invited_by = %s WHERE id = 900000", person)
    _again(erased)
    erased.run("verify", "--workers", "1").expect(0)
    _home_follows(erased, person)
    erased.erase().expect(0)
    erased.run("scan", "--workers", "1").expect(0)


def test_a_source_that_changes_after_the_copy_of_a_second_run_is_not_taken_for_a_changed_home(
    erased: Stage,
) -> None:
    _newcomer(erased)
    before = erased.execute("oracle", _KEPT)
    _again(erased)
    erased.everywhere_away("UPDATE users SET bio = 'changed meanwhile' WHERE id = 900000")
    erased.run("verify", "--workers", "1").expect(0)
    assert erased.execute("oracle", "SELECT bio FROM users WHERE id = 900000") == [
        ("changed meanwhile",)
    ]
    assert set(erased.execute("oracle", _KEPT)) >= set(before)


def test_rows_that_changed_between_two_moves_without_an_erasure_follow(moved: Stage) -> None:
    moved.everywhere_away("UPDATE users SET bio = 'changed meanwhile' WHERE country = 'US'")
    _change_others(moved, person := _projected(moved))
    moved.remember()
    _again(moved)
    moved.run("verify", "--workers", "1").expect(0)
    _home_follows(moved, person)
    assert moved.home_problems() == []


def test_a_reduced_row_whose_public_part_changes_takes_nothing_from_the_whole_one_at_home(
    erased: Stage,
) -> None:
    ((reduced,),) = erased.execute(
        "virginia", "SELECT min(id) FROM users WHERE country = 'US' AND email LIKE 'removed-%%'"
    )
    _newcomer(erased)
    before = erased.execute("oracle", _KEPT)
    _again(erased)
    erased.everywhere_away("UPDATE users SET handle = 'renamed' WHERE id = %s", reduced)
    erased.run("verify", "--workers", "1").expect(0)
    assert set(erased.execute("oracle", _KEPT)) >= set(before)
    assert erased.execute("oracle", "SELECT handle FROM users WHERE id = %s", reduced) == [
        ("renamed",)
    ]


def test_a_reduced_row_that_is_written_to_again_takes_nothing_from_the_whole_one_at_home(
    verified: Stage,
) -> None:
    before = verified.execute("oracle", _KEPT)
    verified.erase("virginia-db").expect(0)
    ((reduced,),) = verified.execute(
        "virginia", "SELECT min(id) FROM users WHERE country = 'US' AND email LIKE 'removed-%%'"
    )
    verified.everywhere_away("UPDATE users SET bio = 'written anew' WHERE id = %s", reduced)
    verified.erase("singapore-db").expect(1)
    verified.run("verify", "--workers", "1")
    assert verified.execute("oracle", _KEPT) == before
    _again(verified)
    verified.run("verify", "--workers", "1")
    assert verified.execute("oracle", _KEPT) == before
    bios = [verified.execute(p, "SELECT bio FROM users WHERE id = %s", reduced) for p in AWAY]
    assert bios == [[("written anew",)]] * 2


def test_somebody_who_becomes_a_member_comes_home_whole_over_the_projection(
    erased: Stage,
) -> None:
    person = _projected(erased)
    erased.everywhere_away("UPDATE users SET country = 'US' WHERE id = %s", person)
    whole = erased.execute("virginia", "SELECT email, bio FROM users WHERE id = %s", person)
    _again(erased)
    erased.run("verify", "--workers", "1").expect(0)
    query = "SELECT email, bio FROM users WHERE id = %s AND country = 'US'"
    assert erased.execute("oracle", query, person) == whole
    erased.erase().expect(0)
    erased.run("scan", "--workers", "1").expect(0)


def test_rows_that_home_changed_are_never_overwritten_and_named_by_the_verification(
    moved: Stage,
) -> None:
    first, second = (
        person
        for (person,) in moved.execute(
            "oracle", "SELECT id FROM users WHERE country <> 'US' ORDER BY id LIMIT 2"
        )
    )
    member = min(moved.before.members)
    moved.execute("oracle", "UPDATE users SET handle = 'home-made' WHERE id = %s", first)
    moved.execute("oracle", "UPDATE users SET bio = 'written at home' WHERE id = %s", member)
    moved.everywhere_away(
        "UPDATE users SET handle = 'renamed-' || id WHERE id IN (%s, %s)", first, second
    )
    moved.everywhere_away("UPDATE users SET bio = 'written away' WHERE id = %s", member)
    for _ in range(2):
        told = moved.run("verify", "--workers", "1").expect(1)
        assert "rows are not at home as they are there" in " ".join(told.out.split())
        assert moved.execute(
            "oracle", "SELECT handle FROM users WHERE id IN (%s, %s) ORDER BY id", first, second
        ) == [("home-made",), (f"renamed-{second}",)]
        bio = moved.execute("oracle", "SELECT bio FROM users WHERE id = %s", member)
        assert bio == [("written at home",)]
        _again(moved)
    assert moved.source_changes() != []  # the application's own, above


def test_a_view_that_could_not_be_refreshed_keeps_the_erasure_from_being_complete(
    verified: Stage,
) -> None:
    verified.execute(
        "virginia",
        "CREATE MATERIALIZED VIEW share AS SELECT 100 / count(*) AS n FROM users"
        " WHERE country = 'US' AND email NOT LIKE 'removed-%%'",
    )
    done = verified.erase("virginia-db").expect(1)
    assert "a materialised view that was not refreshed" in " ".join(done.out.split())
    (check,) = [
        check
        for path in (verified.records / "runs").glob("*/certificates/virginia-db*")
        for check in unsigned(path.read_bytes()).checks
        if "files or views" in check.what
    ]
    assert check.result == "share (a materialised view that was not refreshed)"
    assert check.passed is None
    verified.execute("virginia", "DROP MATERIALIZED VIEW share")
    verified.erase().expect(0)
