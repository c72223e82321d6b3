from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domicile.errors import SiteRefused
from domicile.sites.postgres import (
    Connection,
    PostgresSite,
    TableName,
    checkpoint,
    held_back_by,
    read_database,
    remains,
    rewrite_statistics,
    rewrite_table,
)
from tests.services.postgres import PostgresServer, fresh_database

PEOPLE = TableName("public", "people")
ERASED = b"erased-person-"
KEPT = b"kept-person-"

# Each of the table's planted places: the heap, an index, TOAST, and samples in the statistics.
FILES = """
SELECT what, pg_relation_filepath(r) FROM (
    SELECT 'heap' AS what, 'public.people'::regclass::oid AS r
    UNION ALL SELECT 'index', indexrelid FROM pg_index WHERE indrelid = 'public.people'::regclass
    UNION ALL SELECT 'toast', reltoastrelid FROM pg_class WHERE oid = 'public.people'::regclass
    UNION ALL SELECT 'toast', i.indexrelid FROM pg_class c JOIN pg_index i
        ON i.indrelid = c.reltoastrelid WHERE c.oid = 'public.people'::regclass
    UNION ALL SELECT 'statistics', 'pg_statistic'::regclass
    UNION ALL SELECT 'statistics', reltoastrelid FROM pg_class WHERE oid = 'pg_statistic'::regclass
    UNION ALL SELECT 'extended statistics', 'pg_statistic_ext_data'::regclass
    UNION ALL SELECT 'extended statistics', reltoastrelid FROM pg_class
        WHERE oid = 'pg_statistic_ext_data'::regclass
) AS places
"""


PLANT = """
CREATE TABLE public.people (id int PRIMARY KEY, email text, country text, note text)
    WITH (autovacuum_enabled = off);
ALTER TABLE public.people ALTER note SET STORAGE external;
CREATE INDEX ON public.people (email);
CREATE STATISTICS public.together (mcv) ON email, country FROM public.people;
-- Uncompressed, so that values can be found in its files.
SET allow_system_table_mods = on;
ALTER TABLE pg_catalog.pg_statistic_ext_data ALTER stxdmcv SET STORAGE external;
RESET allow_system_table_mods;
INSERT INTO public.people
    SELECT i, word || i % 600, 'c' || i % 7,
        repeat(word, CASE WHEN i % 50 = 0 THEN 500 ELSE 1 END)
    FROM generate_series(1, 6000) AS i,
        LATERAL (
            SELECT CASE WHEN i % 3 = 0 THEN 'kept-person-' ELSE 'erased-person-' END
        ) AS w(word);
ANALYZE public.people;
"""


@contextmanager
def autocommitting(site: PostgresSite) -> Iterator[Connection]:
    with site.connect() as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture
def planted(postgres_server: PostgresServer) -> Iterator[tuple[PostgresServer, Connection]]:
    """A table of people, two thirds of whom were erased by DELETE."""
    with autocommitting(fresh_database(postgres_server)) as connection:
        connection.execute(PLANT)
        connection.execute("DELETE FROM public.people WHERE email LIKE 'erased%'")
        yield postgres_server, connection


def places_that_hold(server: PostgresServer, connection: Connection, value: bytes) -> set[str]:
    """Where on the disk a value can be read."""
    connection.execute("CHECKPOINT")
    rows = connection.execute(FILES).fetchall()
    return {
        str(what)
        for what, path in rows
        if path is not None
        for file in Path(server.data).glob(f"{path}*")
        if value in file.read_bytes()
    }


EVERYWHERE = {"heap", "index", "toast", "statistics", "extended statistics"}


def test_without_a_rewrite_erased_values_are_still_on_the_disk(
    planted: tuple[PostgresServer, Connection],
) -> None:
    server, connection = planted
    assert places_that_hold(server, connection, ERASED) == EVERYWHERE
    connection.execute("VACUUM (ANALYZE) public.people")
    assert {"heap", "index"} <= places_that_hold(server, connection, ERASED)


