from __future__ import annotations

from collections.abc import Sequence

import pytest
from psycopg import sql

from domicile.inventory import Projection, project
from domicile.sites.postgres import Connection, TableName, read_database
from tests.inventory.databases import opened
from tests.people.catalogues import column, database, refers, table
from tests.services.postgres import PostgresServer


def test_kept_are_the_key_the_public_and_what_references_need() -> None:
    users = table(
        "users",
        column("handle", not_null=True),
        column("email"),
        column("code"),
        column("country", not_null=True),
        column("boss"),
    )
    keys = [
        refers("users(country)", "countries(id)"),
        refers("users(boss)", "users(id)"),
        refers("cards(user_code)", "users(code)"),
    ]
    found = project(database([users], keys), users, ["handle"])
    assert found.kept == ("id", "handle", "code", "country")
    assert found.removed == ("email", "boss")
    assert found.keeps(["id", "country"])
    assert not found.keeps(["id", "boss"])


def test_a_composite_reference_is_kept_only_where_no_part_may_be_null() -> None:
    rows = table("rows", column("a", not_null=True), "b", key=("id",))
    half = project(database([rows], [refers("rows(a,b)", "x(p,q)")]), rows, [])
    assert half.removed == ("a", "b")
    whole = table("rows", column("a", not_null=True), column("b", not_null=True), key=("id",))
    both = project(database([whole], [refers("rows(a,b)", "x(p,q)")]), whole, [])
    assert both.removed == ()


# Every type that has a placeholder, NOT NULL; two rows, so that uniqueness has something to meet.
SIMPLE = {
    "text": "'secret'",
    "varchar(40)": "'secret'",
    "varchar(3)": "'abc'",
    "char(5)": "'ab'",
    "char(60)": "'ab'",
    "name": "'secret'",
    "smallint": "7",
    "integer": "7",
    "bigint": "7",
    "numeric(9,3)": "7.125",
    "real": "1.5",
    "double precision": "-1.5",
    "money": "12.34",
    "boolean": "true",
    "date": "'1990-02-03'",
    "time": "'12:34'",
    "timetz": "'12:34+02'",
    "timestamp": "'1990-02-03 01:02'",
    "timestamptz": "'1990-02-03 01:02+05'",
    "timestamptz(0)": "'1990-02-03 01:02+05'",
    "interval": "'1 mon'",
    "bytea": "'\\x0102'",
    "json": "'{\"a\": 1}'",
    "jsonb": "'[1]'",
    "inet": "'10.0.0.1/8'",
    "cidr": "'10.0.0.0/8'",
    "macaddr": "'08:00:2b:01:02:03'",
    "bit(3)": "'101'",
    "bit varying(5)": "'11'",
    "tsvector": "'secret'",
    "int4range": "'[1,5)'",
    "tstzrange": "'[2020-01-01,)'",
    "uuid": "gen_random_uuid()",
    "mood": "'calm'",
    "integer[]": "'{1,2}'",
    "text[]": "'{a}'",
    "mood[]": "'{calm}'",
    "nick": "'ada'",
}
TYPES = "CREATE TYPE mood AS ENUM ('gone', 'calm'); CREATE DOMAIN nick AS varchar(30);"


def projected(connection: Connection, name: str, public: Sequence[str] = ()) -> Projection:
    catalogue = read_database(connection)
    return project(catalogue, catalogue.tables[TableName("public", name)], public)


def reduce(connection: Connection, projection: Projection) -> None:
    """Do to every row what reducing it does."""
    table_name = projection.table.name
    connection.execute(
        sql.SQL("UPDATE {} AS t SET {}").format(
            sql.Identifier(table_name.schema, table_name.name),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(
                    sql.Identifier(name), projection.value(projection.table.column(name), "t")
                )
                for name in projection.removed
            ),
        )
    )


def bare_rows(connection: Connection, projection: Projection) -> list[bool]:
    table_name = projection.table.name
    query = sql.SQL("SELECT {} FROM {} AS t").format(
        projection.at_placeholders("t"), sql.Identifier(table_name.schema, table_name.name)
    )
    return [row[0] for row in connection.execute(query)]


def assert_reduces(connection: Connection, projection: Projection) -> None:
    assert not projection.problems
    assert set(bare_rows(connection, projection)) == {False}
    reduce(connection, projection)
    assert set(bare_rows(connection, projection)) == {True}
    reduce(connection, projection)
    assert set(bare_rows(connection, projection)) == {True}


@pytest.mark.parametrize("null", ["NOT NULL", ""])
def test_a_row_of_any_type_is_bare_once_it_is_updated_to_its_projection(
    postgres18: PostgresServer, null: str
) -> None:
    columns = "".join(f", c{n} {kind} {null}" for n, kind in enumerate(SIMPLE))
    values = "".join(f", {value}" for value in SIMPLE.values())
    script = f"{TYPES} CREATE TABLE t (id bigint PRIMARY KEY{columns});"
    script += f"INSERT INTO t VALUES (1{values}), (-9223372036854775808{values})"
    with opened(postgres18, script) as connection:
        projection = projected(connection, "t")
        assert len(projection.removed) == len(SIMPLE)
        assert_reduces(connection, projection)


