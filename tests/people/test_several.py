"""Rows with several persons of whom each gets a copy: asked of a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from domicile.charter import TableDataset
from domicile.people import alone, attribute_tables, key_columns, load_people, names_person, shared
from domicile.sites.postgres import TableName, read_database
from tests.inventory.databases import Session, column, opened, rules_of
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

# Ana (1), Ben (2) and Cleo (8) are members; Cleo's own row is gone. Dirk (4) and Emma (5) are not,
# of Nils (7) the country is unknown, and nobody knows who 99 is.
WORLD = """
CREATE TABLE users (id int PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'US'), (4, 'DE'), (5, 'DE'), (7, NULL);
CREATE TABLE letters (id int PRIMARY KEY, one int REFERENCES users, other int REFERENCES users);
INSERT INTO letters VALUES (1, 1, 2), (2, 1, NULL), (3, 1, 1), (4, 1, 4), (5, 5, 2), (6, 4, 5),
    (7, 4, NULL), (8, NULL, NULL), (9, 1, 7), (10, 4, 7), (11, 7, NULL), (12, NULL, 4);
CREATE TABLE duets (id int PRIMARY KEY, one int, other int);
INSERT INTO duets SELECT * FROM letters;
INSERT INTO duets VALUES (20, 8, 1), (21, 8, 4), (22, 8, 99), (23, 4, 99), (24, 99, NULL),
    (25, 8, NULL);
CREATE TABLE threads (id int PRIMARY KEY, owner int REFERENCES users);
INSERT INTO threads VALUES (1, 1), (2, 4), (3, NULL);
CREATE TABLE posts (id int PRIMARY KEY, thread int REFERENCES threads, guest int REFERENCES users);
INSERT INTO posts VALUES (1, 1, 2), (2, 1, 4), (3, 2, 1), (4, 3, 1), (5, 3, 4), (6, 2, 5),
    (7, NULL, 1);
CREATE TABLE trios (id int PRIMARY KEY, a int, b int, c int);
INSERT INTO trios VALUES (1, 1, 4, 99), (2, 1, 4, 5), (3, 1, 2, 8), (4, 1, 2, 4), (5, 4, 5, 99);
"""


def several(table: str, *person: str) -> TableDataset:
    return TableDataset(table=table, person=person, persons="copy")


CHARTER = charter(
    {
        "letters": several("letters", "one", "other"),
        "duets": several("duets", "one", "other"),
        "posts": several("posts", "thread", "guest"),
        "trios": several("trios", "a", "b", "c"),
        "threads": TableDataset(table="threads", public=("owner",)),
    }
)
KEY = ("id",)
PERSONS = [(("1",), True), (("2",), True), (("8",), True), (("7",), None)]
PERSONS += [((who,), False) for who in ("4", "5")]


@pytest.fixture(scope="module")
def session(postgres18: PostgresServer) -> Iterator[Session]:
    with opened(postgres18, WORLD) as connection:
        rules = rules_of(connection, CHARTER)
        users = rules.database.tables[TableName("public", "users")]
        load_people(connection, key_columns(users, KEY), PERSONS)
        yield connection, rules


def having(session: Session, table: str, condition: sql.Composable) -> set[object]:
    query = sql.SQL("SELECT id FROM {} AS t WHERE {}").format(
        sql.Identifier("public", table), condition
    )
    return set(column(session[0], query))


@pytest.mark.parametrize(
    ("table", "mine", "both"),
    [
        ("letters", {1, 2, 3}, {4, 5}),
        ("duets", {1, 2, 3, 20, 25}, {4, 5, 21}),
        ("posts", {1, 4, 7}, {2, 3}),
        ("trios", {3}, {2, 4}),
    ],
)
def test_a_row_is_the_members_alone_or_shared_or_neither(
    session: Session, table: str, mine: set[int], both: set[int]
) -> None:
    """Who names a member and somebody whom nobody knows is neither: it is not examined."""
    rules = session[1].tables[TableName("public", table)]
    assert rules.copies
    assert having(session, table, alone(rules.paths, KEY, "t")) == mine
    assert having(session, table, shared(rules.paths, KEY, "t")) == both
    assert having(session, table, rules.belong(KEY, "t")) == mine
    assert having(session, table, rules.members(KEY, "t")) == mine
    assert having(session, table, rules.homeward(KEY, "t")) == mine | both
    everything = having(session, table, sql.SQL("true"))
    not_mine = sql.SQL("NOT {}").format(alone(rules.paths, KEY, "t"))
    assert having(session, table, not_mine) == everything - mine


def test_whether_a_row_is_the_members_alone_does_not_hang_on_who_lies_in_the_people_table(
    session: Session,
) -> None:
    """At home few of the others lie: what is the members' alone there must be so at the source."""
    paths = session[1].tables[TableName("public", "duets")].paths
    before = having(session, "duets", alone(paths, KEY, "t"))
    try:
        session[0].execute("TRUNCATE public.users CASCADE")
        assert having(session, "duets", alone(paths, KEY, "t")) == before
        assert having(session, "duets", shared(paths, KEY, "t")) == set()
    finally:
        session[0].rollback()


def test_a_person_is_named_where_the_foreign_keys_end(session: Session) -> None:
    thread, guest = session[1].tables[TableName("public", "posts")].paths
    assert having(session, "posts", names_person(thread, "t")) == {1, 2, 3, 6}
    assert having(session, "posts", names_person(guest, "t")) == {1, 2, 3, 4, 5, 6, 7}
    (own,) = attribute_tables(CHARTER, read_database(session[0])).paths[
        TableName("public", "users")
    ]
    session[0].rollback()
    assert having(session, "users", names_person(own, "t")) == {1, 2, 4, 5, 7}