def test_a_rewrite_leaves_no_erased_value_on_the_disk(
    planted: tuple[PostgresServer, Connection],
) -> None:
    server, connection = planted
    assert rewrite_table(connection, PEOPLE) == 0
    assert places_that_hold(server, connection, ERASED) <= {"statistics", "extended statistics"}
    assert rewrite_statistics(connection) is None
    assert checkpoint(connection) is None
    assert places_that_hold(server, connection, ERASED) == set()
    assert places_that_hold(server, connection, KEPT) == EVERYWHERE
    assert connection.execute("SELECT count(*) FROM public.people").fetchone() == (2000,)


def test_the_statistics_samples_are_why_they_are_rewritten_too(
    planted: tuple[PostgresServer, Connection],
) -> None:
    server, connection = planted
    rewrite_table(connection, PEOPLE)
    left = places_that_hold(server, connection, ERASED)
    assert left == {"statistics", "extended statistics"}


def test_a_rewrite_tells_of_rows_that_an_older_snapshot_keeps(
    planted: tuple[PostgresServer, Connection], postgres_server: PostgresServer
) -> None:
    _, connection = planted
    site = postgres_server.site(connection.info.dbname)
    with site.connect(application="an old report") as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM pg_class")
        connection.execute("DELETE FROM public.people WHERE id % 2 = 0")
        assert rewrite_table(connection, PEOPLE) == 1000
        held = [line for line in remains(connection) if "an old report" in line]
        assert len(held) == 1
        assert "holds a snapshot since" in held[0]
    assert rewrite_table(connection, PEOPLE) == 0
    assert not [line for line in remains(connection) if "an old report" in line]


def test_a_table_that_others_use_all_the_while_is_held_back_by_them(
    planted: tuple[PostgresServer, Connection], postgres_server: PostgresServer
) -> None:
    _, connection = planted
    site = postgres_server.site(connection.info.dbname)
    with site.connect(application="left open") as reader:
        reader.execute("SELECT FROM public.people LIMIT 1")
        assert rewrite_table(connection, PEOPLE, patience_s=1) == -1
        (holder,) = held_back_by(connection, PEOPLE)
        assert f"session {reader.info.backend_pid} (left open) since" in holder
    assert rewrite_table(connection, PEOPLE) == 0


def test_a_partitioned_table_is_rewritten_leaf_by_leaf_with_the_statistics_over_all(
    postgres_server: PostgresServer,
) -> None:
    with autocommitting(fresh_database(postgres_server)) as connection:
        for statement in (
            "CREATE TABLE public.people (id int, name text) PARTITION BY RANGE (id)",
            (
                "CREATE TABLE public.low PARTITION OF public.people FOR VALUES FROM (0) TO (500)"
                " PARTITION BY LIST (id)"
            ),
            "CREATE TABLE public.low_all PARTITION OF public.low DEFAULT",
            "CREATE TABLE public.rest PARTITION OF public.people DEFAULT",
            (
                "INSERT INTO public.people SELECT i, CASE WHEN i % 3 = 0 THEN 'erased-person-'"
                " ELSE 'kept-person-' END || i % 9 FROM generate_series(1, 1000) AS i"
            ),
            "ANALYZE public.people",
            "DELETE FROM public.people WHERE name LIKE 'erased%'",
        ):
            connection.execute(statement)
        leaves = read_database(connection).tables[PEOPLE].leaves
        assert rewrite_table(connection, PEOPLE, leaves) == 0
        sampled = connection.execute(
            "SELECT tablename, inherited, concat(most_common_vals, histogram_bounds)"
            " FROM pg_stats WHERE attname = 'name'"
        ).fetchall()
    assert {(table, inherited) for table, inherited, _ in sampled} == {
        ("people", True),
        ("low", True),
        ("low_all", False),
        ("rest", False),
    }
    assert not [row for row in sampled if "erased" in row[2]]


