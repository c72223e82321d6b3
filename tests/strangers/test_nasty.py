"""A small schema with what makes schemas awkward, upgraded and downgraded on its way home.

What must be true afterwards is written here by hand, as SQL over the source before the move: whose
each row is, who refers to whom, and how a public projection looks.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.covering import Covers
from tests.services.postgres import PostgresServer
from tests.story.test_kills import LONG
from tests.strangers.conftest import Direction
from tests.strangers.story import ROOT, Rows, Story, differences, new_story

CHARTER = """
[company]
name = "Nasty"

[boundaries.us]
members = ["US"]
custodian = "Trust"
provider = "Cloud"
home = ["home"]

[people]
table = "Front Office.user"
key = ["realm", "No."]
country = "select"

[tables.users]
table = "Front Office.user"
public = ["nick"]

[tables.comments]
table = "Comments 'n' more"
public = ["title"]

[tables.visits]
table = "Log of visits"
person = ["who's realm,who: %s"]

[tables.orders]
table = "日本.注文"
person = ["buyer.realm,buyer.no"]

[tables.messages]
table = "Message"
person = ["from_realm,from_no", "to_realm,to_no"]
persons = "any"

[tables.tickets]
table = "Ticket"
person = ["realm,no"]

[tables.reference]
table = "日本.Reference"
classification = "public"

