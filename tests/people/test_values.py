"""Soft hops as servers see them: whose a row is, or that nobody can say. Ids are by hand: 1 is a
member, 2 belongs elsewhere, of 3 nothing is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg import sql

from domicile.charter import TableDataset
from domicile.people import (
    UNKNOWN,
    Undecided,
    attribute_tables,
    belongs,
    key_columns,
    load_people,
    names_somebody,
    orphaned,
)
from domicile.sites.postgres import Connection, TableName, read_database
from tests.inventory.databases import opened
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

PERSONS = {"1": True, "2": False, "3": None}
Found = dict[str, set[int]]


@contextmanager
def found(
    server: PostgresServer, script: str, keys: dict[str, bool | None], **person: str
) -> Iterator[dict[str, Found]]:
    """Of each table, the ids of its rows: members', of the unknown, naming somebody unheard of,
    naming nobody."""
    tables = {name: TableDataset(table=name, person=(way,)) for name, way in person.items()}
    with opened(server, script) as connection:
        database = read_database(connection)
        attribution = attribute_tables(charter(tables), database)
        connection.commit()
        users = database.tables[TableName("public", "users")]
        persons = [((key,), one) for key, one in keys.items()]
        load_people(connection, key_columns(users, ("id",)), persons)
        yield {
            name: {
                what: _ids(connection, name, condition)
                for what, condition in {
                    "member": belongs(paths, ("id",), "t"),
                    "unknown": belongs(paths, ("id",), "t", UNKNOWN),
                    "orphan": orphaned(paths, ("id",), "t"),
                    "nobody": sql.SQL("NOT {}").format(names_somebody(paths[0].hops[0], "t")),
                }.items()
            }
            for name in person
            if (paths := attribution.paths[TableName.parse(name)])
        }


def _ids(connection: Connection, table: str, condition: sql.Composable) -> set[int]:
    query = sql.SQL("SELECT id FROM {} AS t WHERE {}").format(
        sql.Identifier("public", table), condition
    )
    return {row[0] for row in connection.execute(query)}


MEMBERS = ['{"user":{"id":1}}', '{"user":{"id":"1"}}', '{"user":{"id":1},"id":2}']
OTHERS = ['{"user":{"id":2}}', '{"user":{"id":"2"}}']
UNKNOWNS = ['{"user":{"id":3}}']
ORPHANS = [
    *(f'{{"user":{{"id":{value}}}}}' for value in ("1.0", '"01"', '" 1"', '"1\\n"', "true", "[1]")),
    *(f'{{"user":{{"id":{value}}}}}' for value in ('{"id":1}', "99", "-1", '""', '"null"')),
    '{"user":{"id":123456789012345678901234567890}}',
    '{"user":"1"}',
    '{"user":[{"id":1}]}',
    '{"user":1}',
    '{"user":false}',
    "[]",
    '"1"',
    "1",
]
NOBODYS = ['{"user":{"id":null}}', '{"user":{}}', '{"user":null}', "{}", "null", '{"id":1}', None]
AS_JSON_ALONE: dict[str, list[str]] = {  # what jsonb does not take
    "member": [r'{"said":"\u0000","user":{"id":1}}', r'{"\ud83d":"\\u0000","user":{"id":"1"}}'],
    "other": [r'{"said":"\ud83d\ude00","user":{"id":2}}'],
    "orphan": [
        r'{"user":{"id":"\u0000"}}',
        r'{"user":{"id":"1\ud83d"}}',
        '{"user":{"id":1e400000}}',
        '{"user":{"id":1E0}}',
    ],
    "nobody": [r'{"user":{"\u0000":1}}'],
}


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_json_names_a_person_nobody_or_somebody_unheard_of(
    postgres15: PostgresServer, kind: str
) -> None:
    cases: dict[str, list[str | None]] = {
        "member": list(MEMBERS),
        "other": list(OTHERS),
        "unknown": list(UNKNOWNS),
        "orphan": list(ORPHANS),
        "nobody": list(NOBODYS),
    }
    if kind == "json":
        for what, more in AS_JSON_ALONE.items():
            cases[what] += more
    rows = [(what, text) for what, texts in cases.items() for text in texts]
    values = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(number, sql.Literal(text))
        for number, (_, text) in enumerate(rows)
    )
    script = (
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3);"
        f"CREATE TABLE events (id int PRIMARY KEY, payload {kind});"
        f"INSERT INTO events VALUES {values.as_string()}"
    )
    with found(postgres15, script, PERSONS, events="payload#/user/id") as tables:
        for what, ids in tables["events"].items():
            expected = {number for number, (case, _) in enumerate(rows) if case == what}
            assert ids == expected, [rows[number] for number in ids ^ expected]


def test_names_of_a_pointer_are_no_paths_of_the_servers(postgres18: PostgresServer) -> None:
    name = "a/b~\"{},\\ 'NULL"
    good = json.dumps({name: [{"": "1"}, {"": "2"}]})
    script = (
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3);"
        "CREATE TABLE events (id int PRIMARY KEY, payload jsonb);"
        f"INSERT INTO events VALUES (1, {sql.quote(good)}), (2, '{{\"a\": 1}}')"
    )
    pointer = "payload#/" + name.replace("~", "~0").replace("/", "~1")
    for index, member in ((0, {1}), (1, set[int]()), (2, set[int]())):
        with found(postgres18, script, PERSONS, events=f"{pointer}/{index}/") as tables:
            assert tables["events"]["member"] == member
            assert tables["events"]["orphan"] == set()
            assert tables["events"]["nobody"] == ({1, 2} if index == 2 else {2})


WHO = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.mark.parametrize(
    ("key", "one", "held", "member", "orphans"),
    [
        ("bigint", "1", "text", "1", ["01", " 1", "1 ", "1.0", "+1", "", "x", "1e0"]),
        ("bigint", "1", "char(3)", "1", ["01"]),
        ("numeric", "1.50", "varchar(9)", "1.50", ["1.5", "1.500"]),
        ("uuid", WHO, "text", WHO, [WHO.upper(), WHO.replace("-", ""), f"{{{WHO}}}"]),
        ("text", "1", "bigint", "1", ["10"]),
        ("text", "01", "bigint", None, ["1"]),
        ("varchar(40)", WHO, "uuid", WHO, [WHO.replace("a0", "b0")]),
        ("text", WHO.upper(), "uuid", None, [WHO]),
    ],
)
def test_a_key_is_compared_with_its_text_and_nothing_like_it(
    postgres18: PostgresServer,
    key: str,
    one: str,
    held: str,
    member: str | None,
    orphans: list[str],
) -> None:
    rows = [(0, None), (1, member), *enumerate(orphans, 2)]
    values = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(number, sql.Literal(text)) for number, text in rows
    )
    script = (
        f"CREATE TABLE users (id {key} PRIMARY KEY); INSERT INTO users VALUES ({sql.quote(one)});"
        f"CREATE TABLE events (id int PRIMARY KEY, who {held});"
        f"INSERT INTO events VALUES {values.as_string()}"
    )
    with found(postgres18, script, {one: True}, events="who") as tables:
        assert tables["events"]["member"] == ({1} if member else set())
        assert tables["events"]["orphan"] == set(range(2, len(rows)))
        assert tables["events"]["nobody"] == ({0} if member else {0, 1})


SHOP = """
CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3);
CREATE TABLE orders (id int PRIMARY KEY, number text, buyer bigint);
INSERT INTO orders VALUES (1, 'A', 1), (2, 'B', 2), (3, 'C', 3), (4, 'AB', 1), (5, 'AB', 2),
    (6, 'D', NULL), (7, 'E', 99), (8, NULL, 1), (9, 'AC', 2), (10, 'AC', 3), (11, 'AE', 2),
    (12, 'AE', 99);