def test_a_user_who_does_not_own_the_table_is_refused(postgres15: PostgresServer) -> None:
    with autocommitting(fresh_database(postgres15)) as connection:
        connection.execute("CREATE TABLE public.people (id int)")
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest")
        connection.execute("GRANT ALL ON public.people TO guest")
        connection.execute("SET ROLE guest")
        with pytest.raises(SiteRefused, match="did not rewrite table people"):
            rewrite_table(connection, PEOPLE)
        reason = rewrite_statistics(connection)
        assert reason is not None
        assert "database's owner or a superuser" in reason
        refused = checkpoint(connection)
        assert refused is not None
        assert "pg_checkpoint" in refused
        assert any("may not see" in line for line in remains(connection))


def test_a_database_owner_may_rewrite_the_statistics(postgres_server: PostgresServer) -> None:
    with autocommitting(fresh_database(postgres_server)) as connection:
        connection.execute("DROP ROLE IF EXISTS landlord")
        connection.execute("CREATE ROLE landlord")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO landlord")
        connection.execute("SET ROLE landlord")
        assert rewrite_statistics(connection) is None
        connection.execute("RESET ROLE")
        connection.execute("REASSIGN OWNED BY landlord TO postgres")


def test_remains_names_the_log_slots_and_publications(postgres_server: PostgresServer) -> None:
    with autocommitting(fresh_database(postgres_server)) as connection:
        slot = f"kept_{connection.info.dbname}"
        connection.execute("CREATE TABLE public.t (a int)")
        connection.execute("CREATE PUBLICATION feed FOR TABLE public.t")
        connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", (slot,))
        try:
            lines = remains(connection)
        finally:
            connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    text = "\n".join(lines)
    assert "write-ahead log (wal_level replica)" in text
    assert f"physical replication slot {slot} keeps write-ahead log" in text
    assert "publication feed" in text
    assert "no query shows them" in lines[-1]
    assert "archive" not in text  # off here


def test_a_rewritten_table_has_the_planners_fresh_figures(
    planted: tuple[PostgresServer, Connection],
) -> None:
    _, connection = planted
    before = read_database(connection).tables[PEOPLE]
    rewrite_table(connection, PEOPLE)
    after = read_database(connection).tables[PEOPLE]
    assert after.estimated_rows == 2000
    assert after.size_bytes < before.size_bytes


STALE = """
CREATE TABLE public.emptied (id int PRIMARY KEY, word text);
CREATE INDEX ON public.emptied (lower(word));
CREATE STATISTICS public.both (mcv) ON id, word FROM public.emptied;
CREATE TABLE public.parent (word text);
CREATE TABLE public.child (more text) INHERITS (public.parent);
CREATE TABLE public.still (id int, word text, flag bool);
CREATE INDEX ON public.still (upper(word)) WHERE flag;
CREATE TABLE public.root (id int, word text) PARTITION BY RANGE (id);
CREATE TABLE public.leaf PARTITION OF public.root DEFAULT;
INSERT INTO public.emptied SELECT i, 'erased-person-' || i % 9 FROM generate_series(1, 90) AS i;
INSERT INTO public.parent SELECT word FROM public.emptied;
INSERT INTO public.child SELECT 'kept-person-' || id % 5, 'more' FROM public.emptied;
INSERT INTO public.still SELECT id, word, true FROM public.emptied;
INSERT INTO public.still SELECT -id, 'kept-person-' || id % 5, false FROM public.emptied;
INSERT INTO public.root TABLE public.emptied;
CREATE MATERIALIZED VIEW public.view AS SELECT word FROM public.emptied;
ANALYZE;
ALTER TABLE public.still ALTER word SET STATISTICS 0;
DELETE FROM public.emptied; DELETE FROM ONLY public.parent; DELETE FROM public.root;
DELETE FROM public.still WHERE id > 0;
"""
_STALE_NAMES = ("emptied", "child", "still", "parent")
SAMPLED = """
SELECT tablename, inherited FROM pg_stats
  WHERE concat(most_common_vals, histogram_bounds) ~* 'erased-person'
UNION SELECT statistics_name, inherited FROM pg_stats_ext
  WHERE most_common_vals::text ~ 'erased-person' ORDER BY 1
"""


