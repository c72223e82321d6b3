from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from domicile.errors import SiteError, SiteMissing, SiteUnreachable
from domicile.sites.postgres import (
    Connection,
    CopyFormat,
    CopyResult,
    CopyStream,
    Table,
    TableName,
    column_list,
    copy_format,
    digest,
    order_terms,
    pipe,
    read_database,
    row_digests,
    table_identifier,
)
from tests.services.postgres import (
    AWKWARD_SCHEMA,
    ODD,
    PostgresServer,
    awkward_database,
    fresh_database,
)

FORMATS: tuple[CopyFormat, ...] = ("text", "binary")
LISTS = TableName("public", "lists")
LOG = TableName("public", "log")


@pytest.fixture(params=[(15, 18), (18, 15)], ids=["15 to 18", "18 to 15"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Connection, Connection]]:
    """A database with awkward rows, and one of another version with its schema alone."""
    servers: list[PostgresServer] = [
        request.getfixturevalue(f"postgres{version}") for version in request.param
    ]
    empty = fresh_database(servers[1])
    with awkward_database(servers[0]).connect() as source, empty.connect() as home:
        home.execute(AWKWARD_SCHEMA)
        home.execute("SET session_replication_role = replica")  # loads before foreign keys
        home.commit()
        yield source, home


def ordered(table: Table) -> sql.Composed:
    """Every stored column of every row, in the order of its key."""
    key = [table.column(name) for name in table.primary_key]
    query = sql.SQL("SELECT {} FROM {} AS t").format(
        column_list((c.name for c in table.stored_columns), "t"), table_identifier(table.name)
    )
    return query + sql.SQL(" ORDER BY ") + order_terms(key, "t") if key else query


def copy_all(source: Connection, home: Connection, form: CopyFormat | None) -> None:
    for table in read_database(source).tables.values():
        names = [column.name for column in table.stored_columns]
        chosen = form or copy_format(table.stored_columns)
        pipe(source, ordered(table), home, table.name, names, chosen)
    home.commit()


