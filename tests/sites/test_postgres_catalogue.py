from __future__ import annotations

from dataclasses import replace
from typing import Self

import psycopg
import pytest
from psycopg import sql
from psycopg.abc import Params, Query
from psycopg.rows import TupleRow

from domicile.errors import SiteUnreachable
from domicile.sites.postgres import (
    Address,
    Column,
    Database,
    EventTrigger,
    ForeignKey,
    NotExamined,
    PostgresSite,
    TableName,
    read_database,
    shown_elsewhere,
)
from tests.services.postgres import ODD, PostgresServer, awkward_database, fresh_database


def read(site: PostgresSite) -> Database:
    with site.connect(read_only=True) as connection:
        return read_database(connection)


def read_after(server: PostgresServer, *statements: str) -> Database:
    site = fresh_database(server)
    with site.connect() as connection:
        for statement in statements:
            connection.execute(statement)
    return read(site)


def named(name: str) -> TableName:
    return TableName.parse(name)


def reasons_in(database: Database) -> dict[str, str]:
    return {str(name): why.reason for name, why in database.other_relations.items()}


def keys_of(database: Database, child: TableName) -> dict[tuple[str, ...], ForeignKey]:
    return {key.columns: key for key in database.foreign_keys if key.child == child}


@pytest.fixture
def awkward(postgres_server: PostgresServer) -> Database:
    return read(awkward_database(postgres_server))


def test_every_ordinary_table_is_found_by_its_unquoted_name(awkward: Database) -> None:
    assert set(awkward.tables) == {
        ODD,
        *map(named, ("country", "lists", "membership", "visit", "chicken", "egg", "log")),
    }
    assert awkward.other_relations == {}
    assert not awkward.in_recovery


def test_columns_are_described(awkward: Database) -> None:
    table = awkward.tables[ODD]
    assert table.primary_key == ("order",)
    assert table.unique == (("country", "nickname"),)
    assert table.column("order") == Column(
        name="order",
        type="bigint",
        plain_type="bigint",
        base_type="pg_catalog.int8",
        category="N",
        not_null=True,
        has_default=False,
        generated=False,
        identity="always",
        max_length=None,
        binary_safe=True,
    )
    assert table.column("country").max_length == 2
    assert table.column("active").has_default
    shout = table.column("shout")
    assert shout.generated
    assert not shout.has_default
    assert shout not in table.stored_columns
    assert table.column_names[1] == "Upper Case"


def test_domains_and_enums_are_seen_through(awkward: Database) -> None:
    table = awkward.tables[ODD]
    assert table.column("naïve's").type == "public.email"
    assert table.column("naïve's").plain_type == "text"
    assert table.column("nickname").plain_type == "character varying(12)"
    assert table.column("naïve's").base_type == "pg_catalog.text"
    assert table.column("naïve's").category == "S"
    assert table.column("user").not_null  # by its domain
    assert table.column("nickname").max_length == 12  # by its domain
    assert table.column("feeling").category == "E"
    assert table.column("feeling").base_type == "public.mood"


def test_binary_copy_is_for_types_that_mean_the_same_everywhere(awkward: Database) -> None:
    assert all(column.binary_safe for column in awkward.tables[ODD].columns)
    unsafe = {c.name for c in awkward.tables[named("lists")].columns if not c.binary_safe}
    every = {"numbers", "words", "moods", "emails", "both", "span", "price", "about"}
    assert unsafe == every


def test_identity_by_default_is_told_from_always(awkward: Database) -> None:
    assert awkward.tables[named("lists")].column("id").identity == "by default"


def test_foreign_keys_pair_their_columns(awkward: Database) -> None:
    key = keys_of(awkward, named("visit"))["number", "region"]
    assert key.parent == named("membership")
    assert key.parent_columns == ("number", "region")
    assert key.on_delete == "cascade"
    assert key.indexed  # by (region, number, at): the same columns in another order


def test_self_references_and_cycles_are_foreign_keys_like_others(awkward: Database) -> None:
    boss = keys_of(awkward, ODD)["boss",]
    assert (boss.name, boss.parent, boss.deferrable) == ("the boss", ODD, True)
    assert not boss.indexed
    pair = keys_of(awkward, named("membership"))["favourite_region", "favourite_number"]
    assert pair.parent == named("membership")
    assert pair.on_delete == "restrict"
    assert keys_of(awkward, named("chicken"))["egg",].parent == named("egg")
    assert keys_of(awkward, named("egg"))["chicken",].parent == named("chicken")
    country = keys_of(awkward, ODD)["country",]
    assert (country.on_delete, country.on_update) == ("set null", "cascade")
    assert country.indexed  # by the unique index (country, nickname)


