"""The story from end to end, as a user tells it, compared with the truth."""

from __future__ import annotations

import json
from pathlib import Path

from domicile.demo.servers import EmbeddedPostgres, servers
from domicile.demo.truth_objects import owner_of
from domicile.demo.workspace import DATABASE
from tests.covering import Covers
from tests.story.stage import AWAY, SITES, Done, Stage, confirmed


def test_the_story_ends_as_the_truth_says_and_a_second_one_finds_nothing_to_do(
    stage: Stage, covers: Covers
) -> None:
    stage.tell(workers=2)
    assert stage.problems() == []
    stage.run("scan", "--workers", "1").expect(0)
    shown = stage.run("plan").expect(0)
    assert "nothing to move and nothing to erase" in shown.out
    assert stage.run("move", "--workers", "1", "--json").expect(0).json["shards"] == 0
    assert stage.run("verify", "--workers", "1", "--json").expect(0).json["shards"] == 0
    again = stage.run("erase", "--workers", "1", "--json", *confirmed(*SITES)).expect(0).json
    assert {(site["erased"], site["reduced"]) for site in again["sites"]} == {(0, 0)}
    assert stage.problems() == []
    stage.run("ledger", "verify").expect(0)
    covers("Persons", "a register, and rows by foreign keys over several tables")
    covers("Rows", "members' rows to which others' refer", note="reduced to what is public")
    covers("Objects", "versions and their order, tags and headers")
    covers("Objects", "delete markers")
    covers("Objects", "unfinished uploads", "found erased", note="erased, never completed")
    covers("Objects", "a backup's own versions", note="beneath what is current, or under a marker")


def _twice(stage: Stage, *words: str) -> tuple[Done, Done]:
    return stage.run_afresh(*words).expect(0), stage.run_afresh(*words).expect(0)


def test_every_command_may_be_run_twice(stage: Stage) -> None:
    scan = ("scan", "--workers", "1", "--json")
    first, second = (stage.run_afresh(*scan).expect(1).json for _ in range(2))
    assert first.pop("run") != second.pop("run")
    for summary in (first, second):
        summary.pop("started"), summary.pop("finished")
    assert first == second
    shown, again = _twice(stage, "plan", "--json")
    assert shown.json == again.json
    for step in ("move", "verify"):
        once, twice = _twice(stage, step, "--workers", "1", "--json")
        assert once.json["shards"] == twice.json["shards_before"] > 0
        assert twice.json["shards"] == 0
        assert stage.source_changes() == []
    words = ("erase", "--workers", "1", "--json", *confirmed(*SITES))
    erased, again = _twice(stage, *words)
    for site, same in zip(erased.json["sites"], again.json["sites"], strict=True):
        assert site["erased"] > 0
        assert (site["erased"], site["reduced"]) == (same["erased"], same["reduced"])
    assert stage.problems() == []
    stage.run("ledger", "verify").expect(0)


def test_a_dry_run_erases_nothing(verified: Stage) -> None:
    shown = verified.run("erase", "--dry-run", "--json", *confirmed(*SITES)).expect(0)
    assert all(site["items"] > 0 and not site["unproven"] for site in shown.json["sites"])
    assert verified.source_changes() == []


_NEW = 900_000


def _write_anew(stage: Stage) -> tuple[str, str]:
    """After the erasure the application goes on in Virginia: a new member makes a video, a member
    whose row was reduced writes again, and somebody else answers both. Returns two new keys."""
    ((reduced,),) = stage.execute(
        "virginia", "SELECT min(id) FROM users WHERE country = 'US' AND email LIKE 'removed-%%'"
    )
    ((video, author),) = stage.execute(
        "virginia",
        "SELECT id, author_id FROM videos WHERE author_id IN (SELECT id FROM users WHERE country"
        " <> 'US') AND visibility = 'public' ORDER BY id LIMIT 1",
    )
    private = f"private/{_NEW}/new clip.mp4"
    stage.everywhere_away(
        "INSERT INTO users (id, handle, country, email, display_name, created_at)"
        " VALUES (%s, 'newcomer', 'US', 'newcomer@example.com', 'New Comer', '2026-01-01')",
        _NEW,
    )
    stage.everywhere_away(
        "INSERT INTO videos (id, author_id, caption, object_key, duration_ms, visibility,"
        " filmed_at, created_at) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, %s, 'mine', %s, 1, 'public', '(1,2)', '2026-01-02')",
        *(_NEW, _NEW, private),
    )
    for number, person, on in ((0, _NEW, video), (1, reduced, video), (2, author, _NEW)):
        stage.everywhere_away(
            "INSERT INTO comments (id, user_id, video_id, body, created_at)"
            " VALUES (%s, %s, %s, 'new words', '2026-01-03')",
            *(_NEW + number, person, on),
        )
    stage.everywhere_away(
        "INSERT INTO watch_events VALUES (%s, %s, 5, '2026-01-04')", reduced, video
    )
    draft = f"drafts/{reduced}/written later.mp4"
    for place in AWAY:
        stage.put(place, private, b"a new video")
        stage.put(place, draft, b"a new draft")
    return private, draft


