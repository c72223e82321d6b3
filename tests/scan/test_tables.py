"""Counting a table's rows: none is passed over as somebody else's while one of its persons is
unknown."""

from __future__ import annotations

import pytest

from domicile.charter import TableDataset
from domicile.people import read_people
from domicile.scan import count_tables
from tests.inventory.databases import member_database
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

# 1 is a member, 2 belongs elsewhere, 9 is nobody whom anybody knows.
WORLD = """
CREATE TABLE users (id bigint PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
CREATE TABLE calls (id int PRIMARY KEY, caller bigint, callee numeric);
INSERT INTO calls VALUES (1, 1, 2), (2, 2, 1), (3, 2, 2), (4, 2, 9), (5, 9, 2), (6, 1, 9),
    (7, 2, NULL), (8, NULL, 9), (9, NULL, NULL);
"""
CHARTER = charter(
    {"calls": TableDataset(table="calls", person=("caller", "callee"), persons="any")}
)


def test_a_row_of_somebody_known_and_somebody_unknown_is_not_examined(
    postgres18: PostgresServer,
) -> None:
    with member_database(postgres18, WORLD, CHARTER, ["1"]) as (connection, rules):
        counts = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
    calls = counts["calls"]
    assert (calls.rows, calls.members, calls.unexamined, calls.nobody) == (9, 3, 3, 1)
    assert "no site knows" in calls.reason


def test_a_row_that_goes_to_each_is_shared_unless_somebody_is_unknown(
    postgres18: PostgresServer,
) -> None:
    """At home it is a member's like any: nothing is erased there."""
    dataset = TableDataset(table="calls", person=("caller", "callee"), persons="copy")
    with member_database(postgres18, WORLD, charter({"calls": dataset}), ["1"]) as session:
        connection, rules = session
        connection.execute("INSERT INTO public.calls VALUES (10, 1, 1), (11, 1, NULL)")
        connection.commit()
        away = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
        home = {c.table: c for c in count_tables(connection, rules, "home", at_home=True)}
        connection.execute("DELETE FROM public.users WHERE id = 1")
        connection.commit()
        erased = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
    for calls in (away["calls"], erased["calls"]):  # a member needs no row here to be one
        found = (calls.rows, calls.members, calls.shared, calls.unexamined, calls.nobody)
        assert found == (11, 2, 2, 4, 1)
    assert (home["calls"].members, home["calls"].shared) == (5, 0)


HEIRS = """
CREATE TABLE users (id bigint PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
CREATE TABLE admins (PRIMARY KEY (id)) INHERITS (users);
INSERT INTO admins VALUES (3, 'US'), (4, 'DE');
CREATE TABLE posts (id int PRIMARY KEY, owner bigint REFERENCES users);
INSERT INTO posts VALUES (1, 1), (2, 2);
"""


def test_who_is_in_a_table_that_inherits_from_the_peoples_is_a_person(
    postgres18: PostgresServer,
) -> None:
    named = charter({"admins": TableDataset(table="admins", person=("id",))})
    with member_database(postgres18, HEIRS, named, ["1", "3"]) as (connection, rules):
        counts = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
        people = sorted(read_people(connection, named.people, rules.database))
    assert people == [(("1",), "US"), (("2",), "DE"), (("3",), "US"), (("4",), "DE")]
    assert {name: (c.rows, c.members, c.unexamined) for name, c in counts.items()} == {
        "users": (2, 1, 0),
        "admins": (2, 1, 0),
        "posts": (2, 1, 0),
    }


def test_a_child_without_a_key_of_its_own_to_a_person_is_not_examined(
    postgres18: PostgresServer,
) -> None:
    with member_database(postgres18, HEIRS, charter(), ["1", "3"]) as (connection, rules):
        counts = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
    assert (counts["users"].members, counts["admins"].unexamined) == (1, 2)
    assert "no foreign key leads to a person (and none is inherited)" in counts["admins"].reason


NICKNAMES = """
CREATE TABLE users (id bigint PRIMARY KEY, country text, handle text);
CREATE TABLE vips () INHERITS (users);
INSERT INTO users VALUES (2, 'DE', 'bob');
INSERT INTO vips VALUES (1, 'US', 'ann'), (4, 'DE', 'cleo');
CREATE TABLE posts (id int PRIMARY KEY, handle text, owner bigint);
INSERT INTO posts VALUES (1, 'ann', 1), (2, 'bob', 2), (3, 'cleo', 4), (4, 'nobody', 9);
"""


@pytest.mark.parametrize(
    ("person", "counted"), [("handle -> users.handle", (0, 3)), ("owner", (1, 1))]
)
def test_who_is_in_a_table_that_inherits_is_found_by_the_key_alone(
    postgres18: PostgresServer, person: str, counted: tuple[int, int]
) -> None:
    """By another column the row may be anybody's: it is not examined."""
    datasets = {
        "posts": TableDataset(table="posts", person=(person,)),
        "vips": TableDataset(table="vips", person=("id",)),
    }
    with member_database(postgres18, NICKNAMES, charter(datasets), ["1"]) as (connection, rules):
        counts = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
    assert (counts["posts"].members, counts["posts"].unexamined) == counted


# The albums 1 (nothing protected is left in it) and 3 are nobody's; of photos in them nobody can
# say whose they are, or they are nobody's. The photo 14, which a mark needs, has nothing in it.
ALBUMS = """
CREATE TABLE users (id bigint PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
CREATE TABLE album (id int PRIMARY KEY, owner bigint REFERENCES users, title text);
CREATE TABLE photo (id int PRIMARY KEY, album int NOT NULL {album}, secret text);
CREATE TABLE mark (id int PRIMARY KEY, who bigint NOT NULL REFERENCES users,
    photo int REFERENCES photo, album int REFERENCES album);
INSERT INTO album VALUES (1, NULL, NULL), (2, 2, NULL), (3, NULL, 'found');
INSERT INTO photo VALUES (11, 1, 'since'), (12, 2, 'theirs'), (13, 3, 'found'), (14, 1, NULL);
INSERT INTO mark VALUES (1, 2, 14, 1);
CREATE TABLE face (id int PRIMARY KEY, photo int NOT NULL REFERENCES photo, name text);
INSERT INTO face VALUES (1, 11, 'since'), (2, 12, 'theirs'), (3, 13, 'found'), (4, 14, 'since');
"""


@pytest.mark.parametrize("soft", [False, True], ids=["a foreign key", "a soft hop"])
def test_what_hangs_on_a_reduced_row_that_names_nobody_is_not_examined(
    postgres18: PostgresServer, *, soft: bool
) -> None:
    datasets = {"marks": TableDataset(table="mark", person=("who",))}
    if soft:
        datasets["photos"] = TableDataset(table="photo", person=("album -> album.id",))
    script = ALBUMS.format(album="" if soft else "REFERENCES album")
    with member_database(postgres18, script, charter(datasets), ["1"]) as (connection, rules):
        counts = {c.table: c for c in count_tables(connection, rules, "old", at_home=False)}
    found = {name: (c.rows, c.members, c.unexamined, c.nobody) for name, c in counts.items()}
    assert found["album"] == (3, 0, 0, 2)
    assert found["photo"] == (4, 0, 1, 2)
    assert found["face"] == (4, 0, 2, 1)
    assert "the way from 1 ends at a row that names nobody" in counts["photo"].reason
    assert not counts["album"].reason