def test_a_partial_or_longer_led_index_does_not_count_as_indexed(
    postgres_server: PostgresServer,
) -> None:
    database = read_after(
        postgres_server,
        "CREATE TABLE public.p (id int PRIMARY KEY)",
        "CREATE TABLE public.c (x int, a int REFERENCES public.p, b int REFERENCES public.p,"
        " d int REFERENCES public.p)",
        "CREATE INDEX ON public.c (a) WHERE x > 0",
        "CREATE INDEX ON public.c (x, b)",
        "CREATE INDEX ON public.c USING hash (d)",
    )
    indexed = {key.columns[0]: key.indexed for key in database.foreign_keys}
    assert indexed == {"a": False, "b": False, "d": True}


def test_triggers_are_listed_with_their_events(awkward: Database) -> None:
    found = {t.name: (t.table, t.events, t.enabled) for t in awkward.triggers}
    assert found == {
        "touched": (named("log"), ("insert", "update"), True),
        "silent": (named("log"), ("delete",), False),
    }


def test_sequences_tell_what_they_gave_out_and_whose_they_are(awkward: Database) -> None:
    found = {str(s.name): s for s in awkward.sequences}
    ticket = found["ticket"]
    assert (ticket.last_value, ticket.increment, ticket.owned_by) == (105, 5, None)
    assert (ticket.min_value, ticket.max_value) == (10, 100000)
    assert found["lists_id_seq"].owned_by == "public.lists.id"
    assert found["lists_id_seq"].last_value == 3


def test_a_sequence_before_its_first_call_has_no_last_value(
    postgres_server: PostgresServer,
) -> None:
    database = read_after(postgres_server, "CREATE SEQUENCE public.s")
    assert database.sequences[0].last_value is None


def test_what_may_hold_rows_and_is_no_ordinary_table_has_its_reason(
    postgres_server: PostgresServer,
) -> None:
    database = read_after(
        postgres_server,
        "CREATE TABLE public.parts (id int, at date) PARTITION BY RANGE (at)",
        "CREATE TABLE public.part_1 PARTITION OF public.parts FOR VALUES FROM ('2020-01-01')"
        " TO ('2021-01-01')",
        "CREATE TABLE public.base (id int)",
        "CREATE TABLE public.derived (x int) INHERITS (public.base)",
        "CREATE UNLOGGED TABLE public.fleeting (id int)",
        "CREATE TABLE public.kept (id int PRIMARY KEY)",
        "CREATE MATERIALIZED VIEW public.copies AS SELECT * FROM public.kept",
        "CREATE VIEW public.seen AS SELECT * FROM public.kept",
        "CREATE TABLE public.ruled (id int)",
        "CREATE RULE r AS ON DELETE TO public.ruled DO INSTEAD NOTHING",
        "CREATE FOREIGN DATA WRAPPER w",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER w",
        "CREATE FOREIGN TABLE public.far (id int) SERVER elsewhere",
        "CREATE SCHEMA domicile",
        "CREATE TABLE domicile.markers (id int)",
        "SELECT lo_from_bytea(0, 'x')",
    )
    assert set(database.tables) == {
        *map(named, ("kept", "parts", "fleeting", "base", "derived")),
    }
    assert database.tables[named("derived")].inherits == (named("base"),)
    assert database.tables[named("parts")].leaves == (named("part_1"),)
    assert database.tables[named("fleeting")].unlogged
    assert database.views[named("copies")].tables == {named("kept")}
    assert reasons_in(database) == {
        "ruled": "a rewrite rule (r) changes what UPDATE or DELETE does to it",
        "far": "a foreign table of elsewhere (w): its rows lie on another server (no option says"
        " which)",
        "pg_catalog.pg_largeobject": "1 large objects",
    }


PARTS = (
    "CREATE TABLE public.one (id int PRIMARY KEY)",
    "CREATE TABLE public.all (id int, at date, who int) PARTITION BY RANGE (at)",
    (
        "CREATE TABLE public.y1 PARTITION OF public.all FOR VALUES FROM ('2020-01-01') TO"
        " ('2021-01-01') PARTITION BY LIST (id)"
    ),
    "CREATE TABLE public.y1_a PARTITION OF public.y1 DEFAULT",
    "CREATE TABLE public.y2 PARTITION OF public.all DEFAULT",
)


