"""Databases that break, disks that are full, and sources that change while work is under way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from domicile.demo.servers import servers
from domicile.sites.objects.model import VersionRef
from tests.story.stage import AWAY, SITES, Done, Stage, confirmed, group_ended, wait_until_stopped

# --- databases that break


@contextmanager
def _terminating(stage: Stage, place: str, statement: str, most: int) -> Iterator[list[int]]:
    """End sessions of Domicile at a place while they run a statement like this one, ``most``
    times; yields the process ids ended."""
    ended: list[int] = []
    over = threading.Event()
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = 'loopreel' AND state = 'active'"
        " AND pid <> pg_backend_pid() AND application_name = 'domicile' AND query LIKE %s"
    )

    def watch() -> None:
        url = servers(stage.directory)[place].url("postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.is_set() and len(ended) < most:
                for (pid,) in connection.execute(query, [statement]).fetchall():
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])
                    ended.append(pid)
                time.sleep(0.0005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield ended
    finally:
        over.set()
        thread.join()


def _slow(stage: Stage, place: str, table: str) -> None:
    """Make deleting a table's rows take a while, so that there is an instant to strike at."""
    stage.execute(
        place,
        "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.01); RETURN OLD; END'",
    )
    stage.execute(
        place,
        f"CREATE OR REPLACE TRIGGER slow BEFORE DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION slow()",
    )


def test_a_database_session_that_is_ended_in_an_erasure_erases_nothing_and_the_next_goes_on(
    verified: Stage,
) -> None:
    _slow(verified, "virginia", "watch_events")
    with _terminating(
        verified, "virginia", '%DELETE FROM ONLY "public"."watch_events"%', 1
    ) as ended:
        failed = verified.erase("virginia-db").expect(3)
    assert ended
    assert "virginia-db" in failed.out + failed.err
    assert "Traceback" not in failed.err
    assert verified.lost() == []
    verified.erase("virginia-db").expect(0)
    verified.execute("virginia", "DROP TRIGGER slow ON watch_events")
    verified.execute("virginia", "DROP FUNCTION slow")
    verified.erase().expect(0)
    assert verified.problems() == []


def test_a_home_that_ends_a_session_in_a_move_leaves_the_source_alone_and_the_next_goes_on(
    planned: Stage,
) -> None:
    process = planned.start_struck(signal.SIGSTOP, 100, "move", "--workers", "2")
    wait_until_stopped(process)
    with planned.database("oracle") as connection:
        assert _lock_what_is_free(connection) > 3
        os.killpg(process.pid, signal.SIGCONT)
        ended = _end_one_that_waits(connection)
        assert ended
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, out + err
    assert "oracle-db" in out + err
    assert "Traceback" not in err
    assert planned.source_changes() == []
    planned.run("move", "--workers", "1").expect(0)
    planned.run("verify", "--workers", "1").expect(0)
    assert planned.home_problems() == []


