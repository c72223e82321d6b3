from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from domicile.charter import Charter, People, TableDataset
from domicile.people import (
    MEMBERS,
    UNKNOWN,
    PersonPath,
    attribute_tables,
    belongs,
    key_columns,
    load_people,
    orphaned,
)
from domicile.sites.postgres import TableName, read_database
from tests.inventory.databases import opened
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

# ada and "b,c" are members, dee belongs elsewhere, of eve nothing is known.
WORLD = """
CREATE SCHEMA app;
CREATE TABLE app.users (id int, tenant varchar(9), handle text UNIQUE, PRIMARY KEY (tenant, id));
INSERT INTO app.users VALUES (1, 'x', 'ada'), (1, 'y', 'b,c'), (2, 'x', 'dee'), (3, 'x', 'eve');

CREATE TABLE videos (id int PRIMARY KEY, owner_id int, owner_tenant varchar(9),
    FOREIGN KEY (owner_id, owner_tenant) REFERENCES app.users (id, tenant));
INSERT INTO videos VALUES (10, 1, 'x'), (11, 1, 'y'), (12, 2, 'x'), (13, 3, 'x'),
    (14, NULL, NULL), (15, NULL, 'x'), (16, 1, NULL);

CREATE TABLE comments (id int PRIMARY KEY, video int REFERENCES videos);
INSERT INTO comments SELECT id + 10, id FROM videos;
INSERT INTO comments VALUES (20 + 9, NULL);

CREATE TABLE likes (id int PRIMARY KEY, comment int REFERENCES comments);
INSERT INTO likes SELECT id + 20, id FROM comments;
INSERT INTO likes VALUES (48, NULL);

CREATE TABLE profiles (id int PRIMARY KEY, who text REFERENCES app.users (handle));
INSERT INTO profiles VALUES (50, 'ada'), (51, 'b,c'), (52, 'dee'), (53, 'eve'), (54, NULL);

CREATE TABLE events (id int PRIMARY KEY, firm text, who bigint);
INSERT INTO events VALUES (60, 'x', 1), (61, 'y', 1), (62, 'x', 2), (63, 'x', 3), (64, 'z', 99),
    (65, 'x', NULL), (66, NULL, 1);

CREATE TABLE messages (id int PRIMARY KEY, from_id int, from_tenant varchar(9),
    to_id int, to_tenant varchar(9),
    FOREIGN KEY (from_tenant, from_id) REFERENCES app.users,
    FOREIGN KEY (to_tenant, to_id) REFERENCES app.users);
INSERT INTO messages VALUES (70, 1, 'x', 2, 'x'), (71, 2, 'x', 1, 'x'), (72, 2, 'x', 2, 'x'),
    (73, NULL, NULL, 1, 'y'), (74, 2, 'x', NULL, NULL), (75, 3, 'x', 2, 'x'),
    (76, NULL, NULL, NULL, NULL);
"""

KEY = ("tenant", "id")
CHARTER: Charter = charter(
    {
        "events": TableDataset(table="events", person=("firm,who",)),
        "messages": TableDataset(
            table="messages", person=("from_tenant,from_id", "to_id,to_tenant"), persons="any"
        ),
    },
    people=People(table="app.users", key=KEY, country="handle"),
)
PERSONS = [(("x", "1"), True), (("y", "1"), True), (("x", "2"), False), (("x", "3"), None)]

Session = tuple[psycopg.Connection, dict[str, tuple[PersonPath, ...]]]


@pytest.fixture(scope="module")
def session(postgres18: PostgresServer) -> Iterator[Session]:
    """A session that knows the members, and each table's paths."""
    with opened(postgres18, WORLD) as connection:
        database = read_database(connection)
        paths = attribute_tables(CHARTER, database).paths
        connection.commit()
        load_people(
            connection, key_columns(database.tables[TableName("app", "users")], KEY), PERSONS
        )
        yield connection, {str(table): found for table, found in paths.items()}


def ids(session: Session, table: str, condition: sql.Composable) -> set[int]:
    name = TableName.parse(table)
    query = sql.SQL("SELECT id FROM {} AS t WHERE {}").format(
        sql.Identifier(name.schema, name.name), condition
    )
    return {row[0] for row in session[0].execute(query)}


@pytest.mark.parametrize(
    ("table", "hops", "members", "unknown", "orphans"),
    [
        ("videos", 1, {10, 11}, {13}, set()),
        ("comments", 2, {20, 21}, {23}, set()),
        ("likes", 3, {40, 41}, {43}, set()),
        ("profiles", 1, {50, 51}, {53}, set()),
        ("events", 1, {60, 61}, {63}, {64}),
        ("messages", 1, {70, 71, 73}, {75}, set()),
    ],
)
def test_rows_are_found_along_their_paths(
    session: Session,
    table: str,
    hops: int,
    members: set[int],
    unknown: set[int],
    orphans: set[int],
) -> None:
    paths = session[1][table]
    assert {len(path.hops) for path in paths} == {hops}
    assert ids(session, table, belongs(paths, KEY, "t")) == members
    assert ids(session, table, belongs(paths, KEY, "t", UNKNOWN)) == unknown
    assert ids(session, table, orphaned(paths, KEY, "t")) == orphans


def test_people_are_members_themselves(session: Session) -> None:
    paths = session[1]["app.users"]
    connection = session[0]
    found = connection.execute(
        sql.SQL("SELECT handle FROM app.users AS t WHERE {}").format(belongs(paths, KEY, "t"))
    ).fetchall()
    assert {row[0] for row in found} == {"ada", "b,c"}
    assert ids(session, "app.users", orphaned(paths, KEY, "t")) == set()


@pytest.mark.parametrize("table", ["videos", "comments", "likes", "profiles", "events", "messages"])
def test_negating_with_is_not_true_leaves_no_row_between(session: Session, table: str) -> None:
    member = belongs(session[1][table], KEY, "t")
    everything = ids(session, table, sql.SQL("true"))
    others = ids(session, table, sql.SQL("{} IS NOT TRUE").format(member))
    assert others == everything - ids(session, table, member)
    assert ids(session, table, sql.SQL("NOT {}").format(member)) < others


def test_the_member_list_belongs_to_its_session_alone(session: Session) -> None:
    connection = session[0]
    listed = connection.execute(
        "SELECT relname, relpersistence FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r'",
        ([MEMBERS, UNKNOWN],),
    ).fetchall()
    assert sorted(listed) == [(MEMBERS, "t"), (UNKNOWN, "t")]
    counts = [
        connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("pg_temp", name))
        ).fetchone()
        for name in (MEMBERS, UNKNOWN)
    ]
    assert counts == [(2,), (1,)]


def test_the_member_list_outlives_a_rollback_and_a_read_only_session(
    postgres18: PostgresServer,
) -> None:
    with opened(postgres18, "CREATE TABLE users (id uuid PRIMARY KEY)") as connection:
        database = read_database(connection)
        connection.commit()
        users = database.tables[TableName("public", "users")]
        who = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        load_people(connection, key_columns(users, ("id",)), [((who,), True)])
        connection.rollback()
        connection.read_only = True
        query = sql.SQL("SELECT id::text FROM pg_temp.{}").format(sql.Identifier(MEMBERS))
        assert connection.execute(query).fetchall() == [(who,)]