[records]
shard_rows = 2
"""

USERS = '"Front Office"."user"'
COMMENTS = "public.\"Comments 'n' more\""
VISITS = 'public."Log of visits"'
ORDERS = '"日本"."注文"'
LINES = '"日本".line'
MESSAGES = 'public."Message"'
ATTACHMENTS = 'public."Attachment"'
TICKETS = 'public."Ticket"'
REFERENCE = '"日本"."Reference"'
ALBUMS = "public.album"
PHOTOS = "public.photo"

_AMERICANS = f'(SELECT realm, "No." FROM {USERS} WHERE "select" = \'US\')'
MEMBERS = {
    USERS: "\"select\" = 'US'",
    COMMENTS: "id IN (2, 4, 5, 7)",
    ALBUMS: "id IN (2, 3)",
    PHOTOS: "id IN (20, 30, 31)",
    VISITS: f'("who\'s realm", "who: %s") IN {_AMERICANS}',
    ORDERS: f'("buyer.realm", "buyer.no") IN {_AMERICANS}',
    LINES: "\"order\" NOT IN ('B', 'Z')",
    MESSAGES: f"(from_realm, from_no) IN {_AMERICANS} OR (to_realm, to_no) IN {_AMERICANS}",
    ATTACHMENTS: "name NOT IN ('attached to NO to DE', 'attached to DE to all')",
    TICKETS: f"(realm, no) IN {_AMERICANS}",
    REFERENCE: "false",
}
COUNTS = {
    USERS: 3,
    COMMENTS: 4,
    ALBUMS: 2,
    PHOTOS: 3,
    VISITS: 4,
    ORDERS: 6,
    LINES: 6,
    MESSAGES: 4,
    ATTACHMENTS: 8,
    TICKETS: 2,
    REFERENCE: 0,
}
_NAME = "('(' || realm || ',' || \"No.\" || ')')"  # no two composite keys read alike
PROJECTED = {
    USERS: f"SELECT realm, \"No.\", 'removed-' || md5({_NAME}), 'removed-' || {_NAME} AS login,"
    f" upper('removed-' || {_NAME}), nick, NULL, 'zealous', '{{}}', NULL, '{{}}', NULL,"
    f" '0.0000', '00:00:00', NULL, '1970-01-01 00:00:00+00'::timestamptz,"
    f" md5({_NAME})::uuid, NULL, NULL FROM {USERS}",
    COMMENTS: 'SELECT id, "author realm", "author No.", NULL, \'removed-\' || id, title'
    f" FROM {COMMENTS}",
    PHOTOS: f"SELECT id, NULL, ''::bytea FROM {PHOTOS}",
}
# What foreigners' rows, or projections that stay, still refer to.
LEFT_BEHIND = {
    USERS: "(realm, \"No.\") IN (('eu', 2), ('us', 3))",
    COMMENTS: "id = 2",
    PHOTOS: "id = 20",
}
# What members' rows, or projections at home, refer to.
BROUGHT_ALONG = {
    USERS: "(realm, \"No.\") IN (('eu', 1), ('us', 2))",
    COMMENTS: "id IN (1, 3)",
    PHOTOS: "id = 10",
}


def nasty_story(
    directory: Path, servers: Direction, *, more: str = "", workers: int | None = 1
) -> Story:
    directory.mkdir(exist_ok=True)
    statements = (ROOT / "tests" / "strangers" / "nasty.sql").read_text(encoding="utf-8")
    story = new_story(directory, *servers, statements + more, workers)
    story.write_charter(CHARTER, source="old", home="home", home_provider="Cloud")
    return story


def members(story: Story) -> dict[str, Rows]:
    return {
        table: story.source.rows(f"SELECT * FROM {table} WHERE {condition}")
        for table, condition in MEMBERS.items()
    }


def projections(story: Story, which: dict[str, str]) -> dict[str, Rows]:
    return {
        table: story.source.rows(f"{PROJECTED[table]} WHERE {condition}")
        for table, condition in which.items()
    }


def united(*parts: dict[str, Rows]) -> dict[str, Rows]:
    tables = {table for part in parts for table in part}
    return {table: sum((p.get(table, Counter()) for p in parts), Counter()) for table in tables}


AWKWARD = (
    "arrays, and arrays of enums",
    "bytea, json, uuid, inet, intervals, infinities",
    "composite keys",
    "domains and enums",
    "foreign keys in circles",
    "generated columns",
    "identity columns and sequences",
    "rows that refer to themselves",
    "several schemas",
    "tables without a key",
)


@dataclass(frozen=True)
class Expected:
    """What must be at home and away at the end, from the source before the move."""

    at_home: dict[str, Rows]
    away: dict[str, Rows]

    @classmethod
    def of(cls, story: Story) -> Expected:
        mine, everything = members(story), story.source.tables()
        assert {table: rows.total() for table, rows in mine.items()} == COUNTS
        assert everything.keys() == mine.keys()
        others = {table: rows - mine[table] for table, rows in everything.items()}
        brought = projections(story, BROUGHT_ALONG)
        return cls(
            united(mine, brought, {REFERENCE: everything[REFERENCE]}),
            united(others, projections(story, LEFT_BEHIND)),
        )

    def check(self, story: Story) -> None:
        assert differences(self.at_home, story.home.tables()) == []
        assert differences(self.away, story.source.tables()) == []
        assert story.source.broken_foreign_keys() == []
        assert story.home.broken_foreign_keys() == []
        assert story.home.foreign_keys() == story.source.foreign_keys()
        here, there = story.home.next_numbers(), story.source.next_numbers()
        assert len(here) == 3
        assert not [name for name in here if here[name] & there[name]]


def test_awkward_rows_go_home_as_they_are(
    upgrade: Direction, tmp_path: Path, covers: Covers
) -> None:
    story = nasty_story(tmp_path, upgrade, workers=None)
    expected = Expected.of(story)
    story.bring_home("old")
    expected.check(story)
    view = "SELECT * FROM public.everybody"
    assert story.home.rows(view) == story.home.rows(f'SELECT nick, "Login" FROM {USERS}')
    for kind in AWKWARD:
        covers("Rows", kind)
    covers("Rows", "views", note="they come home with the schema, and hold nothing themselves")
    covers("Rows", "from PostgreSQL 15 to 18, and from 18 to 15")
    several = "a member's if any of them is (`any`)"
    covers("Persons", "rows with several persons, protected for any of them", note=several)
    owner = "the charter names it (`person`, `owner`)"
    covers("Persons", "several ways to a person, of which one counts", note=owner)


_CHANGES = {"move": 280, "verify": 260, "erase": 250}
"""How many changes to files a command makes here, at least."""


@pytest.mark.parametrize("seed", range(24) if LONG else range(1))
def test_awkward_rows_go_home_whatever_is_killed(
    postgres15: PostgresServer, postgres18: PostgresServer, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - seeded
    servers = (postgres15, postgres18) if seed % 2 else (postgres18, postgres15)
    story = nasty_story(tmp_path / "story", servers)
    expected = Expected.of(story)
    story.run("scan", expected=1)
    story.run("plan")
    for command, changes in _CHANGES.items():
        site = ("--site", "old", "--confirm", "old") if command == "erase" else ()
        words = (command, "--workers", str(1 + seed % 2), *site)
        at_once = rng.random() < 0.7
        assert story.struck(rng.randint(1, changes - 20), 0.0 if at_once else 0.003, *words)
        story.run(command, *site)
    expected.check(story)
    story.run("scan")
    story.run("ledger", "verify")


@pytest.mark.parametrize("step", ["move", "verify"])
def test_a_second_time_changes_nothing(
    postgres18: PostgresServer, tmp_path: Path, step: str
) -> None:
    story = nasty_story(tmp_path, (postgres18, postgres18))
    story.run("scan", expected=1)
    for command in ("plan", "move", "verify"):
        story.run(command)
    before = story.home.tables(), story.source.tables()
    story.run(step)
    assert (story.home.tables(), story.source.tables()) == before


_RATINGS = f"""
CREATE TABLE public.rating (id int PRIMARY KEY, realm text, no int, r int, secret text,
    FOREIGN KEY (realm, no) REFERENCES {USERS});
