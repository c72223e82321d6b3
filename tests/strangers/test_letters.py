"""Rows with several persons of which each gets a copy, on their way home between two versions.

What must be true is written here by hand, as SQL over the source before the move: what leaves, what
is copied and stays, and what of others each side needs.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.covering import Covers
from tests.services.postgres import PostgresServer
from tests.story.test_kills import LONG
from tests.strangers.conftest import Direction
from tests.strangers.story import ROOT, Rows, Story, differences, new_story
from tests.strangers.test_nasty import united

CHARTER = """
[company]
name = "Letters"

[boundaries.us]
members = ["US"]
custodian = "Trust"
provider = "Cloud"
home = ["home"]

[people]
table = "person"
key = ["id"]
country = "country"

[tables.people]
table = "person"
public = ["handle"]

[tables.videos]
table = "video"
public = ["title"]

[tables.letters]
table = "letter"
person = ["sender", "receiver"]
persons = "copy"

[tables.duets]
table = "Duet's"
person = ["one", "other"]
persons = "copy"

[tables.friendships]
table = "friendship"
person = ["one", "other"]
persons = "copy"

[tables.toasts]
table = "toast"
person = ["speaker"]

[records]
shard_rows = 2
"""

PERSON, VIDEO, LETTER = "public.person", "public.video", "public.letter"
ATTACHMENT, DUET = "public.attachment", 'public."Duet\'s"'
FRIENDSHIP, TOAST = "public.friendship", "public.toast"

ALONE = {
    PERSON: "country = 'US'",
    VIDEO: "owner = 1",
    LETTER: "id IN (10, 11, 12, 13, 24)",
    ATTACHMENT: "letter IN (10, 11, 12, 13, 24)",
    DUET: "takes ? 'US'",
    FRIENDSHIP: "id = 1",
    TOAST: "id = 1",
}
SHARED = {
    LETTER: "id IN (20, 21, 22, 23)",
    ATTACHMENT: "letter IN (20, 21, 22, 23)",
    DUET: "takes ? 'shared'",
    FRIENDSHIP: "id IN (2, 4)",
}
SHARED_COUNTS = {"letters": 4, "attachment": 8, "duets": 2, "friendships": 2}
PROJECTED = {
    PERSON: f"SELECT id, handle, 'removed-' || id, NULL FROM {PERSON}",
    VIDEO: f"SELECT id, owner, title, NULL FROM {VIDEO}",
    LETTER: f"SELECT id, sender, NULL, NULL, NULL, NULL, NULL FROM {LETTER}",
}
# What of the members' alone the rows that stay refer to: Ana's video in a letter to Dirk; Ben's
# letter that was passed on; whoever is named.
LEFT_BEHIND = {PERSON: "id IN (1, 2, 3)", VIDEO: "id = 1", LETTER: "id = 13"}
# What of others the rows at home refer to: Dirk's video in a letter to Ana.
BROUGHT_ALONG = {PERSON: "id IN (4, 5)", VIDEO: "id = 3"}

_WITHOUT_NILS = """
DELETE FROM public.attachment WHERE letter = 40;
DELETE FROM public.letter WHERE id = 40;
DELETE FROM public.person WHERE id = 7;
"""


def letters_story(directory: Path, servers: Direction, *, more: str = _WITHOUT_NILS) -> Story:
    directory.mkdir(exist_ok=True)
    statements = (ROOT / "tests" / "strangers" / "letters.sql").read_text(encoding="utf-8")
    story = new_story(directory, *servers, statements + more, workers=1)
    story.write_charter(CHARTER, source="old", home="home", home_provider="Cloud")
    return story


def chosen(story: Story, which: dict[str, str]) -> dict[str, Rows]:
    return {
        table: story.source.rows(f"SELECT * FROM {table} WHERE {condition}")
        for table, condition in which.items()
    }


def projected(story: Story, which: dict[str, str]) -> dict[str, Rows]:
    return {
        table: story.source.rows(f"{PROJECTED[table]} WHERE {condition}")
        for table, condition in which.items()
    }


@dataclass(frozen=True)
class Expected:
    """What must be at home and away at the end, from the source before the move."""

    at_home: dict[str, Rows]
    away: dict[str, Rows]

    @classmethod
    def of(cls, story: Story) -> Expected:
        alone, shared = chosen(story, ALONE), chosen(story, SHARED)
        others = {table: rows - alone[table] for table, rows in story.source.tables().items()}
        return cls(
            united(alone, shared, projected(story, BROUGHT_ALONG)),
            united(others, projected(story, LEFT_BEHIND)),
        )

    def check(self, story: Story) -> None:
        assert differences(self.at_home, story.home.tables()) == []
        assert differences(self.away, story.source.tables()) == []
        assert story.source.broken_foreign_keys() == []
        assert story.home.broken_foreign_keys() == []
        assert story.home.foreign_keys() == story.source.foreign_keys()


def erase(story: Story, expected: int = 0) -> str:
    return story.run("erase", "--site", "old", "--confirm", "old", expected=expected)


def finish(story: Story, *, erased: bool) -> None:
    """What a scan found is brought home, and the next scan and plan find nothing to do."""
    for command in ("plan", "move", "verify"):
        story.run(command)
    if erased:
        erase(story)
    story.run("scan")
    assert "nothing to move and nothing to erase" in words(story.run("plan"))


def change(story: Story, statements: str) -> None:
    with story.source.connect() as connection:
        connection.execute(statements.encode())


def counted(story: Story, what: str, expected: int = 0) -> dict[str, int]:
    """What a scan counts at the old site, by dataset."""
    found = json.loads(story.run("scan", "--json", expected=expected))
    tables = [count for count in found["tables"] if count["site"] == "old"]
    return {count["dataset"]: count[what] for count in tables if count[what]}


def words(said: str) -> str:
    return " ".join(said.split())


def test_a_row_with_several_persons_goes_to_each_of_them(
    postgres15: PostgresServer, postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = letters_story(tmp_path, (postgres15, postgres18))
    expected = Expected.of(story)
    assert counted(story, "shared", expected=1) == SHARED_COUNTS
    finish(story, erased=True)
    expected.check(story)
    _is_told(story)
    _lives_on(story)
    _others_become_members(story)
    _lies_at_a_replica_alone(story)
    covers("Persons", "rows with several persons, of which each gets a copy", note=_NOTE)


_NOTE = "the members' alone erased; shared ones stay, and are brought home again when they change"


def _is_told(story: Story) -> None:
    """How many rows stay, and by which rule: in status, in the certificate, and no alarm."""
    kept = sum(SHARED_COUNTS.values())
    status = json.loads(story.run("status", "--json"))
    assert status["verdict"]["word"] == "home"
    assert any(f"{kept} rows kept away" in reason for reason in status["verdict"]["because"])
    states = {c["dataset"]: c["items"] for c in status["states"] if c["state"] == "shared"}
    assert states == SHARED_COUNTS
    (view,) = status["certificates"]
    checks = {check["what"]: check for check in view["certificate"]["checks"]}
    check = checks["rows of members that are others' too"]
    assert check["passed"]
    assert check["result"].startswith(f"{kept} rows stay")
    _hides_nothing(story)


def _hides_nothing(story: Story) -> None:
    """What is the members' alone and comes back is alarmed of, and nothing of what stays is."""
    letter = "INSERT INTO public.letter (id, sender, receiver, body) VALUES"
    change(story, f"{letter} (11, 2, 1, 'body-US: Ben to Ana')")
    said = words(story.run("recheck", expected=1))
    assert "old: 1 items of members are there" in said
    assert said.count("alarm: 1 items of letters") == said.count("alarm:") == 1
    change(story, f"DELETE FROM {LETTER} WHERE id = 11")


