from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from domicile.charter import TableDataset
from domicile.errors import PlanError
from domicile.inventory import Condition, close_references, in_keys
from domicile.sites.postgres import TableName
from tests.inventory.databases import Session, column, member_database, opened, rules_of
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

# a -> b -> c -> a is a circle; a and c refer to themselves; b has a composite key. Of b's
# references the charter makes one public, c's to itself may not be null: these are kept.
WORLD = """
CREATE TABLE users (id int PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
CREATE TABLE a (id int PRIMARY KEY, owner int REFERENCES users, seed bool, candidate bool,
    x int, y int, me int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE b (x int, y int, owner int REFERENCES users, seed bool, candidate bool,
    public_c int, hidden_c int, PRIMARY KEY (x, y));
CREATE TABLE c (id int PRIMARY KEY, owner int REFERENCES users, seed bool, candidate bool,
    to_a int REFERENCES a DEFERRABLE INITIALLY DEFERRED,
    me int NOT NULL REFERENCES c DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE a ADD FOREIGN KEY (y, x) REFERENCES b (y, x) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE b ADD FOREIGN KEY (public_c) REFERENCES c DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE b ADD FOREIGN KEY (hidden_c) REFERENCES c DEFERRABLE INITIALLY DEFERRED;
"""
CHARTER = charter(
    {
        "a": TableDataset(table="a", person=("owner",), public=("x", "y")),
        "b": TableDataset(table="b", person=("owner",), public=("public_c",)),
        "c": TableDataset(table="c", person=("owner",), public=("to_a",)),
    }
)
A, B, C = (TableName("public", name) for name in "abc")


@dataclass(frozen=True)
class Row:
    """A row of the model: what it refers to, whether it is a seed, whether it may be found."""

    seed: bool
    candidate: bool
    refers: tuple[tuple[TableName, int, bool], ...]  # table, number, kept by the projection


Graph = Mapping[tuple[TableName, int], Row]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    sizes = {name: draw(st.integers(1 if name is C else 0, 4)) for name in (A, B, C)}

    def some(name: TableName, *, kept: bool) -> list[tuple[TableName, int, bool]]:
        if not sizes[name] or draw(st.booleans()):
            return []
        return [(name, draw(st.integers(0, sizes[name] - 1)), kept)]

    rows = {}
    for name, size in sizes.items():
        for number in range(size):
            if name is A:
                refers = [*some(B, kept=True), *some(A, kept=False)]
            elif name is B:
                refers = [*some(C, kept=True), *some(C, kept=False)]
            else:
                me = (C, draw(st.integers(0, size - 1)), True)
                refers = [me, *some(A, kept=True)]
            rows[name, number] = Row(draw(st.booleans()), draw(st.booleans()), tuple(refers))
    return rows


def naive(graph: Graph) -> set[tuple[TableName, int]]:
    """What seeds refer to and what that, reduced, still refers to: word for word."""
    todo = [to[:2] for row in graph.values() if row.seed for to in row.refers]
    found = set()
    while todo:
        at = todo.pop()
        if graph[at].candidate and at not in found:
            found.add(at)
            todo += [to[:2] for to in graph[at].refers if to[2]]
    return found


def fill(session: Session, graph: Graph) -> None:
    connection, _ = session
    for (name, number), row in graph.items():
        to = {(table, kept): other for table, other, kept in row.refers}
        flags = (1, row.seed, row.candidate)
        values: tuple[int | None, ...]
        if name is A:
            other = to.get((B, True))
            values = (number, *flags, other, other and -other, to.get((A, False)))
        elif name is B:
            values = (number, -number, *flags, to.get((C, True)), to.get((C, False)))
        else:
            values = (number, *flags, to.get((A, True)), to[C, True])
        connection.execute(
            sql.SQL("INSERT INTO {} VALUES ({})").format(
                sql.Identifier(name.schema, name.name), sql.SQL(", ").join(map(sql.Literal, values))
            )
        )
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


def flag(name: str) -> Condition:
    return lambda alias: sql.Identifier(alias, name)


@pytest.fixture(scope="module")
def session(postgres18: PostgresServer) -> Iterator[Session]:
    """A session of the world's database, without rows in a, b and c."""
    with member_database(postgres18, WORLD, CHARTER, ["1"]) as opened_session:
        yield opened_session


@settings(max_examples=80, deadline=None)
@given(graph=graphs())
def test_the_closure_is_the_naive_one(session: Session, graph: Graph) -> None:
    connection, rules = session
    try:
        fill(session, graph)
        closure = close_references(
            connection,
            rules,
            seeds=dict.fromkeys((A, B, C), flag("seed")),
            candidates=dict.fromkeys((A, B, C), flag("candidate")),
        )
        found = set()
        for name, temporary in closure.tables.items():
            number = "x" if name == B else "id"
            query = sql.SQL("SELECT t.{} FROM {} AS t WHERE {}").format(
                sql.Identifier(number),
                sql.Identifier(name.schema, name.name),
                in_keys(rules.database.tables[name], temporary, "t"),
            )
            found |= {(name, row[0]) for row in connection.execute(query)}
        assert found == naive(graph)
        counts = {name: sum(at[0] == name for at in found) for name in (A, B, C)}
        assert dict(closure.rows) == counts
    finally:
        connection.rollback()


def test_only_seeds_tables_start_and_only_candidates_tables_are_found(session: Session) -> None:
    connection, rules = session
    graph = {
        (A, 0): Row(seed=True, candidate=True, refers=((B, 0, True),)),
        (B, 0): Row(seed=True, candidate=True, refers=((C, 0, True),)),
        (C, 0): Row(seed=True, candidate=True, refers=((C, 0, True),)),
    }
    try:
        fill(session, graph)
        closure = close_references(
            connection, rules, seeds={A: flag("seed")}, candidates={B: flag("candidate")}
        )
        assert closure.rows == {B: 1}
    finally:
        connection.rollback()


def test_its_tables_vanish_with_the_transaction_and_it_can_be_asked_again(session: Session) -> None:
    connection, rules = session
    for end in (connection.rollback, connection.commit):
        for _ in range(2):  # twice in one transaction, too
            close_references(connection, rules, seeds={}, candidates={A: flag("candidate")})
        end()
        named = "SELECT count(*) FROM pg_class WHERE relname LIKE 'domicile_keys%'"
        assert column(connection, named) == [0]
        connection.rollback()


def test_a_long_chain_is_followed_to_its_end(session: Session) -> None:
    connection, rules = session
    try:
        connection.execute(
            "INSERT INTO public.c SELECT n, 1, n = 1, true, NULL, least(n + 1, 60)"
            " FROM generate_series(1, 60) AS n"
        )
        closure = close_references(
            connection, rules, seeds={C: flag("seed")}, candidates={C: flag("candidate")}
        )
        assert closure.rows == {C: 59}
    finally:
        connection.rollback()


def test_a_table_referred_to_without_a_key_to_name_its_rows_by_is_refused(
    postgres18: PostgresServer,
) -> None:
    script = (
        "CREATE TABLE users (id int PRIMARY KEY, country text);"
        "CREATE TABLE p (owner int REFERENCES users, code text UNIQUE);"
        "CREATE TABLE k (owner int REFERENCES users, code text REFERENCES p (code));"
    )
    p, k = TableName("public", "p"), TableName("public", "k")
    with opened(postgres18, script) as connection, pytest.raises(PlanError, match="rows of p"):
        close_references(
            connection,
            rules_of(connection, charter()),
            seeds={k: lambda _: sql.SQL("true")},
            candidates={p: lambda _: sql.SQL("true")},
        )