INSERT INTO public.rating VALUES (1, 'us', 3, 5, 'said to nobody');
"""


def test_a_row_is_at_home_as_a_whole_whatever_its_columns_are_called(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = nasty_story(tmp_path, (postgres18, postgres18), more=_RATINGS)
    story.run("scan", expected=1)
    for command in ("plan", "move"):
        story.run(command)
    with story.home.connect() as connection:
        connection.execute("UPDATE public.rating SET secret = 'another'")
    story.run("verify", expected=1)
    story.run("erase", "--site", "old", "--confirm", "old", expected=1)
    assert story.source.rows("SELECT secret FROM public.rating") == Counter(['("said to nobody")'])


def test_a_later_plan_finishes_the_schema_that_an_earlier_run_began(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = nasty_story(tmp_path, (postgres18, postgres18))
    story.run("scan", expected=1)
    story.run("plan")
    assert story.struck(150, 0.0, "move", "--workers", "1")
    story.run("scan", expected=1)
    story.run("plan")
    story.run("move")
    assert story.home.foreign_keys() == story.source.foreign_keys()
    story.run("verify")


_REFUSING = {
    "a check": (
        f'ALTER TABLE {USERS} ADD CONSTRAINT "no fakes" CHECK ("Login" !~ \'^removed\');',
        "CHECK constraint no fakes of Front Office.user (Login)",
    ),
    "a check of a generated column": (
        f"ALTER TABLE {USERS} ADD CONSTRAINT quiet CHECK (\"LOUD\" !~ '^REMOVED');",
        "CHECK constraint quiet of Front Office.user (LOUD)",
    ),
    "a check that wants a value": (
        f'ALTER TABLE {USERS} ADD CONSTRAINT face CHECK (photo IS NOT NULL OR "No." <> 1);',
        "CHECK constraint face of Front Office.user (No., photo)",
    ),
    "a domain": (
        f"""CREATE DOMAIN public.words AS text CHECK (VALUE !~ '^removed');
        ALTER TABLE {COMMENTS} ALTER COLUMN body TYPE public.words;""",
        "Comments 'n' more.body breaks the domain words",
    ),
}


@pytest.mark.parametrize("case", _REFUSING.values(), ids=list(_REFUSING))
def test_a_placeholder_that_a_constraint_refuses_blocks_the_plan_and_names_it(
    postgres18: PostgresServer, tmp_path: Path, case: tuple[str, str]
) -> None:
    statements, word = case
    story = nasty_story(tmp_path, (postgres18, postgres18), more=statements)
    before = story.source.tables()
    story.run("scan", expected=1)
    said = " ".join(story.run("plan", expected=1).split())
    assert word in said
    story.run("move", expected=2)
    assert story.home.tables() == {}
    assert differences(before, story.source.tables()) == []


def test_constraints_that_placeholders_keep_block_nothing(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    kept = (
        f'ALTER TABLE {USERS} ADD CONSTRAINT named CHECK (length("Login") > 1),'
        ' ADD CHECK (photo IS NULL OR length(photo) < 100), ADD CHECK ("No." > 0);'
    )
    story = nasty_story(tmp_path, (postgres18, postgres18), more=kept)
    story.run("scan", expected=1)
    story.run("plan")


def test_a_check_that_comes_after_the_plan_stops_the_move_and_changes_nothing(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = nasty_story(tmp_path, (postgres18, postgres18))
    before = story.source.tables()
    story.run("scan", expected=1)
    story.run("plan")
    with story.source.connect() as connection:
        connection.execute(str(_REFUSING["a check"][0]).encode())
    said = story.run("move", expected=3)
    assert "no fakes" in said
    story.run("verify", expected=2)
    story.run("erase", "--site", "old", "--confirm", "old", expected=1)
    assert differences(before, story.source.tables()) == []