def test_one_value_left_keeps_a_row_from_being_bare(postgres18: PostgresServer) -> None:
    columns = "".join(f", c{n} {kind} NOT NULL, n{n} {kind}" for n, kind in enumerate(SIMPLE))
    values = "".join(f", {value}, NULL" for value in SIMPLE.values())
    script = f"{TYPES} CREATE TABLE t (id bigint PRIMARY KEY{columns});"
    with opened(postgres18, f"{script} INSERT INTO t VALUES (1{values}), (2{values})") as it:
        projection = projected(it, "t")
        reduce(it, projection)
        assert bare_rows(it, projection) == [True, True]
        it.commit()
        for number, value in enumerate(SIMPLE.values()):
            for name in (f"c{number}", f"n{number}"):
                it.execute(f"UPDATE public.t SET {name} = {value} WHERE id = 1")
                assert sorted(bare_rows(it, projection)) == [False, True], (name, value)
                it.rollback()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ("'a'", "'b'")),
        ("varchar(28)", ("'a'", "'b'")),
        ("uuid", ("gen_random_uuid()", "gen_random_uuid()")),
    ],
)
def test_placeholders_of_unique_columns_differ(
    postgres18: PostgresServer, kind: str, values: tuple[str, str]
) -> None:
    script = f"CREATE TABLE t (id bigint PRIMARY KEY, c {kind} NOT NULL UNIQUE);"
    script += "INSERT INTO t VALUES "
    script += f"(-9223372036854775808, {values[0]}), (-9223372036854775807, {values[1]})"
    with opened(postgres18, script) as connection:
        assert_reduces(connection, projected(connection, "t"))


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ("name varchar(64) PRIMARY KEY", f"('{'x' * 60}1', 'a'), ('{'x' * 60}2', 'b')"),
        ("name text PRIMARY KEY", f"('{'x' * 99}1', 'a'), ('{'x' * 99}2', 'b')"),
        ("p text, q text, PRIMARY KEY (p, q)", "('a-', 'b', 'x'), ('a', '-b', 'y')"),
        ("p text, q int, PRIMARY KEY (p, q)", "('a-', 1, 'x'), ('a', -1, 'y')"),
        ("p bigint, q bigint, PRIMARY KEY (p, q)", f"(1, {2**62}, 'x'), (1, {2**62 + 1}, 'y')"),
        ("p uuid PRIMARY KEY", f"('{'a' * 32}', 'x'), ('{'a' * 31}b', 'y')"),
    ],
)
@pytest.mark.parametrize("kind", ["text", "varchar(28)", "varchar(40)", "varchar(41)"])
def test_a_unique_column_gets_distinct_placeholders_or_is_named_as_a_problem(
    postgres18: PostgresServer, key: str, rows: str, kind: str
) -> None:
    names, comma, constraint = key.partition(", PRIMARY KEY")
    script = f"CREATE TABLE t ({names}, c {kind} NOT NULL UNIQUE{comma}{constraint});"
    with opened(postgres18, f"{script} INSERT INTO t VALUES {rows}") as connection:
        projection = projected(connection, "t")
        if projection.problems:
            assert kind == "varchar(28)"
            assert "t.c is NOT NULL and UNIQUE" in projection.problems[0]
        else:
            assert_reduces(connection, projection)


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ("c varchar(27) NOT NULL UNIQUE", "t.c is NOT NULL and UNIQUE"),
        ("c integer NOT NULL UNIQUE", "t.c is NOT NULL and UNIQUE"),
        ("a int, c boolean NOT NULL, UNIQUE (a, c)", "t.c is NOT NULL and UNIQUE"),
        ("c int4multirange NOT NULL", "t.c is NOT NULL and int4multirange has no placeholder"),
        ("c point NOT NULL", "t.c is NOT NULL and point has no placeholder"),
        ("c jsonpath NOT NULL", "t.c is NOT NULL and jsonpath has no placeholder"),
    ],
)
def test_what_has_no_placeholder_is_a_problem_that_names_the_column(
    postgres18: PostgresServer, definition: str, problem: str
) -> None:
    with opened(postgres18, f"CREATE TABLE t (id bigint PRIMARY KEY, {definition})") as connection:
        (found,) = projected(connection, "t").problems
        assert found.startswith(problem)
        assert projected(connection, "t", ["c"]).problems == ()


def test_without_a_primary_key_a_unique_column_has_no_distinct_placeholder(
    postgres18: PostgresServer,
) -> None:
    with opened(postgres18, "CREATE TABLE t (a text NOT NULL UNIQUE, b text NOT NULL)") as it:
        (found,) = projected(it, "t").problems
        assert found.startswith("t.a is NOT NULL and UNIQUE")


def test_generated_columns_are_neither_kept_nor_removed(postgres18: PostgresServer) -> None:
    script = (
        "CREATE TABLE t (id int PRIMARY KEY, mail text,"
        " low text GENERATED ALWAYS AS (lower(mail)) STORED); INSERT INTO t VALUES (1, 'A')"
    )
    with opened(postgres18, script) as connection:
        projection = projected(connection, "t")
        assert (projection.kept, projection.removed) == (("id",), ("mail",))
        assert_reduces(connection, projection)


def test_a_row_of_which_everything_is_public_is_always_bare(postgres18: PostgresServer) -> None:
    script = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')"
    with opened(postgres18, script) as connection:
        assert bare_rows(connection, projected(connection, "t", ["a"])) == [True]


def test_a_person_can_be_told_from_what_is_left(postgres18: PostgresServer) -> None:
    script = "CREATE TABLE t (id int PRIMARY KEY, mail text NOT NULL, tel varchar(9) NOT NULL);"
    script += "INSERT INTO t VALUES (41, 'ada@example.org', '555')"
    with opened(postgres18, script) as connection:
        reduce(connection, projected(connection, "t"))
        row = connection.execute("SELECT mail, tel FROM public.t").fetchone()
        assert row == ("removed-41", "removed-4")
