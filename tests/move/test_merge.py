"""Which of home's rows follow the source's: asked of real servers, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from domicile.charter import TableDataset
from domicile.move.merge import (
    KEPT,
    STAGE,
    adopt_shared,
    create_kept,
    create_stage,
    insert_missing,
    remove_ours,
    still_shared,
    update_ours,
)
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


BOTH = charter(
    {
        "users": TableDataset(table="users", public=("country", "handle")),
        "letters": TableDataset(table="letters", person=("one", "other"), persons="copy"),
    }
)
LETTERS = TableName("public", "letters")
LETTER_WORLD = WORLD + (
    "CREATE TABLE letters (id int PRIMARY KEY, one int, other int, body text, note text);"
)
Letter = tuple[int, int, int | None, str | None, str | None]
SHARED: Letter = (1, 1, 4, "body", "note")
EMPTIED: Letter = (1, 1, 4, "body", None)
ALONE: Letter = (1, 1, None, "body", "note")


@pytest.fixture
def letters(postgres_server: PostgresServer) -> Iterator[Session]:
    with member_database(postgres_server, LETTER_WORLD, BOTH, ["1"]) as session:
        yield session


def letter(home: Session, row: Letter, *, run: str = "one", kind: str = "shared") -> None:
    home[0].execute("INSERT INTO public.letters VALUES (%s, %s, %s, %s, %s)", row)
    record(home[0], run, kind, "letters")
    home[0].commit()


def staged(home: Session, row: Letter, kind: str, *, guarded: tuple[str, ...] = ()) -> Letter:
    """The letter at home after this one was staged, and copied in a shard of this kind by another
    run."""
    connection, rules = home
    create_stage(connection, rules.tables[LETTERS].table)
    connection.execute(f"INSERT INTO {STAGE} VALUES (%s, %s, %s, %s, %s)".encode(), row)
    update_ours(connection, rules.tables[LETTERS], shard(kind, "letters"), guarded)
    if kind == "members":
        adopt_shared(connection, rules.tables[LETTERS], rules.key, shard(kind, "letters"))
    insert_missing(connection, rules.tables[LETTERS].table)
    record(connection, "two", kind, "letters")
    connection.commit()
    (found,) = connection.execute("SELECT * FROM public.letters").fetchall()
    connection.commit()
    return found


def brought_as_shared(home: Session) -> int:
    query = still_shared(home[1].tables[LETTERS], home[1].key, shard("members", "letters"))
    row = home[0].execute(query).fetchone()
    home[0].rollback()
    assert row is not None
    return int(row[0])


def test_a_shared_row_follows_whatever_was_erased_beside_it(letters: Session) -> None:
    letter(letters, SHARED)
    assert staged(letters, EMPTIED, "shared", guarded=("one",)) == EMPTIED


def test_a_shared_row_takes_nothing_from_what_was_brought_as_the_members_alone(
    letters: Session,
) -> None:
    """An erasure may have reduced it at the source before somebody else was named in it."""
    letter(letters, SHARED, kind="members")
    assert staged(letters, EMPTIED, "shared", guarded=("one",)) == SHARED
    assert staged(letters, (1, 1, 4, "anew", "note"), "shared", guarded=("one",))[3] == "anew"


def test_a_shared_row_that_becomes_the_members_alone_is_marked_as_such_changed_or_not(
    letters: Session,
) -> None:
    letter(letters, ALONE)
    assert brought_as_shared(letters) == 1
    assert staged(letters, ALONE, "members", guarded=("one",)) == ALONE
    assert brought_as_shared(letters) == 0
    reduced: Letter = (1, 1, 4, None, None)
    assert staged(letters, reduced, "shared", guarded=("one", "two")) == ALONE


def test_a_row_that_lost_its_other_person_follows_from_a_shared_copy(letters: Session) -> None:
    letter(letters, SHARED)
    assert staged(letters, ALONE, "members", guarded=("one",)) == ALONE


def test_rows_that_home_wrote_are_nobodys_shared_copies(letters: Session) -> None:
    letter(letters, SHARED)
    letters[0].execute("UPDATE public.letters SET note = 'home''s'")
    letters[0].commit()
    assert staged(letters, EMPTIED, "shared") == (*SHARED[:4], "home's")
    assert brought_as_shared(letters) == 0


def test_what_the_source_has_still_is_not_removed_though_others_have_it_too(
    letters: Session,
) -> None:
    letter(letters, SHARED, kind="members")
    table = letters[1].tables[LETTERS].table
    create_stage(letters[0], table)
    assert create_kept(letters[0], table) == ("id",)
    letters[0].execute(f"INSERT INTO {KEPT} VALUES (1)".encode())
    members = shard("members", "letters")
    remove_ours(letters[0], table, "one", members, kept=True)
    assert letters[0].execute("SELECT id FROM public.letters").fetchall() == [(1,)]
    letters[0].execute(f"DELETE FROM {KEPT}".encode())
    remove_ours(letters[0], table, "one", shard("shared", "letters"), kept=True)
    assert letters[0].execute("SELECT id FROM public.letters").fetchall() == [(1,)]
    remove_ours(letters[0], table, "one", members, kept=True)
    assert letters[0].execute("SELECT id FROM public.letters").fetchall() == []


def test_what_a_run_brought_before_one_that_erased_gives_way_to_nothing_that_was_left(
    home: Session,
) -> None:
    """The run that erased found it at home already, and wrote it not again."""
    copied(home, OLD, run="first")
    record(home[0], "erased", "members")
    home[0].commit()
    left: Row = (1, "US", "ana", "removed-1", "new")
    assert merged(home, left, "members", guarded=("erased",)) == OLD
