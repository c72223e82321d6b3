"""Nothing in the ledger tells who somebody is, whatever went wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger.identifiers import traces
from tests.story.stage import AWAY, Done, Stage

pytestmark = pytest.mark.xdist_group("story")

_MEMBER, _FOREIGNER, _NEWCOMER = 7712345678901234561, 7723456789012345671, 7734567890123456781
_RIVAL = 7745678901234567891


def _emails() -> dict[int, str]:
    return {
        _MEMBER: "planted.member@quux-example.org",
        _FOREIGNER: "planted.foreigner@quux-example.org",
        _NEWCOMER: "planted.newcomer@quux-example.org",
    }


def _planted() -> set[str]:
    """Every value that was planted, whatever it is of."""
    persons = (_MEMBER, _FOREIGNER, _NEWCOMER)
    return {
        *(str(person) for person in (*persons, _RIVAL)),
        *_emails().values(),
        *(value for person in persons for value in _values(person)),
        f"secret-video-{_MEMBER}.mp4",
        "attachments/planted-holiday-photo.jpg",
        "planted words to a friend",
        "203.0.113.177",
        "1f0e7a52-6c7b-4d8e-9b1a-77aa77bb77cc",
    }


def _values(person: int) -> tuple[str, str, str]:
    """Handle, phone number and name."""
    last = str(person)[-8:]
    return f"zeph_quattle_{last}", f"+1555{last}77", f"Zéphyrine Quattlebaum {last}"


def _insert_user(stage: Stage, place: str, person: int, country: str, email: str) -> None:
    handle, phone, name = _values(person)
    stage.execute(
        place,
        "INSERT INTO users (id, handle, country, email, phone, display_name, bio, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, '2026-01-01')",
        *(person, handle, country, email, phone, name, f"I am {name}"),
    )


def _plant(stage: Stage) -> None:
    for place in AWAY:
        for person, country in ((_MEMBER, "US"), (_FOREIGNER, "FR")):
            _insert_user(stage, place, person, country, _emails()[person])
        stage.execute(
            place,
            "INSERT INTO direct_messages (id, sender_id, recipient_id, body, attachment_key,"
            " sent_at) OVERRIDING SYSTEM VALUE VALUES (9000001, %s, %s, 'planted words to a"
            " friend', 'attachments/planted-holiday-photo.jpg', '2026-01-01')",
            *(_MEMBER, _FOREIGNER),
        )
        stage.execute(
            place,
            "INSERT INTO devices (id, user_id, model, advertising_id, last_ip) OVERRIDING SYSTEM"
            " VALUE VALUES (9000001, %s, 'x', '1f0e7a52-6c7b-4d8e-9b1a-77aa77bb77cc',"
            " '203.0.113.177')",
            _MEMBER,
        )
        stage.put(place, f"private/{_MEMBER}/secret-video-{_MEMBER}.mp4", b"a planted video")
        stage.put(place, "attachments/planted-holiday-photo.jpg", b"a planted photo")


def _fail_an_erasure(stage: Stage) -> Done:
    """A trigger that refuses, and says of whom."""
    stage.execute(
        "virginia",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''%% must stay'', OLD::text; END'",
    )
    stage.execute(
        "virginia",
        "CREATE TRIGGER refuse BEFORE DELETE OR UPDATE ON devices FOR EACH ROW EXECUTE FUNCTION"
        " refuse()",
    )
    failed = stage.erase().expect(3)
    stage.execute("virginia", "DROP FUNCTION refuse CASCADE")
    return failed


def _fail_a_move(stage: Stage) -> Iterator[Done]:
    """Home has a newcomer's address already, with somebody else; and then another video in place
    of theirs."""
    for place in AWAY:
        _insert_user(stage, place, _NEWCOMER, "US", _emails()[_NEWCOMER])
        stage.put(place, f"private/{_NEWCOMER}/clip.mp4", b"from the source")
    stage.execute(
        "oracle",
        "INSERT INTO users (id, handle, country, email, display_name)"
        " VALUES (%s, 'a-rival', 'US', %s, 'A Rival')",
        *(_RIVAL, _emails()[_NEWCOMER]),
    )
    stage.put("oracle", f"private/{_NEWCOMER}/clip.mp4", b"written at home")
    yield stage.run("scan", "--workers", "1").expect(1)
    yield stage.run("plan").expect(0)
    yield stage.run("move", "--workers", "1").expect(3)
    stage.execute("oracle", "DELETE FROM users WHERE id = %s", _RIVAL)
    yield stage.run("move", "--workers", "1")
    yield stage.run("verify", "--workers", "1").expect(1)
    yield stage.erase().expect(1)


def test_the_ledger_of_the_whole_story_and_of_its_failures_names_nobody(stage: Stage) -> None:
    _plant(stage)
    everybody = stage.execute("virginia", "SELECT email, phone FROM users")
    stage.run("scan", "--workers", "1").expect(1)
    stage.run("plan").expect(0)
    stage.run("move", "--workers", "1").expect(0)
    stage.run("verify", "--workers", "1").expect(0)
    failed = _fail_an_erasure(stage)
    assert "rows-devices" in failed.out
    stage.erase().expect(0)
    shown = [failed, stage.run("scan", "--workers", "1").expect(0), *_fail_a_move(stage)]
    shown.append(stage.run("report").expect(1))
    shown.append(stage.run("ledger", "verify").expect(0))
    found = stage.run("ledger", "search", "--json", "--limit", "10000").expect(0).json
    entries = [one["entry"] for one in found["entries"]]
    kinds = {entry["kind"] for entry in entries}
    assert {"charter.in-force", "erase.certified", "scan.finished"} <= kinds
    assert sum(entry["body"].get("failed", 0) for entry in entries) > 0
    home = stage.execute("oracle", "SELECT email FROM users WHERE id = %s", _MEMBER)
    assert home == [(_emails()[_MEMBER],)]  # what was planted went all the way
    values = _planted() | {value for row in everybody for value in row if value}
    assert len(values) > 300
    assert traces(stage.records / "ledger", values) == set()
    said = "".join(done.out + done.err for done in shown)
    assert [value for value in _planted() if value in said] == []