def test_what_is_written_after_the_erasure_is_found_and_brought_home_by_a_second_run(
    erased: Stage,
) -> None:
    private, draft = _write_anew(erased)
    erased.remember()
    found = erased.run("scan", "--workers", "1", "--json").expect(1).json
    virginia = {c["table"]: c["members"] for c in found["tables"] if c["site"] == "virginia-db"}
    expected = {"users": 1, "videos": 1, "comments": 2, "watch_events": 1}
    assert {t.removeprefix("public."): n for t, n in virginia.items() if n} == expected
    erased.run("plan").expect(0)
    erased.run("move", "--workers", "1").expect(0)
    erased.run("verify", "--workers", "1").expect(0)
    assert erased.lost() == []
    erased.erase().expect(0)
    erased.run("scan", "--workers", "1").expect(0)
    for place in AWAY:
        kept = erased.execute(place, "SELECT email, display_name FROM users WHERE id = %s", _NEW)
        assert kept == [(f"removed-{_NEW}", f"removed-{_NEW}")]  # somebody's comment hangs on it
        bodies = erased.execute(place, "SELECT id, body FROM comments WHERE id >= %s", _NEW)
        assert bodies == [(_NEW + 2, "new words")]
        assert not {private, draft} & erased.keys(place)
    home = erased.execute("oracle", "SELECT email FROM users WHERE id = %s", _NEW)
    assert home == [("newcomer@example.com",)]
    written = erased.execute(
        "oracle", "SELECT id FROM comments WHERE body = 'new words' ORDER BY 1"
    )
    assert written == [(_NEW,), (_NEW + 1,)]
    assert erased.get("oracle", private) == b"a new video"
    assert erased.get("oracle", draft) == b"a new draft"
    erased.run("ledger", "verify").expect(0)
    _insert_at_home(erased)


def _insert_at_home(stage: Stage) -> None:
    """Home is alive: its sequences give out what collides with nothing, its keys hold."""
    ((member,),) = stage.execute("oracle", "SELECT min(id) FROM users WHERE country = 'US'")
    ((number,),) = stage.execute(
        "oracle", "INSERT INTO devices (user_id, model) VALUES (%s, 'new') RETURNING id", member
    )
    ((highest,),) = stage.execute("virginia", "SELECT last_value FROM devices_id_seq")
    assert number > highest


def test_an_object_that_is_overwritten_after_the_erasure_comes_home_as_a_newer_version(
    erased: Stage,
) -> None:
    key = _current_private_key(erased)
    before = erased.get("oracle", key)
    for place in AWAY:
        erased.put(place, key, b"written after the erasure")
    erased.run("scan", "--workers", "1").expect(1)
    erased.run("plan").expect(0)
    erased.run("move", "--workers", "1").expect(0)
    erased.run("verify", "--workers", "1").expect(0)
    erased.erase().expect(0)
    erased.run("scan", "--workers", "1").expect(0)
    assert erased.get("oracle", key) == b"written after the erasure"
    versions = [
        version.version_id
        for page in erased.bucket("oracle").versions(key)
        for version in page
        if version.key == key and not version.is_marker
    ]
    assert before in [erased.get("oracle", key, version) for version in versions]
    assert not any(key in erased.keys(place) for place in AWAY)


def test_an_object_that_home_wrote_itself_is_never_covered_by_one_from_the_source(
    erased: Stage,
) -> None:
    key = _current_private_key(erased)
    erased.put("oracle", key, b"written at home")
    for place in AWAY:
        erased.put(place, key, b"written at the source")
    erased.run("scan", "--workers", "1").expect(1)
    erased.run("plan").expect(0)
    erased.run("move", "--workers", "1")
    assert erased.run("verify", "--workers", "1").code == 1
    assert erased.erase().code == 1
    assert erased.get("oracle", key) == b"written at home"
    assert {erased.get(place, key) for place in AWAY} == {b"written at the source"}
    assert erased.run("scan", "--workers", "1").code == 1
    erased.run("ledger", "verify").expect(0)


