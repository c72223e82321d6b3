"""Large objects between two real servers: what is brought, refused, counted and removed."""

from __future__ import annotations

import hashlib

import pytest
from psycopg import sql

from domicile.errors import SiteError, SiteRefused
from domicile.sites.postgres import (
    Connection,
    TableName,
    bring_large_object,
    digest_large_object,
    forgotten_large_objects,
    large_objects_in,
    note_large_objects,
    remove_large_objects,
)
from domicile.sites.postgres.large_objects import PIECE_BYTES
from tests.services.postgres import PostgresServer, fresh_database

ROWS = sql.SQL("SELECT * FROM public.t")
T = TableName("public", "t", is_root=False)


def make(connection: Connection, oid: int, contents: bytes) -> None:
    connection.execute("SELECT pg_catalog.lo_from_bytea(%s::oid, %b)", (oid, contents))


def there(connection: Connection) -> list[int]:
    rows = connection.execute("SELECT oid::bigint FROM pg_largeobject_metadata ORDER BY 1")
    return [oid for (oid,) in rows]


@pytest.mark.parametrize(
    "size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES]
)
def test_contents_arrive_in_pieces_as_they_are(
    postgres15: PostgresServer, postgres18: PostgresServer, size: int
) -> None:
    contents = (b"a\0\xff" * (size // 3 + 1))[:size]
    with (
        fresh_database(postgres15).connect() as source,
        fresh_database(postgres18).connect() as home,
    ):
        make(source, 77, contents)
        bring_large_object(source, home, 77)
        assert home.execute("SELECT lo_get(77)").fetchone() == (contents,)
        assert digest_large_object(home, 77) == hashlib.sha256(contents).hexdigest()
        bring_large_object(source, home, 77)  # the same once more
        source.execute("SELECT lo_put(77, 0, 'Z')")
        with pytest.raises(SiteRefused, match="there is another large object 77"):
            bring_large_object(source, home, 77)
        assert home.execute("SELECT lo_get(77)").fetchone() == (contents,)


@pytest.mark.parametrize("size", [0, 3, PIECE_BYTES + 1])
def test_what_may_be_replaced_has_nothing_of_what_was_there(
    postgres15: PostgresServer, postgres18: PostgresServer, size: int
) -> None:
    old, new = b"o" * (PIECE_BYTES + 7), b"n" * size
    asked: list[str] = []

    def replaceable(seen: str) -> bool:
        asked.append(seen)
        return True

    with (
        fresh_database(postgres15).connect() as source,
        fresh_database(postgres18).connect() as home,
    ):
        make(source, 77, new)
        make(home, 77, old)
        found = bring_large_object(source, home, 77, replaceable)
        assert asked == [hashlib.sha256(old).hexdigest()]
        assert found == hashlib.sha256(new).hexdigest()
        assert home.execute("SELECT lo_get(77)").fetchone() == (new,)


def test_what_is_listed_is_there_and_named_by_these_columns(postgres18: PostgresServer) -> None:
    with fresh_database(postgres18).connect() as connection:
        connection.execute("CREATE TABLE public.t (a oid, b oid, c oid)")
        connection.execute("INSERT INTO public.t VALUES (1, NULL, 3), (1, 2, 9), (NULL, 5, 3)")
        for oid in (1, 2, 3, 4):
            make(connection, oid, b"x")
        assert large_objects_in(connection, ROWS, ["a", "b"]) == [1, 2]
        assert forgotten_large_objects(connection, {T: ["a", "b"]}) == (2, 0)
        assert forgotten_large_objects(connection, {}) == (4, 0)


def test_only_what_no_row_refers_to_any_more_is_removed(postgres18: PostgresServer) -> None:
    with fresh_database(postgres18).connect() as connection:
        connection.execute("CREATE DOMAIN public.lo AS oid")
        connection.execute("CREATE TABLE public.t (id int, a oid)")
        connection.execute("CREATE TABLE public.u (b public.lo)")
        connection.execute("CREATE TABLE public.child () INHERITS (public.u)")
        connection.execute(
            "INSERT INTO public.t VALUES (1, 11), (2, 12), (3, 11), (4, 13), (5, 14)"
        )
        connection.execute("INSERT INTO public.u VALUES (13)")
        connection.execute("INSERT INTO public.child VALUES (14)")
        for oid in (11, 12, 13, 14, 15):
            make(connection, oid, b"x")
        which = sql.SQL("SELECT * FROM public.t WHERE id <> 3")
        note_large_objects(connection, which, ["a"])
        connection.execute("DELETE FROM public.t WHERE id <> 3")
        remove_large_objects(connection)
        assert there(connection) == [11, 13, 14, 15]


def test_what_may_not_be_read_is_counted_and_names_its_site(postgres15: PostgresServer) -> None:
    with fresh_database(postgres15).connect() as connection:
        connection.execute("CREATE TABLE public.t (a oid)")
        connection.execute("INSERT INTO public.t VALUES (1), (2), (3)")
        for oid in (1, 2, 3):
            make(connection, oid, b"x")
        connection.execute("CREATE ROLE lo_reader")
        connection.execute("GRANT USAGE ON SCHEMA public TO lo_reader")
        connection.execute("GRANT SELECT ON public.t TO lo_reader")
        connection.execute("ALTER LARGE OBJECT 1 OWNER TO lo_reader")
        connection.execute("GRANT SELECT ON LARGE OBJECT 2 TO PUBLIC")
        connection.execute("SET ROLE lo_reader")
        assert forgotten_large_objects(connection, {T: ["a"]}) == (0, 1)
        assert digest_large_object(connection, 1) == digest_large_object(connection, 2)
        with pytest.raises(SiteError, match="permission denied for large object 3"):
            digest_large_object(connection, 3)
        connection.rollback()