def rewrite_stale(connection: Connection) -> str | None:
    tables = [TableName("public", name) for name in _STALE_NAMES]
    for table in tables:
        assert rewrite_table(connection, table) == 0
    root = TableName("public", "root", is_root=True)
    assert rewrite_table(connection, root, (TableName("public", "leaf"),)) == 0
    connection.execute("REFRESH MATERIALIZED VIEW public.view")
    connection.execute("ANALYZE public.view")
    return rewrite_statistics(connection, [*tables, root, TableName("public", "view")])


def test_samples_that_analyze_leaves_as_they_were_are_removed(
    postgres_server: PostgresServer,
) -> None:
    with autocommitting(fresh_database(postgres_server)) as connection:
        connection.execute(STALE)
        before = connection.execute(SAMPLED).fetchall()
        assert ("emptied", False) in before
        assert ("root", True) in before
        assert rewrite_stale(connection) is None
        assert connection.execute(SAMPLED).fetchall() == []
        assert places_of_statistics(postgres_server, connection, ERASED) == set()
        kept = "SELECT count(*) FROM pg_stats WHERE most_common_vals::text ~ 'kept-person'"
        assert connection.execute(kept).fetchone() == (2,)  # the child's, and its parent's


def places_of_statistics(server: PostgresServer, connection: Connection, value: bytes) -> set[str]:
    connection.execute("CHECKPOINT")
    names = ("pg_statistic", "pg_statistic_ext_data")
    found = set()
    for name in names:
        row = connection.execute("SELECT pg_relation_filepath(%s::regclass)", (name,)).fetchone()
        assert row is not None
        if value in (Path(server.data) / row[0]).read_bytes():
            found.add(name)
    return found


def test_who_may_not_remove_them_is_told_which(postgres_server: PostgresServer) -> None:
    with autocommitting(fresh_database(postgres_server)) as connection:
        connection.execute("DROP ROLE IF EXISTS tenant")
        connection.execute("CREATE ROLE tenant")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO tenant")
        connection.execute("ALTER SCHEMA public OWNER TO tenant")
        connection.execute("SET ROLE tenant")
        connection.execute(STALE)
        reason = rewrite_stale(connection)
        left = connection.execute(SAMPLED).fetchall()
        connection.execute("RESET ROLE")
        connection.execute("REASSIGN OWNED BY tenant TO postgres")
    assert reason is not None
    assert "public.both" in reason
    assert ("public.emptied.word" in reason) == (postgres_server.version < 18)
    if postgres_server.version >= 18:
        assert left == [("both", False)]


def test_samples_of_large_objects_go_before_the_statistics_are_rewritten(
    postgres_server: PostgresServer,
) -> None:
    with autocommitting(fresh_database(postgres_server)) as connection:
        for value in (ERASED, KEPT):
            connection.execute(
                "SELECT lo_from_bytea(0, convert_to(%s || i, 'UTF8'))"
                " FROM generate_series(1, 20) AS i",
                (value.decode(),),
            )
        connection.execute("ANALYZE pg_largeobject")
        for value in (ERASED, KEPT):  # some are left, then none
            assert places_of_statistics(postgres_server, connection, value) == {"pg_statistic"}
            connection.execute(
                "SELECT lo_unlink(oid) FROM pg_largeobject_metadata"
                " WHERE convert_from(lo_get(oid), 'UTF8') LIKE %s || '%%'",
                (value.decode(),),
            )
            assert rewrite_statistics(connection, large_objects=True) is None
            assert places_of_statistics(postgres_server, connection, value) == set()