def test_a_partitioned_table_is_one_table_with_what_its_partitions_have(
    postgres_server: PostgresServer,
) -> None:
    database = read_after(
        postgres_server,
        *PARTS,
        "ALTER TABLE public.all ADD FOREIGN KEY (who) REFERENCES public.one",
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER everywhere AFTER DELETE ON public.all FOR EACH ROW EXECUTE FUNCTION"
        " public.f()",
        "CREATE TRIGGER alone AFTER DELETE ON public.y2 FOR EACH ROW EXECUTE FUNCTION public.f()",
        "INSERT INTO public.one VALUES (1)",
        "INSERT INTO public.all SELECT 1, '2020-01-01', 1 FROM generate_series(1, 500)",
    )
    table = database.tables[named("all")]
    assert table.leaves == (named("y1_a"), named("y2"))
    assert table.size_bytes >= 500 * 30
    assert set(database.tables) == {named("all"), named("one")}
    keys = [(key.child, key.columns, key.parent) for key in database.foreign_keys]
    assert keys == [(named("all"), ("who",), named("one"))]
    assert {(t.table, t.name) for t in database.triggers} == {
        (named("all"), "everywhere"),
        (named("all"), "alone"),
    }


def test_a_foreign_key_that_every_partition_has_of_its_own_is_the_tables(
    postgres_server: PostgresServer,
) -> None:
    database = read_after(
        postgres_server,
        *PARTS,
        "CREATE TABLE public.two (a int, b int, UNIQUE (a, b))",
        "ALTER TABLE public.two ADD FOREIGN KEY (a) REFERENCES public.one",
        "ALTER TABLE public.two ADD FOREIGN KEY (b) REFERENCES public.one",
        "ALTER TABLE public.y1_a ADD CONSTRAINT k1 FOREIGN KEY (who, id) REFERENCES public.two"
        " (b, a)",
        "ALTER TABLE public.y2 ADD CONSTRAINT k2 FOREIGN KEY (who, id) REFERENCES public.two"
        " (b, a)",
    )
    assert named("all") in database.tables
    keys = {
        (str(k.child), k.columns, str(k.parent), k.parent_columns) for k in database.foreign_keys
    }
    assert keys == {
        ("all", ("who", "id"), "two", ("b", "a")),
        ("two", ("a",), "one", ("id",)),
        ("two", ("b",), "one", ("id",)),
    }
    assert len(database.foreign_keys) == 3


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            (
                "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
                " CREATE FOREIGN TABLE public.far PARTITION OF public.all FOR VALUES"
                " FROM ('1999-01-01') TO ('2000-01-01') SERVER s"
            ),
            "its partition far is a foreign table: its rows lie on another server",
        ),
        (
            "ALTER TABLE public.y2 ADD CONSTRAINT own FOREIGN KEY (who) REFERENCES public.one",
            "the foreign key own is of a partition alone",
        ),
        (
            (
                "ALTER TABLE public.y2 ADD PRIMARY KEY (id); ALTER TABLE public.one ADD"
                " CONSTRAINT own FOREIGN KEY (id) REFERENCES public.y2 NOT VALID"
            ),
            "the foreign key own is of a partition alone",
        ),
        (
            (
                "ALTER TABLE public.all ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE"
                " ROLE {role} NOLOGIN; GRANT SELECT ON public.all TO {role}; SET ROLE {role}"
            ),
            "row-level security hides rows from the site's user",
        ),
    ],
)
def test_partitions_that_the_root_does_not_speak_for_are_not_examined(
    postgres_server: PostgresServer, statement: str, reason: str
) -> None:
    with fresh_database(postgres_server).connect() as connection:
        for part in (*PARTS, *statement.format(role="parted").replace("; ", ";").split(";")):
            connection.execute(sql.SQL(part))
        database = read_database(connection)
        connection.rollback()
    assert database.other_relations[named("all")].reason == reason
    assert named("all") not in database.tables


def test_a_partition_that_is_being_detached_hides_its_rows(
    postgres_server: PostgresServer,
) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection, site.connect() as other:
        for part in (*PARTS[:3], *PARTS[3:4]):
            connection.execute(sql.SQL(part))
        connection.commit()
        other.execute("SELECT FROM public.all").fetchall()  # keeps the detaching from its end
        connection.autocommit = True
        connection.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("ALTER TABLE public.all DETACH PARTITION public.y1 CONCURRENTLY")
        other.rollback()
        reason = read_database(connection).other_relations[named("all")].reason
    assert reason.startswith("its partition public.y1 is being detached")


def test_tables_of_an_extension_are_not_examined(postgres15: PostgresServer) -> None:
    database = read_after(
        postgres15,
        "CREATE TABLE public.adopted (id int)",
        "CREATE EXTENSION citext SCHEMA public",
        "ALTER EXTENSION citext ADD TABLE public.adopted",
    )
    assert database.tables == {}
    assert reasons_in(database) == {"adopted": "it belongs to the extension citext"}