def _lock_what_is_free(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Let nobody write to the tables that nobody is writing to; how many they are."""
    locked = 0
    names = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
    for (name,) in connection.execute(f"{names} WHERE schemaname = 'public'").fetchall():
        with suppress(psycopg.errors.LockNotAvailable), connection.transaction():
            connection.execute(f"LOCK TABLE {name} IN SHARE MODE NOWAIT".encode())
            locked += 1
    return locked


def _end_one_that_waits(connection: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """End the first session of Domicile that waits for a lock, while it does."""
    query = (
        "SELECT pg_terminate_backend(pid), query FROM pg_stat_activity WHERE wait_event_type ="
        " 'Lock' AND application_name = 'domicile' AND datname = current_database() LIMIT 1"
    )
    deadline = time.monotonic() + 60
    while not (ended := connection.execute(query).fetchall()) and time.monotonic() < deadline:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        time.sleep(0.002)
    return ended


@pytest.mark.parametrize(("command", "changes"), [("move", 150), ("verify", 100), ("erase", 100)])
def test_a_server_that_restarts_under_a_command_costs_another_run_and_no_row(
    verified: Stage, planned: Stage, command: str, changes: int
) -> None:
    del planned  # its scene is needed below
    verified.restore({"move": "planned", "verify": "moved", "erase": "verified"}[command])
    sites = confirmed("virginia-db", "singapore-db") if command == "erase" else ()
    server = servers(verified.directory)["oracle" if command == "move" else "virginia"]
    process = verified.start_struck(signal.SIGSTOP, changes, command, "--workers", "1", *sites)
    wait_until_stopped(process)
    server._run("pg_ctl", ["stop", "-w", "-s", "-m", "immediate"])
    server.start()
    os.killpg(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, out + err
    assert "Traceback" not in err
    assert verified.lost() == []
    words = (command, "--workers", "1", *(confirmed(*SITES) if command == "erase" else ()))
    verified.run(*words).expect(0)
    if command == "erase":
        assert verified.problems() == []
    verified.run("ledger", "verify").expect(0)


# --- disks that are full


def _run_limited(stage: Stage, size_bytes: int, *words: str) -> Done:
    process = stage.start(*words, largest_file=size_bytes)
    out, err = process.communicate(timeout=120)
    assert group_ended(process.pid)
    assert "Traceback" not in err, err
    return Done(words, process.returncode, out, err)


@pytest.mark.parametrize("size_bytes", [0, 1_000, 4_000, 20_000])
def test_a_full_disk_ends_a_move_clearly_and_the_next_goes_on(
    planned: Stage, size_bytes: int
) -> None:
    failed = _run_limited(planned, size_bytes, "move", "--workers", "1").expect(3)
    assert "File too large" in failed.out + failed.err
    assert planned.source_changes() == []
    planned.run("move", "--workers", "1").expect(0)
    planned.run("verify", "--workers", "1").expect(0)
    planned.run("ledger", "verify").expect(0)
    assert planned.home_problems() == []


@pytest.mark.parametrize("size_bytes", [0, 1_000, 6_000])
def test_where_the_records_are_full_nothing_is_erased_without_a_record(
    verified: Stage, size_bytes: int
) -> None:
    words = ("erase", "--workers", "1", *confirmed(*SITES))
    failed = _run_limited(verified, size_bytes, *words).expect(3)
    assert "File too large" in failed.out + failed.err
    assert verified.lost() == []
    if size_bytes == 0:
        assert verified.source_changes() == []
    verified.run(*words).expect(0)
    assert verified.problems() == []
    verified.run("ledger", "verify").expect(0)


@pytest.mark.parametrize(
    ("command", "size_bytes"), [("scan", 0), ("scan", 600), ("scan", 6_000), ("plan", 600)]
)
def test_a_full_disk_ends_a_scan_and_a_plan_clearly(
    stage: Stage, command: str, size_bytes: int
) -> None:
    if command == "plan":
        stage.run("scan", "--workers", "1").expect(1)
    _run_limited(stage, size_bytes, command).expect(*((2, 3) if size_bytes == 0 else (3,)))
    assert stage.source_changes() == []
    stage.run("scan", "--workers", "1").expect(1)
    stage.run("plan").expect(0)


# --- sources that change


def _member(stage: Stage) -> int:
    ((person,),) = stage.execute("virginia", "SELECT min(id) FROM users WHERE country = 'US'")
    return int(person)


def _change_rows(stage: Stage) -> None:
    """The application goes on: a row is updated, one deleted, one inserted."""
    member = _member(stage)
    stage.everywhere_away("UPDATE users SET bio = 'changed meanwhile' WHERE id = %s", member)
    ((device,),) = stage.execute(
        "virginia",
        "SELECT min(id) FROM devices WHERE user_id IN (SELECT id FROM users WHERE country = 'US')",
    )
    stage.everywhere_away("DELETE FROM devices WHERE id = %s", device)
    stage.everywhere_away("INSERT INTO watch_events VALUES (%s, 1, 77, '2026-01-01')", member)
    stage.everywhere_away(
        "INSERT INTO wallet_entries VALUES (%s, 99, 1, 'USD', 'inserted meanwhile', '2026-01-01')",
        member,
    )


def test_rows_that_changed_since_the_copy_are_copied_and_verified_again(moved: Stage) -> None:
    _change_rows(moved)
    moved.remember()
    moved.run("verify", "--workers", "1").expect(0)
    assert moved.home_problems() == []
    moved.erase().expect(0)
    assert moved.problems() == []


def test_rows_that_changed_since_the_verification_stay_until_they_are_proven_again(
    verified: Stage,
) -> None:
    _change_rows(verified)
    verified.remember()
    failed = verified.erase("virginia-db").expect(1)
    assert "not the verified ones" in failed.out
    assert verified.lost() == []
    member = _member(verified)
    bio = verified.execute("virginia", "SELECT bio FROM users WHERE id = %s", member)
    assert bio == [("changed meanwhile",)]
    _go_on(verified)
    for place in AWAY:
        assert not verified.execute(place, "SELECT FROM wallet_entries WHERE entry_no = 99")
    bio = verified.execute("oracle", "SELECT bio FROM users WHERE id = %s", member)
    assert bio == [("changed meanwhile",)]
    memo = verified.execute("oracle", "SELECT memo FROM wallet_entries WHERE entry_no = 99")
    assert memo == [("inserted meanwhile",)]
    verified.run("scan", "--workers", "1").expect(0)
    verified.run("ledger", "verify").expect(0)


def _go_on(stage: Stage) -> None:
    """What the error's next step says, as often as it says so: each time finds the next shard."""
    for _ in range(8):
        stage.run("verify", "--workers", "1").expect(0)
        if stage.erase().expect(0, 1).code == 0:
            return
    pytest.fail("the erasure never came to an end")


def test_a_comment_of_somebody_else_that_arrives_before_the_erasure_stays_with_its_video(
    verified: Stage,
) -> None:
    ((video,),) = verified.execute(
        "virginia",
        "SELECT min(v.id) FROM videos v JOIN users u ON u.id = v.author_id WHERE u.country = 'US'"
        " AND NOT EXISTS (SELECT FROM comments c WHERE c.video_id = v.id)",
    )
    ((writer,),) = verified.execute("virginia", "SELECT min(id) FROM users WHERE country = 'FR'")
    verified.everywhere_away(
        "INSERT INTO comments (id, user_id, video_id, body, created_at)"
        " VALUES (700000, %s, %s, 'written at the last moment', '2026-01-01')",
        *(writer, video),
    )
    verified.remember()
    verified.erase().expect(0)
    assert verified.problems() == []
    for place in AWAY:
        rows = verified.execute(
            place,
            "SELECT c.body, v.filmed_at IS NULL FROM comments c JOIN videos v ON v.id = c.video_id"
            " WHERE c.id = 700000",
        )
        assert rows == [("written at the last moment", True)]


def test_comments_that_arrive_during_the_erasure_are_never_taken_along(verified: Stage) -> None:
    """ON DELETE CASCADE from a member's video to somebody else's comment, in the very instant."""
    _slow(verified, "virginia", "videos")
    ((writer,),) = verified.execute("virginia", "SELECT min(id) FROM users WHERE country = 'FR'")
    videos = verified.execute(
        "virginia",
        "SELECT v.id FROM videos v JOIN users u ON u.id = v.author_id WHERE u.country = 'US'",
    )
    before = verified.execute(
        "virginia", "SELECT count(*) FROM comments WHERE user_id = %s", writer
    )
    process = verified.start("erase", "--workers", "1", *confirmed("virginia-db"))
    written = 0
    while process.poll() is None:
        (video,) = videos[written % len(videos)]
        try:
            verified.execute(
                "virginia",
                "INSERT INTO comments (user_id, video_id, body) VALUES (%s, %s, 'in between')",
                *(writer, video),
            )
        except psycopg.errors.ForeignKeyViolation:
            videos = [one for one in videos if one[0] != video]  # it was erased, first
            if not videos:
                break
            continue
        written += 1
        time.sleep(0.005)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1, 3), out + err
    assert written > 0
    ((now,),) = verified.execute(
        "virginia", "SELECT count(*) FROM comments WHERE user_id = %s", writer
    )
    assert now == before[0][0] + written


