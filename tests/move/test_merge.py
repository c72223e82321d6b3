"""Which of home's rows follow the source's: asked of real servers, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from domicile.charter import TableDataset
from domicile.move.merge import STAGE, create_stage, insert_missing, remove_ours, update_ours
from domicile.move.plan import RowShard
from domicile.move.rows import MARKERS_SQL
from domicile.sites.postgres import TableName
from tests.inventory.databases import Session, member_database
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

WORLD = (
    """
CREATE TABLE users (id int PRIMARY KEY, country text NOT NULL, handle text NOT NULL,
    email text NOT NULL, bio text);
CREATE TABLE seen (who int NOT NULL, what text);
"""
    + MARKERS_SQL
)
CHARTER = charter(
    {
        "users": TableDataset(table="users", public=("country", "handle")),
        "seen": TableDataset(table="seen", person=("who",)),
    }
)
USERS = TableName("public", "users")
Row = tuple[int, str, str, str, str | None]
OLD: Row = (1, "US", "ana", "ana@us.example", "old")


@pytest.fixture
def home(postgres_server: PostgresServer) -> Iterator[Session]:
    with member_database(postgres_server, WORLD, CHARTER, ["1"]) as session:
        yield session


def shard(kind: str, table: str = "users") -> RowShard:
    return RowShard("s", kind, "public", table, 1)  # type: ignore[arg-type]


def copied(home: Session, row: Row, *, run: str = "one", kind: str = "members") -> None:
    """A row that a copy brought."""
    home[0].execute("INSERT INTO public.users VALUES (%s, %s, %s, %s, %s)", row)
    record(home[0], run, kind)
    home[0].commit()


def record(
    connection: psycopg.Connection, run: str, kind: str, table: str = "users", cluster: int = 0
) -> None:
    connection.execute(
        "INSERT INTO domicile.copies SELECT system_identifier + %s,"
        " pg_current_xact_id()::text::bigint, %s, 's', %s, 'public', %s FROM pg_control_system()",
        (cluster, run, kind, table),
    )


def merged(home: Session, row: Row, kind: str, guarded: tuple[str, ...] = ()) -> Row:
    """The row at home after this one was staged."""
    connection, rules = home
    create_stage(connection, rules.tables[USERS].table)
    connection.execute(f"INSERT INTO {STAGE} VALUES (%s, %s, %s, %s, %s)".encode(), row)
    update_ours(connection, rules.tables[USERS], shard(kind), guarded)
    insert_missing(connection, rules.tables[USERS].table)
    (found,) = connection.execute("SELECT * FROM public.users").fetchall()
    return found


NEW: Row = (1, "US", "anna", "anna@us.example", None)


def test_a_row_that_a_copy_wrote_follows_whole(home: Session) -> None:
    copied(home, OLD)
    assert merged(home, NEW, "members") == NEW


def test_a_row_that_home_wrote_since_or_had_before_stays(home: Session) -> None:
    copied(home, OLD)
    home[0].execute("UPDATE public.users SET bio = bio")
    home[0].commit()
    assert merged(home, NEW, "members") == OLD


def test_a_row_that_was_copied_in_another_cluster_is_not_ours(home: Session) -> None:
    home[0].execute("INSERT INTO public.users VALUES (%s, %s, %s, %s, %s)", OLD)
    record(home[0], "one", "members", cluster=1)
    home[0].commit()
    assert merged(home, NEW, "members") == OLD


@pytest.mark.parametrize("kind", ["projection", "bare", "whole"])
def test_a_projection_brings_only_what_it_keeps(home: Session, kind: str) -> None:
    copied(home, OLD)
    projected: Row = (1, "US", "anna", "removed-1", None)
    assert merged(home, projected, kind) == (1, "US", "anna", *OLD[3:])


@pytest.mark.parametrize(
    "left", [(1, "US", "ana", "removed-1", "new"), (1, "US", "ana", "ana@us.example", None)]
)
def test_once_an_erasure_began_nothing_protected_gives_way_to_what_it_leaves(
    home: Session, left: Row
) -> None:
    copied(home, OLD)
    assert merged(home, left, "members", guarded=("one",)) == OLD
    home[0].rollback()
    assert merged(home, left, "members", guarded=("another",)) == left


def test_once_an_erasure_began_values_are_still_brought_up_to_date(home: Session) -> None:
    copied(home, OLD)
    new: Row = (1, "US", "anna", "anna@us.example", "new")
    assert merged(home, new, "members", guarded=("one",)) == new


def test_a_projection_becomes_whole_when_its_person_becomes_a_member(home: Session) -> None:
    copied(home, (1, "DE", "ana", "removed-1", None), kind="projection")
    assert merged(home, OLD, "members") == OLD


def test_only_what_the_shard_put_there_is_removed(home: Session) -> None:
    copied(home, OLD)
    home[0].execute("INSERT INTO public.users VALUES (2, 'US', 'own', 'own@us.example')")
    home[0].commit()
    table = home[1].tables[USERS].table
    create_stage(home[0], table)
    remove_ours(home[0], table, "another", shard("members"))
    remove_ours(home[0], table, "one", shard("whole"))
    assert home[0].execute("SELECT count(*) FROM public.users").fetchall() == [(2,)]
    remove_ours(home[0], table, "one", shard("members"))
    assert home[0].execute("SELECT id FROM public.users").fetchall() == [(2,)]


def test_without_a_key_the_shards_rows_are_inserted_anew_and_homes_own_stay(home: Session) -> None:
    connection, rules = home
    table = rules.tables[TableName("public", "seen")].table
    connection.execute("INSERT INTO public.seen VALUES (1, 'a'), (1, 'a'), (1, 'gone')")
    record(connection, "one", "members", "seen")
    connection.commit()
    connection.execute("INSERT INTO public.seen VALUES (1, 'own')")
    connection.commit()
    create_stage(connection, table)
    connection.execute(f"INSERT INTO {STAGE} VALUES (1, 'a'), (1, 'a'), (1, 'new')".encode())
    remove_ours(connection, table, "one", shard("members", "seen"))
    insert_missing(connection, table)
    found = connection.execute("SELECT what FROM public.seen ORDER BY 1").fetchall()
    assert found == [("a",), ("a",), ("new",), ("own",)]