def test_a_tree_whose_tables_an_extension_keeps_is_not_examined(
    postgres15: PostgresServer,
) -> None:
    database = read_after(
        postgres15,
        "CREATE SCHEMA chunks",
        "CREATE EXTENSION citext SCHEMA public",
        "ALTER EXTENSION citext ADD SCHEMA chunks",
        "CREATE TABLE public.series (id int)",
        "CREATE TABLE chunks.one () INHERITS (public.series)",
        "CREATE TABLE chunks.alone (id int)",
    )
    assert set(database.tables) == {named("chunks.alone")}
    why = "the extension citext keeps its rows in tables of its own"
    assert reasons_in(database) == {"series": why, "chunks.one": why}


def test_a_view_over_a_tree_rests_on_all_of_it(postgres18: PostgresServer) -> None:
    database = read_after(
        postgres18,
        "CREATE TABLE public.top (id int)",
        "CREATE TABLE public.left (id int) INHERITS (public.top)",
        "CREATE TABLE public.right (id int) INHERITS (public.top)",
        'CREATE TABLE public.both () INHERITS (public."left", public."right")',
        "CREATE MATERIALIZED VIEW public.all AS SELECT * FROM public.top",
        'CREATE MATERIALIZED VIEW public.half AS SELECT * FROM public."right"',
    )
    tree = {named(name) for name in ("top", "left", "right", "both")}
    assert database.views[named("all")].tables == tree
    assert database.views[named("half")].tables == {named("right"), named("both")}
    assert database.tables[named("both")].inherits == (named("left"), named("right"))


FOREIGN = (
    "CREATE EXTENSION postgres_fdw SCHEMA public",
    "CREATE EXTENSION file_fdw SCHEMA public",
    "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db.example', dbname 'd')",
    "CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'u', password 'hidden-2')",
    "CREATE FOREIGN TABLE public.one (id int) SERVER far OPTIONS (table_name 't')",
    "CREATE SERVER several FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'a,b', dbname 'd')",
    "CREATE FOREIGN TABLE public.two (id int) SERVER several",
    "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
    "CREATE FOREIGN TABLE public.three (id int) SERVER files OPTIONS (filename '/data/x.csv')",
    "CREATE FOREIGN TABLE public.four (id int) SERVER files OPTIONS (program 'get hidden-3')",
)


def test_a_foreign_table_says_where_its_rows_lie_and_no_secret(postgres15: PostgresServer) -> None:
    database = read_after(postgres15, *FOREIGN)
    assert reasons_in(database) == {
        "one": "a foreign table of far (postgres_fdw): its rows lie on another server (host"
        " db.example, database d)",
        "two": "a foreign table of several (postgres_fdw): its rows lie on another server (host"
        " a,b, database d)",
        "three": "a foreign table of files (file_fdw): its rows lie in the file /data/x.csv on the"
        " database's server",
        "four": "a foreign table of files (file_fdw): its rows are what a program on the database's"
        " server gives",
    }
    assert database.foreign == {named("one"): Address("db.example", "5432", "d")}
    assert "hidden" not in repr(database)


def shown(there: Address, here: Address | None, site: Address | None) -> bool:
    """Whether what a foreign table shows is taken for a site's."""
    reason = NotExamined("foreign")
    database = Database(
        server_version=150000,
        in_recovery=False,
        tables={},
        foreign_keys=(),
        triggers=(),
        sequences=(),
        views={},
        other_relations={named("far"): reason},
        foreign={named("far"): there},
    )
    found = shown_elsewhere(database, here, {"there": site})
    assert found.other_relations == ({} if found.shown else {named("far"): reason})
    assert found.shown in ({}, {named("far"): "there"})
    return bool(found.shown)


DB = Address("db.example", "5432", "d")
LOCAL = Address("localhost", "5432", "d")


def test_what_is_shown_of_a_site_is_the_sites() -> None:
    other = replace(DB, host="other.example")
    assert shown(DB, other, DB)
    assert shown(LOCAL, LOCAL, replace(LOCAL, host="127.0.0.1"))
    # The machine that a server calls its own is where we reach the server, not where we are.
    assert shown(replace(DB, host="127.0.0.1"), DB, DB)
    assert not shown(LOCAL, DB, LOCAL)
    for other in (replace(DB, host="x"), replace(DB, port="5433"), replace(DB, database="e")):
        assert not shown(DB, DB, other)
    assert not shown(DB, DB, None)
    assert not shown(DB, None, DB)
    assert shown(replace(DB, host="/run/a"), LOCAL, replace(DB, host="/run/a"))
    assert not shown(replace(DB, host="/run/a"), LOCAL, replace(DB, host="/run/b"))