def count(connection: Connection, table: TableName) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(table_identifier(table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("form", [None, "text"], ids=["chosen", "text"])
def test_every_table_arrives_equal_on_another_version(
    ends: tuple[Connection, Connection], form: CopyFormat | None
) -> None:
    source, home = ends
    copy_all(source, home, form)
    tables = read_database(source).tables
    assert set(tables) == set(read_database(home).tables)
    for table in tables.values():
        for query in (ordered(table), row_digests(ordered(table), table.stored_columns)):
            if not table.primary_key and query == ordered(table):
                continue  # no order, no equal streams
            for read in ("text", copy_format(table.stored_columns)):
                there, here = digest(source, query, read), digest(home, query, read)
                assert there == here, table.name
                assert there.rows == count(source, table.name) > 0


def test_the_digest_changes_with_any_row(ends: tuple[Connection, Connection]) -> None:
    source, home = ends
    copy_all(source, home, None)
    table = read_database(source).tables[LOG]
    query = row_digests(ordered(table), table.stored_columns)
    before = digest(home, query, "text")
    home.execute("DELETE FROM public.log WHERE ctid IN (SELECT max(ctid) FROM public.log)")
    assert digest(home, query, "text").sha256 != before.sha256
    home.rollback()
    home.execute("UPDATE public.log SET note = note || ' ' WHERE note = 'twice'")
    assert digest(home, query, "text").sha256 != before.sha256


def test_generated_columns_are_computed_again_at_home(
    ends: tuple[Connection, Connection],
) -> None:
    source, home = ends
    copy_all(source, home, None)
    query = sql.SQL("SELECT shout FROM {} ORDER BY 1").format(table_identifier(ODD))
    assert home.execute(query).fetchall() == source.execute(query).fetchall()


def test_arrays_travel_as_text_because_equal_ones_differ_in_binary(
    postgres_server: PostgresServer,
) -> None:
    # The reason for a rule of column_types: without it a copy would never verify.
    with awkward_database(postgres_server).connect() as connection:
        row = connection.execute(
            "SELECT numbers = '{1,2,3}', array_send(numbers) = array_send('{1,2,3}'::int[])"
            " FROM public.lists WHERE id = 1"
        ).fetchone()
        assert row == (True, False)
        assert copy_format(read_database(connection).tables[LISTS].stored_columns) == "text"
        assert copy_format(read_database(connection).tables[ODD].stored_columns) == "binary"


def test_text_is_ordered_by_bytes_and_enums_by_label(postgres_server: PostgresServer) -> None:
    with awkward_database(postgres_server).connect() as connection:
        odd = read_database(connection).tables[ODD]
        terms = order_terms([odd.column("feeling")], "t")
        query = sql.SQL("SELECT feeling::text FROM {} AS t ORDER BY ").format(table_identifier(ODD))
        labels = [row[0] for row in connection.execute(query + terms)]
        assert labels == ["calm", "Ärger", None]  # declared: zealous, calm, Ärger
        membership = read_database(connection).tables[TableName("public", "membership")]
        regions = [row[0] for row in connection.execute(ordered(membership))]
        assert regions == ["EU", "eu", "ÿ"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_digest_is_of_the_stream_that_copy_sends(
    postgres_server: PostgresServer, form: CopyFormat
) -> None:
    query = sql.SQL("SELECT i, repeat('x', i % 900) FROM generate_series(1, 20000) AS i").format()
    with fresh_database(postgres_server).connect() as connection:
        seen: list[int] = []
        result = digest(connection, query, form, on_bytes=seen.append)
        with (
            connection.cursor() as cursor,
            cursor.copy(
                sql.SQL("COPY ({}) TO STDOUT (FORMAT {})").format(query, sql.SQL(form))
            ) as copy,
        ):
            stream = b"".join(copy)
    assert result == CopyResult(20_000, len(stream), hashlib.sha256(stream).hexdigest())
    assert sum(seen) == result.size_bytes
    assert len(seen) > 10


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_result_is_copied_and_hashed(
    postgres_server: PostgresServer, form: CopyFormat
) -> None:
    site = fresh_database(postgres_server)
    query = sql.SQL("SELECT 1 WHERE false").format()
    with site.connect() as source, site.connect() as home:
        home.execute("CREATE TABLE public.t (a int)")
        assert pipe(source, query, home, TableName("public", "t"), ["a"], form).rows == 0
        assert digest(source, query, form) == digest(home, query, form)


def test_a_pipe_is_undone_by_a_rollback_and_both_ends_stay_usable(
    ends: tuple[Connection, Connection],
) -> None:
    source, home = ends
    table = read_database(source).tables[LOG]
    pipe(source, ordered(table), home, LOG, table.column_names, "text")
    assert count(home, LOG) == 3
    home.rollback()
    assert count(home, LOG) == 0


def test_a_source_that_fails_midway_is_named_and_home_keeps_nothing(
    ends: tuple[Connection, Connection],
) -> None:
    source, home = ends
    query = sql.SQL(
        "SELECT now(), repeat('x', 1000) || 1 / (5000 - i) FROM generate_series(1, 10000) AS i"
    ).format()
    with pytest.raises(SiteError, match="DivisionByZero") as caught:
        pipe(source, query, home, LOG, ["at", "note"], "text")
    assert source.info.dbname != home.info.dbname
    assert f"site pg{source.info.server_version // 10000}:" in str(caught.value)
    source.rollback()
    home.rollback()
    assert count(home, LOG) == 0
    assert count(source, LOG) == 3


def test_a_home_that_refuses_a_row_is_named_and_the_source_is_usable(
    ends: tuple[Connection, Connection],
) -> None:
    source, home = ends
    home.execute("ALTER TABLE public.log ADD CONSTRAINT small CHECK (note <> '30000')")
    query = sql.SQL("SELECT now(), i::text FROM generate_series(1, 200000) AS i").format()
    with pytest.raises(SiteError, match=r"CheckViolation.*constraint small") as caught:
        pipe(source, query, home, LOG, ["at", "note"], "text")
    assert f"site pg{home.info.server_version // 10000}:" in str(caught.value)
    source.rollback()
    home.rollback()
    assert count(source, LOG) == 3


def test_a_home_trigger_that_swallows_rows_is_an_error(
    ends: tuple[Connection, Connection],
) -> None:
    source, home = ends
    home.execute(
        "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NULL; END'"
    )
    home.execute(
        "CREATE TRIGGER s BEFORE INSERT ON public.log"
        " FOR EACH ROW EXECUTE FUNCTION public.swallow()"
    )
    home.execute("ALTER TABLE public.log ENABLE ALWAYS TRIGGER s")
    table = read_database(source).tables[LOG]
    with pytest.raises(SiteError, match="took 0 of 3 rows"):
        pipe(source, ordered(table), home, LOG, table.column_names, "text")


def test_a_missing_table_or_column_is_missing(ends: tuple[Connection, Connection]) -> None:
    source, home = ends
    query = sql.SQL("SELECT 1").format()
    with pytest.raises(SiteMissing, match="nowhere"):
        pipe(source, query, home, TableName("public", "nowhere"), ["a"], "text")
    home.rollback()
    with pytest.raises(SiteMissing, match="nothing"):
        pipe(source, query, home, LOG, ["nothing"], "text")
    home.rollback()
    with pytest.raises(SiteMissing, match="nowhere"):
        digest(source, sql.SQL("SELECT * FROM public.nowhere").format(), "text")


def test_a_stream_left_early_is_cancelled_and_its_connection_usable(
    postgres_server: PostgresServer,
) -> None:
    query = sql.SQL("SELECT repeat('x', 1000), generate_series(1, 100000000)").format()
    with fresh_database(postgres_server).connect() as connection:
        stream = CopyStream(connection, query, "text")
        with closing(stream.chunks()) as chunks:
            assert len(next(chunks)) > 100_000
        assert stream.result is None
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_source_that_dies_midway_is_unreachable(ends: tuple[Connection, Connection]) -> None:
    source, home = ends
    query = sql.SQL(
        "SELECT now(), repeat('x', 1000) || CASE WHEN i = 5000 THEN"
        " pg_terminate_backend(pg_backend_pid())::text END FROM generate_series(1, 10000) AS i"
    ).format()
    with pytest.raises(SiteUnreachable):
        pipe(source, query, home, LOG, ["at", "note"], "text")
    home.rollback()
    assert count(home, LOG) == 0


def test_a_home_that_dies_midway_is_unreachable(
    ends: tuple[Connection, Connection],
) -> None:
    source, home = ends
    chunks = 0

    def kill_home(_size: int) -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 10:
            source_of_death = psycopg.connect(
                host=home.info.host,
                port=home.info.port,
                user=home.info.user,
                password=home.info.password,
                dbname=home.info.dbname,
            )
            with source_of_death as other:
                other.execute("SELECT pg_terminate_backend(%s)", (home.info.backend_pid,))

    query = sql.SQL("SELECT now(), repeat('x', 1000) FROM generate_series(1, 20000)").format()
    with pytest.raises(SiteUnreachable) as caught:
        pipe(source, query, home, LOG, ["at", "note"], "text", on_bytes=kill_home)
    assert f"site pg{15 if source.info.server_version > 160000 else 18}:" in str(caught.value)
    source.rollback()
    assert count(source, LOG) == 3


def test_rows_larger_than_a_chunk_pass(ends: tuple[Connection, Connection]) -> None:
    source, home = ends
    query = sql.SQL("SELECT now(), repeat('y', 3000000 + i) FROM generate_series(1, 3) i").format()
    result = pipe(source, query, home, LOG, ["at", "note"], "binary")
    assert result.rows == 3
    assert result.size_bytes > 9_000_000
    assert count(home, LOG) == 3


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_columns_keeps_its_number_of_rows(
    postgres_server: PostgresServer, form: CopyFormat
) -> None:
    site = fresh_database(postgres_server)
    nothing = TableName("public", "nothing")
    with site.connect() as source, site.connect() as home:
        home.execute("CREATE TABLE public.nothing ()")
        query = sql.SQL("SELECT FROM generate_series(1, 7)").format()
        assert pipe(source, query, home, nothing, [], form).rows == 7
        assert count(home, nothing) == 7


@pytest.mark.parametrize("more", ["", ", price money"], ids=["binary", "text"])
def test_values_of_64_mib_take_a_few_times_their_length_however_many_they_are(
    postgres18: PostgresServer, more: str
) -> None:
    sites = [fresh_database(postgres18) for _ in range(2)]
    for site in sites:
        with site.connect() as connection:
            connection.execute(f"CREATE TABLE public.long (id int, value bytea{more})")
            connection.execute("ALTER TABLE public.long ALTER value SET STORAGE external")
    with sites[0].connect() as connection:
        connection.execute(
            "INSERT INTO public.long (id, value) SELECT id, decode(repeat(md5(id::text), 4194304),"
            " 'hex') FROM generate_series(1, 4) AS id"
        )
    configs = [site.config.model_dump_json(exclude_none=True) for site in sites]
    done = subprocess.run(
        [sys.executable, "-m", "tests.sites.long_values", *configs],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    longest_mib = 128 if more else 64  # as it travels
    assert int(done.stdout) < 6 * longest_mib