def _current_private_key(stage: Stage) -> str:
    """A member's private object that was not deleted."""
    return next(
        key
        for key, versions in sorted(stage.before.objects["virginia"].versions.items())
        if key.startswith("private/")
        and not versions[0].is_marker
        and owner_of(key, stage.before.senders) in stage.before.members
    )


def test_a_person_who_changes_country_after_the_scan_does_not_change_the_frozen_list(
    planned: Stage,
) -> None:
    ((leaves,), (stays,)) = planned.execute(
        "virginia",
        "(SELECT min(id) FROM users WHERE country = 'US')"
        " UNION ALL (SELECT max(id) FROM users WHERE country = 'FR')",
    )
    for person, country in ((leaves, "FR"), (stays, "US")):
        planned.everywhere_away("UPDATE users SET country = %s WHERE id = %s", country, person)
    members = planned.before.members
    planned.remember()
    planned.before = type(planned.before)(
        members, planned.before.senders, planned.before.rows, planned.before.objects
    )
    planned.run("move", "--workers", "1").expect(0)
    planned.run("verify", "--workers", "1").expect(0)
    planned.erase().expect(0)
    assert planned.problems() == []
    found = planned.run("scan", "--workers", "1", "--json").expect(1).json
    rows = [c for c in found["tables"] if c["site"] == "virginia-db" and c["members"]]
    assert {c["table"].removeprefix("public.") for c in rows} >= {"users"}  # the one who came


def test_an_erasure_leaves_no_value_of_a_member_in_the_database_files(stage: Stage) -> None:
    rows = stage.execute("virginia", "SELECT id, country, email, display_name FROM users")
    planted = {f"{country.lower()}-mark-{n}@planted.example": n for n, country, *_ in rows}
    for email, person in planted.items():
        stage.everywhere_away("UPDATE users SET email = %s WHERE id = %s", email, person)
    for place in AWAY:
        with stage.database(place) as connection:
            connection.autocommit = True
            connection.execute("ANALYZE")
            connection.execute("CHECKPOINT")
    mine = {email for email in planted if email.startswith("us-")}
    for place in AWAY:
        server = servers(stage.directory)[place]
        assert _in_files(stage, server, planted) == set(planted)  # else grep proves nothing
    stage.remember()
    stage.tell()
    assert stage.problems() == []
    for place in AWAY:
        server = servers(stage.directory)[place]
        left = _in_files(stage, server, planted)
        assert left & mine == set()
        assert left == set(planted) - mine


def _in_files(stage: Stage, server: EmbeddedPostgres, values: dict[str, int]) -> set[str]:
    """Which values stand anywhere in the files of the database: heap, indexes, statistics."""
    place = server.directory.parent.name
    ((oid,),) = stage.execute(place, "SELECT oid FROM pg_database WHERE datname = %s", DATABASE)
    found: set[str] = set()
    for path in sorted((server.data / "base" / str(oid)).iterdir()):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # the server drops a rewritten table's old file at any time
            continue
        found |= {value for value in values if value.encode() in data}
    return found


def test_the_certificates_tell_what_was_erased_and_hold_no_person(erased: Stage) -> None:
    paths = sorted(Path(erased.records).glob("runs/*/certificates/*.json"))
    assert {path.name.partition(".")[0] for path in paths} == set(SITES)
    emails = [row[0] for row in erased.execute("oracle", "SELECT email FROM users")]
    for path in paths:
        text = path.read_text()
        assert json.loads(text)["signatures"]
        assert not any(email in text for email in emails)
    ledger = b"".join(
        path.read_bytes() for path in erased.records.glob("ledger/**/*") if path.is_file()
    )
    handles = [row[0] for row in erased.execute("oracle", "SELECT handle FROM users")]
    assert not any(name.encode() in ledger for name in emails + handles)
    keys = {key.encode() for key in erased.keys("oracle")}
    assert any(key.startswith(b"private/") for key in keys)
    assert not any(key in ledger for key in keys)
    assert b"private/" not in ledger.replace(b"private/{person}/{file}", b"")  # of the charter
