"""In a database without the people table, persons are looked up in the register: on every way, and
alike whether the session has it in tables or, on a standby, in settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg import sql

from domicile.charter import People, TableDataset
from domicile.inventory import DatabaseRules, rules_for
from domicile.people import belongs, known_columns, load_people, orphaned, set_people
from domicile.sites.postgres import Connection, TableName, read_database
from tests.inventory.databases import column, opened
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

# 1 and 2 are members, of 3 nobody knows the country, 4 belongs elsewhere; 9 is nobody's key.
SCRIPT = """
CREATE TABLE orders (id int PRIMARY KEY, number text UNIQUE, buyer bigint);
INSERT INTO orders VALUES (1, 'a', 1), (2, 'b', 4), (3, 'c', 9), (4, 'd', 3), (5, 'e', NULL);
CREATE TABLE lines (id int PRIMARY KEY, ordered int REFERENCES orders);
INSERT INTO lines SELECT id, id FROM orders;
CREATE TABLE parcels (id int PRIMARY KEY, number text);
INSERT INTO parcels SELECT id, number FROM orders;
INSERT INTO parcels VALUES (6, 'z');
CREATE TABLE events (id int PRIMARY KEY, doc jsonb);
INSERT INTO events VALUES (1, '{"who": 1}'), (2, '{"who": "4"}'), (3, '{"who": 9}'),
    (4, '{"who": 3}'), (5, '{}'), (6, '{"who": [1]}');
CREATE TABLE notes (id int PRIMARY KEY, who text);
INSERT INTO notes VALUES (1, '1'), (2, '4'), (3, '9'), (4, '3'), (5, NULL), (6, '01');
CREATE TABLE letters (id int PRIMARY KEY, one bigint, other bigint);
INSERT INTO letters VALUES (1, 1, 2), (2, 1, 4), (3, 1, 9), (4, 1, 3), (5, 4, 4), (6, 1, NULL);
"""
CHARTER = charter(
    {
        "orders": TableDataset(table="orders", person=("buyer",)),
        "parcels": TableDataset(table="parcels", person=("number -> orders.number",)),
        "events": TableDataset(table="events", person=("doc#/who",)),
        "notes": TableDataset(table="notes", person=("who",)),
        "letters": TableDataset(table="letters", person=("one", "other"), persons="copy"),
    },
    people=People(table="users", key=("id",), country="country"),
)
TYPES = ("pg_catalog.int8",)
PERSONS = [(("1",), True), (("2",), True), (("3",), None), (("4",), False)]

Session = tuple[Connection, DatabaseRules]


@pytest.fixture(params=["tables", "settings"])
def session(request: pytest.FixtureRequest, postgres18: PostgresServer) -> Iterator[Session]:
    with opened(postgres18, SCRIPT) as connection:
        database = replace(read_database(connection), in_recovery=request.param == "settings")
        connection.commit()
        if database.in_recovery:
            set_people(connection, ("id",), PERSONS, everybody=True)
        else:
            load_people(connection, known_columns(("id",), TYPES), PERSONS, everybody=True)
        connection.read_only = True
        yield connection, rules_for(CHARTER, database, TYPES)


def test_each_way_ends_at_the_register(session: Session) -> None:
    connection, rules = session
    assert not rules.undecided

    def of(name: str, condition: sql.Composable) -> list[object]:
        query = sql.SQL("SELECT id FROM {} AS t WHERE {} ORDER BY id").format(
            sql.Identifier("public", name), condition
        )
        return column(connection, query)

    found = {}
    for name in ("orders", "lines", "parcels", "events", "notes"):
        table = rules.tables[TableName("public", name)]
        found[name] = (
            of(name, table.belong(rules.key, "t")),
            of(name, belongs(table.paths, rules.key, "t", table.lists.unknown)),
            of(name, orphaned(table.paths, rules.key, "t")),
        )
    assert found == {
        "orders": ([1], [4], [3]),
        "lines": ([1], [4], [3]),
        "parcels": ([1], [4], [3, 6]),
        "events": ([1], [4], [3, 6]),
        "notes": ([1], [4], [3, 6]),
    }
    letters = rules.tables[TableName("public", "letters")]
    assert of("letters", letters.belong(rules.key, "t")) == [1, 6]
    assert of("letters", letters.shared(rules.key, "t")) == [2]


def test_nothing_is_held_or_erased_first_for_what_the_register_says(session: Session) -> None:
    _, rules = session
    assert {reference.parent.name for reference in rules.soft} == {"orders"}
    assert rules.holding == ()