_CHANGES = f"""
UPDATE {LETTER} SET body = 'Ana to Dirk, written anew' WHERE id = 20;
UPDATE {LETTER} SET body = NULL WHERE id = 23;
UPDATE {DUET} SET takes = '{{"shared": 3}}' WHERE one = 8 AND other = 4;
INSERT INTO {LETTER} (id, sender, receiver, answers, video, body)
    VALUES (25, 6, 1, 21, 4, 'Fred to Ana');
DELETE FROM {ATTACHMENT} WHERE letter = 22 AND n = 2;
SELECT lo_put(voice, 0, 'anew to Dirk') FROM {ATTACHMENT} WHERE letter = 20 AND n = 1;
"""
_VOICE = f"SELECT lo_get(voice)::text FROM {ATTACHMENT} WHERE letter = 20 AND n = 1"


def _lives_on(story: Story) -> None:
    """What changes at the source comes home with the next run; what it deletes stays at home."""
    change(story, _CHANGES)
    away = story.source.tables()
    assert "3 of them are not at home" in words(story.run("scan", expected=1))
    told = words(story.run("status", expected=1))
    assert "home lacks 5 rows of members and of others too" in told
    finish(story, erased=False)
    assert differences(away, story.source.tables()) == []
    for table, condition in {**SHARED, LETTER: "id IN (20, 21, 22, 23, 25)"}.items():
        here = story.source.rows(f"SELECT * FROM {table} WHERE {condition}")
        there = story.home.rows(f"SELECT * FROM {table} WHERE {condition}")
        assert not here - there
        assert (there - here).total() == (table == ATTACHMENT)
    assert story.home.rows(_VOICE) == story.source.rows(_VOICE)
    assert story.home.broken_foreign_keys() == []