CREATE TABLE lines (id int PRIMARY KEY, order_no varchar(9), sku bigint);
INSERT INTO lines SELECT id, number, id FROM orders WHERE id NOT IN (5, 10, 12);
INSERT INTO lines VALUES (20, 'Z', NULL), (21, NULL, 21), (22, '', 22);
CREATE TABLE parts (id int PRIMARY KEY, sku text);
INSERT INTO parts SELECT id, sku FROM lines;
INSERT INTO parts VALUES (30, '007');
"""


def test_the_rows_that_hold_the_same_say_whose_a_row_is(postgres18: PostgresServer) -> None:
    ways = {
        "orders": "buyer",
        "lines": "order_no -> orders.number",
        "parts": "sku -> lines.sku",
    }
    with found(postgres18, SHOP, PERSONS, **ways) as tables:
        assert tables["lines"] == {
            "member": {1, 4},  # 'AB' is a member's and another's
            "unknown": {3, 9},
            "orphan": {7, 11, 20, 22},  # 'AE' is another's and of somebody unheard of
            "nobody": {8, 21},
        }
        assert tables["parts"] == {
            "member": {1, 4},
            "unknown": {3, 9},
            "orphan": {7, 11, 22, 30},
            "nobody": {20},
        }


def test_a_pointer_needs_json_and_a_key_that_has_one_text(postgres18: PostgresServer) -> None:
    script = (
        "CREATE TABLE users (id timestamptz PRIMARY KEY);"
        "CREATE TABLE a (id int PRIMARY KEY, who text); CREATE TABLE b (who jsonb)"
    )
    tables = {name: TableDataset(table=name, person=("who#/id",)) for name in "ab"}
    with opened(postgres18, script) as connection:
        undecided = attribute_tables(charter(tables), read_database(connection)).undecided
        reasons = {str(name): why for name, why in undecided.items()}
    assert isinstance(reasons["a"], Undecided)
    assert "which is text" in reasons["a"].reason
    assert "cannot be compared exactly" in reasons["b"].reason
