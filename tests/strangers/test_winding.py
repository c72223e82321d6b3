"""Ways to a person that no foreign key shows: JSON, keys as text, other tables' rows, and a country
that stands elsewhere. What must be true afterwards is written here by hand.
"""

from __future__ import annotations

import json
import random
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
name = "Winding"

[boundaries.us]
members = ["US"]
custodian = "Trust"
provider = "Cloud"
home = ["home"]

[people]
table = "shop.customers"
key = ["id"]
country = "id -> shop.addresses.customer -> country"
spellings = { "U.S." = "US" }

[tables.customers]
table = "shop.customers"
public = ["nick"]

[tables.orders]
table = "shop.orders"
person = ["buyer"]

[tables.lines]
table = "shop.lines"
person = ["depot,order_no -> shop.orders.depot,number"]

[tables.notes]
table = "shop.notes"
person = ["order_no -> shop.orders.number"]

[tables.parcels]
table = "shop.parcels"
person = ["code -> shop.lines.parcel"]

[tables.complaints]
table = "shop.complaints"
person = ["by"]

[tables.events]
table = "shop.events"
person = ["payload#/user/id"]

[tables.audits]
table = "shop.audits"
person = ["data#/a~1b/0/"]

[records]
shard_rows = 7
"""

_AMERICANS = "(3, 6, 9, 12)"
_LINES = "(3, 6, 9, 12, 15, 18, 21, 24)"
MEMBERS = {
    "shop.customers": f"id IN {_AMERICANS}",
    "shop.addresses": f"customer IN {_AMERICANS}",
    "shop.orders": f"buyer::int IN {_AMERICANS}",
    "shop.lines": f"id IN {_LINES}",
    "shop.notes": "substr(note, 6) IN ('1', '3', '6', '9', '12')",
    "shop.parcels": f"weight IN {_LINES}",
    "shop.complaints": "id = 2",
    "shop.events": f"id IN {_AMERICANS}",
    "shop.audits": f"id IN {_AMERICANS}",
}
COUNTS = {
    "shop.customers": 4,
    "shop.addresses": 6,
    "shop.orders": 5,
    "shop.lines": 8,
    "shop.notes": 5,
    "shop.parcels": 6,
    "shop.complaints": 1,
    "shop.events": 4,
    "shop.audits": 4,
}
PROJECTED = {
    "shop.customers": "SELECT id, nick, 'removed-' || id FROM shop.customers",
    "shop.orders": "SELECT depot, number, buyer, NULL, NULL FROM shop.orders",
    "shop.lines": "SELECT id, depot, order_no, NULL, NULL FROM shop.lines",
}
# A line of which somebody else complains holds its order, and that its buyer.
LEFT_BEHIND = {"shop.lines": "id = 3", "shop.orders": "gift = 'gift-3'", "shop.customers": "id = 3"}
BROUGHT_ALONG = {
    "shop.lines": "id = 4",
    "shop.orders": "gift = 'gift-4'",
    "shop.customers": "id = 4",
}


def winding_story(directory: Path, servers: Direction) -> Story:
    directory.mkdir()
    statements = (ROOT / "tests" / "strangers" / "winding.sql").read_text(encoding="utf-8")
    story = new_story(directory, *servers, statements)
    story.write_charter(CHARTER, source="old", home="home", home_provider="Cloud")
    return story


def projections(story: Story, which: dict[str, str]) -> dict[str, Rows]:
    return {
        table: story.source.rows(f"{PROJECTED[table]} WHERE {condition}")
        for table, condition in which.items()
    }


# Persons, keys and rows that nobody knows. 13's countries differ; 3's order was left reduced.
ASTRAY = """
INSERT INTO shop.customers VALUES (13, 'nick-13', 'mail-13');
INSERT INTO shop.addresses VALUES (20, 13, 'street-13', 'US'), (21, 13, 'street-13', 'DE');
INSERT INTO shop.orders VALUES (1, 'X-1', '01', 'gift'), (1, 'X-2', '13', 'gift');
INSERT INTO shop.lines VALUES (100, 2, 'N-1', 'what'), (101, 1, 'X-2', 'what'),
    (102, 1, 'N-3', 'what'), (103, 1, 'N-1', 'what');
INSERT INTO shop.notes VALUES ('gone', 'note');
INSERT INTO shop.parcels VALUES ('A parcel', 1);
INSERT INTO shop.events VALUES (20, '{"user": {"id": true}}');
INSERT INTO shop.audits VALUES (20, '{"a/b": [3]}');
"""
NOT_EXAMINED = {
    "shop.customers": 1,
    "shop.addresses": 2,
    "shop.orders": 2,
    "shop.lines": 2,
    "shop.notes": 1,
    "shop.parcels": 1,
    "shop.events": 1,
    "shop.audits": 1,
}
LATE = {"shop.lines": 1}

KINDS = {
    "a person's key inside JSON (json, jsonb)": "what is no key's text there: not examined",
    "a person's key as text, where the key is a number or a uuid": "",
    "rows of other tables that hold the same, without a foreign key": "a member's if any is",
    "persons' countries in another table": "persons with several countries: not examined",
}


@pytest.mark.parametrize("seed", range(24) if LONG else [1])
def test_rows_find_their_person_through_json_texts_and_other_tables(
    postgres15: PostgresServer,
    postgres18: PostgresServer,
    tmp_path: Path,
    covers: Covers,
    seed: int,
) -> None:
    servers = (postgres15, postgres18) if seed % 2 else (postgres18, postgres15)
    story = winding_story(tmp_path / "story", servers)
    everything = story.source.tables()
    mine = {
        table: story.source.rows(f"SELECT * FROM {table} WHERE {condition}")
        for table, condition in MEMBERS.items()
    }
    assert {table: rows.total() for table, rows in mine.items()} == COUNTS
    others = {table: rows - mine[table] for table, rows in everything.items()}
    at_home = united(mine, projections(story, BROUGHT_ALONG))
    away = united(others, projections(story, LEFT_BEHIND))

    bring_home_killed(story, seed, away)
    assert differences(at_home, story.home.tables()) == []
    assert differences(away, story.source.tables()) == []
    for place in (story.source, story.home):
        assert place.broken_foreign_keys() == []
    story.run("recheck")
    story.run("ledger", "verify")

    with story.source.connect() as connection:
        connection.execute(ASTRAY.encode())
    counts = json.loads(story.run("scan", "--json", expected=1))["tables"]
    found = {c["table"]: c for c in counts if c["site"] == "old"}
    assert {name: c["unexamined"] for name, c in found.items() if c["unexamined"]} == NOT_EXAMINED
    assert {name: c["members"] for name, c in found.items() if c["members"]} == LATE
    for kind, note in KINDS.items():
        covers("Persons", kind, note=note)


def bring_home_killed(story: Story, seed: int, away: dict[str, Rows]) -> None:
    """To the last scan. The erasure is killed somewhere; what follows is it again, or, where the
    seed is odd and something was left, all of it, from a scan that must still know who is a
    member."""
    rng = random.Random(seed)  # noqa: S311 - seeded
    again = ("scan", "plan", "move", "verify")
    for command in again:
        story.run(command, expected=int(command == "scan"))
    erase = ("erase", "--site", "old", "--confirm", "old")
    assert story.struck(rng.randint(5, 150), 0.0, *erase, "--workers", "1")
    if seed % 2 and differences(away, story.source.tables()):
        for command in again:
            story.run(command, expected=int(command == "scan"))
    story.run(*erase)
    story.run("scan")