def _others_become_members(story: Story) -> None:
    """Dirk moves: what he shared with members is the members' alone, and goes."""
    change(story, f"UPDATE {PERSON} SET country = 'US' WHERE id = 4")
    mine = {LETTER: "id IN (20, 21, 22)", ATTACHMENT: "letter IN (20, 21, 22)", DUET: "other = 4"}
    whole = chosen(story, mine)
    now = {"letters": 5, "attachment": 8, "duets": 1, "friendships": 2}
    assert counted(story, "shared", expected=1) == now
    finish(story, erased=True)
    at_home = {
        table: story.home.rows(f"SELECT * FROM {table} WHERE {condition}")
        for table, condition in mine.items()
    }
    assert not [d for d in differences(whole, at_home) if "lacks" in d]
    left = chosen(story, mine)
    assert [left[table].total() for table in mine] == [2, 0, 0]
    assert not any("Ana" in row or "Ben" in row for row in left[LETTER])
    assert story.source.broken_foreign_keys() == []
    assert story.home.broken_foreign_keys() == []


def _lies_at_a_replica_alone(story: Story) -> None:
    """Rows come home from the primary: what of a replica's home lacks is not examined there."""
    place = replace(story.source, database=f"{story.source.database}_replica")
    copied = f"CREATE DATABASE {place.database} TEMPLATE {story.source.database}"
    with replace(story.source, database="postgres").connect() as connection:
        connection.autocommit = True
        connection.execute(copied.encode())
    charter = story.directory / "domicile.toml"
    site = place.table("replica", "company") + 'role = "replica"\n'
    charter.write_text(charter.read_text(encoding="utf-8") + site, encoding="utf-8")
    story.run("scan")
    with place.connect() as connection:
        connection.execute(b"UPDATE public.letter SET body = 'of long ago' WHERE id = 23")
        connection.execute(b"INSERT INTO public.friendship VALUES (9, 1, 5)")
    found = json.loads(story.run("scan", "--json", expected=1))
    there = {c["dataset"]: c for c in found["tables"] if c["site"] == "replica"}
    lacking = {name: count["unexamined"] for name, count in there.items() if count["unexamined"]}
    assert lacking == {"letters": 1, "friendships": 1}
    assert "rows come home from old alone" in there["friendships"]["reason"]
    assert not sum(count["behind"] for count in found["tables"])


_CHANGES_TO_FILES = {"move": 150, "erase": 100}


@pytest.mark.parametrize("seed", range(24) if LONG else range(1))
def test_rows_that_stay_are_as_they_were_whatever_is_killed(
    postgres15: PostgresServer, postgres18: PostgresServer, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - seeded
    servers = (postgres15, postgres18) if seed % 2 else (postgres18, postgres15)
    story = letters_story(tmp_path / "story", servers)
    expected = Expected.of(story)
    story.run("scan", expected=1)
    story.run("plan")
    for command, changes in _CHANGES_TO_FILES.items():
        site = ("--site", "old", "--confirm", "old") if command == "erase" else ()
        at_once = rng.random() < 0.7
        nth = rng.randint(1, changes - 20)
        assert story.struck(nth, 0.0 if at_once else 0.003, command, "--workers", "1", *site)
        story.run(command, *site)
        if command == "move":
            story.run("verify")
    expected.check(story)
    assert counted(story, "shared") == SHARED_COUNTS
    story.run("ledger", "verify")