def test_event_triggers_are_listed(postgres18: PostgresServer) -> None:
    database = read_after(
        postgres18,
        "CREATE FUNCTION public.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE EVENT TRIGGER every ON ddl_command_end EXECUTE FUNCTION public.f()",
        "CREATE EVENT TRIGGER one ON sql_drop WHEN TAG IN ('DROP TABLE')"
        " EXECUTE FUNCTION public.f()",
        "ALTER EVENT TRIGGER one DISABLE",
    )
    assert database.event_triggers == (
        EventTrigger("every", "ddl_command_end", (), enabled=True),
        EventTrigger("one", "sql_drop", ("DROP TABLE",), enabled=False),
    )


def test_a_foreign_key_that_nobody_validated_leads_to_nobody(postgres15: PostgresServer) -> None:
    database = read_after(
        postgres15,
        "CREATE TABLE public.person (id int PRIMARY KEY)",
        "CREATE TABLE public.post (id int PRIMARY KEY, who int)",
        "ALTER TABLE public.post ADD CONSTRAINT later FOREIGN KEY (who)"
        " REFERENCES public.person NOT VALID",
    )
    why = "its foreign key later was never validated: rows may refer to nobody"
    assert reasons_in(database) == {"post": why}
    assert [key.name for key in database.foreign_keys] == ["later"]


def test_what_the_user_may_not_read_is_not_examined(postgres15: PostgresServer) -> None:
    site = fresh_database(postgres15)
    with site.connect() as connection:
        for statement in (
            "DROP ROLE IF EXISTS stranger",
            "CREATE ROLE stranger",
            "CREATE TABLE public.secret (id int)",
            "CREATE SEQUENCE public.unseen",
            "CREATE TABLE public.filtered (id int)",
            "ALTER TABLE public.filtered ENABLE ROW LEVEL SECURITY",
            "GRANT SELECT ON public.filtered TO stranger",
            "CREATE TABLE public.free (id int)",
            "GRANT SELECT ON public.free TO stranger",
            "CREATE SCHEMA closed",
            "CREATE TABLE closed.away (id int)",
            "GRANT SELECT ON closed.away TO stranger",
        ):
            connection.execute(statement)
        connection.execute("SET LOCAL ROLE stranger")
        database = read_database(connection)
        connection.rollback()
    assert set(database.tables) == {named("free")}
    assert database.sequences == ()
    unreadable = "the site's user has no permission to read it"
    assert reasons_in(database) == {
        "secret": unreadable,
        "unseen": unreadable,
        "closed.away": unreadable,
        "filtered": "row-level security hides rows from the site's user",
    }


def test_rows_are_estimated_also_before_and_after_an_analyze(
    postgres_server: PostgresServer,
) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute(
            "CREATE TABLE public.t WITH (autovacuum_enabled = off) AS"
            " SELECT i, repeat('x', 70) AS x FROM generate_series(1, 20000) AS i"
        )
        connection.commit()
        before = read_database(connection).tables[named("t")]
        connection.execute("ANALYZE public.t")
        after = read_database(connection).tables[named("t")]
    assert 10_000 < before.estimated_rows < 40_000
    assert 19_000 < after.estimated_rows < 21_000
    assert after.size_bytes > 20_000 * 100


def test_more_tables_take_no_more_queries(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Counting(psycopg.Cursor[TupleRow]):
        def execute(
            self,
            query: Query,
            params: Params | None = None,
            *,
            prepare: bool | None = None,
            binary: bool | None = None,
        ) -> Self:
            assert isinstance(query, sql.Composed)
            asked.append(query.as_string(self))
            return super().execute(query, params, prepare=prepare, binary=binary)

    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute(
            "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE public.t%s"
            " (id int PRIMARY KEY, next int REFERENCES public.t%s)', i, greatest(i - 1, 1));"
            " END LOOP; END $$"
        )
        monkeypatch.setattr(connection, "cursor_factory", Counting)
        database = read_database(connection)
    assert len(database.tables) == 300
    assert len(database.foreign_keys) == 300
    assert len(asked) == len(set(asked)) == 12


def test_a_lost_connection_is_unreachable(postgres_server: PostgresServer) -> None:
    connection = fresh_database(postgres_server).connect()
    connection.close()
    with pytest.raises(SiteUnreachable):
        read_database(connection)