def _private_key(stage: Stage) -> str:
    return next(
        key
        for key in sorted(stage.keys("virginia"))
        if key.startswith("private/")
        and int(key.split("/")[1]) in stage.before.members
        and not stage.before.objects["virginia"].versions[key][0].is_marker
    )


def test_an_object_overwritten_since_its_copy_comes_home_by_a_second_run(moved: Stage) -> None:
    key = _private_key(moved)
    for place in AWAY:
        moved.put(place, key, b"overwritten since the copy")
    moved.run("verify", "--workers", "1").expect(0, 1)
    moved.erase().expect(1)
    assert {moved.get(place, key) for place in AWAY} == {b"overwritten since the copy"}
    moved.run("scan", "--workers", "1").expect(1)
    moved.run("plan").expect(0)
    moved.run("move", "--workers", "1").expect(0)
    moved.run("verify", "--workers", "1").expect(0)
    moved.erase().expect(0)
    moved.run("scan", "--workers", "1").expect(0)
    assert moved.get("oracle", key) == b"overwritten since the copy"
    moved.run("ledger", "verify").expect(0)


def test_an_object_that_vanished_since_the_plan_is_no_failure(planned: Stage) -> None:
    key = _private_key(planned)
    store = planned.bucket("virginia")
    listed = [v for page in store.versions(key) for v in page if v.key == key]
    store.delete([VersionRef(v.key, v.version_id) for v in listed])
    planned.run("move", "--workers", "1").expect(0)
    planned.run("verify", "--workers", "1").expect(0)
    planned.erase().expect(0)
    planned.run("scan", "--workers", "1").expect(0)


def test_a_probe_that_a_killed_command_left_is_swept_by_the_next(planned: Stage) -> None:
    for place in AWAY:
        planned.put(place, f".domicile-probe/{'0' * 16}", b"probe")
    planned.run("move", "--workers", "1").expect(0)
    assert planned.source_changes() == []
