from __future__ import annotations

from collections.abc import Iterator

import pytest

from domicile.move.rows import MARKERS_SQL
from domicile.sites.postgres import (
    Connection,
    MaterialisedView,
    TableName,
    in_order_of_views,
    in_our_schema,
    read_database,
    refresh_view,
    staleness,
)
from tests.services.postgres import PostgresServer, fresh_database

SCHEMA = """
CREATE TABLE public.t (id int, word text);
INSERT INTO public.t VALUES (1, 'one'), (1, 'one'), (2, NULL);
CREATE MATERIALIZED VIEW public.plain AS SELECT word FROM public.t;
CREATE MATERIALIZED VIEW public.moving AS SELECT now() AS at, word FROM public.t;
CREATE VIEW public.between AS SELECT * FROM public.plain;
CREATE MATERIALIZED VIEW public.above AS SELECT count(*) FROM public.between;
CREATE FUNCTION public.any() RETURNS SETOF text LANGUAGE plpgsql AS
    'BEGIN RETURN QUERY EXECUTE ''SELECT word FROM public.t''; END';
CREATE MATERIALIZED VIEW public.called AS SELECT * FROM public.any() AS f;
CREATE AGGREGATE public.last (text) (sfunc = textcat, stype = text);
CREATE MATERIALIZED VIEW public.aggregated AS SELECT public.last(word) FROM public.t;
CREATE MATERIALIZED VIEW public.builtin AS SELECT max(word), count(*) FROM public.t WHERE id < 2;
CREATE MATERIALIZED VIEW public.empty AS SELECT * FROM public.t WITH NO DATA;
"""


@pytest.fixture
def connection(postgres_server: PostgresServer) -> Iterator[Connection]:
    with fresh_database(postgres_server).connect() as opened:
        opened.execute(SCHEMA)
        opened.commit()
        yield opened


def views(connection: Connection) -> dict[str, MaterialisedView]:
    return {name.name: view for name, view in read_database(connection).views.items()}


def test_a_view_tells_what_it_reads_through_other_views_too(connection: Connection) -> None:
    found = views(connection)
    table, plain = TableName("public", "t"), TableName("public", "plain")
    assert found["plain"].tables == {table}
    assert not found["plain"].views
    assert found["above"].views == {plain}
    assert found["above"].tables == {table}
    assert found["called"].opaque
    assert found["aggregated"].opaque
    assert not found["builtin"].opaque
    assert not found["plain"].opaque
    assert not found["empty"].populated
    order = [view.name.name for view in in_order_of_views(found.values())]
    assert order.index("above") > order.index("plain")


def test_a_view_through_functions_in_c_is_opaque(postgres15: PostgresServer) -> None:
    with fresh_database(postgres15).connect() as opened:
        opened.execute(
            f"""CREATE EXTENSION citext SCHEMA public; {SCHEMA}
            CREATE MATERIALIZED VIEW public.in_c AS SELECT word FROM public.t
            WHERE word::public.citext OPERATOR(public.=) 'ONE'::public.citext;""".encode()
        )
        opened.commit()
        assert views(opened)["in_c"].opaque


def test_a_view_is_stale_while_it_holds_a_row_that_its_query_does_not_give(
    connection: Connection,
) -> None:
    plain = views(connection)["plain"]
    assert staleness(connection, plain) == ""
    connection.execute("INSERT INTO public.t VALUES (3, 'later')")
    assert staleness(connection, plain) == ""
    connection.execute("DELETE FROM public.t WHERE ctid = '(0,1)'")  # one of two alike
    assert staleness(connection, plain) == "it holds rows that its query does not give now"


def test_a_view_that_never_gives_the_same_is_always_stale(connection: Connection) -> None:
    connection.autocommit = True
    moving = views(connection)["moving"]
    assert refresh_view(connection, moving) == ""
    assert staleness(connection, moving)


def test_a_refreshed_view_holds_what_its_query_gives(connection: Connection) -> None:
    connection.autocommit = True
    plain = views(connection)["plain"]
    connection.execute("DELETE FROM public.t")
    assert staleness(connection, plain)
    assert refresh_view(connection, plain) == ""
    assert staleness(connection, plain) == ""
    assert connection.execute("SELECT count(*) FROM public.plain").fetchone() == (0,)


def test_a_view_that_the_user_may_not_refresh_or_ask_says_why(connection: Connection) -> None:
    connection.autocommit = True
    plain = views(connection)["plain"]
    connection.execute("CREATE ROLE onlooker")
    connection.execute("GRANT SELECT ON public.plain TO onlooker")
    connection.execute("SET ROLE onlooker")
    try:
        assert "must be owner" in refresh_view(connection, plain) or "denied" in refresh_view(
            connection, plain
        )
        assert "permission denied for table t" in staleness(connection, plain)
    finally:
        connection.execute("RESET ROLE")
        connection.execute("REVOKE ALL ON public.plain FROM onlooker")
        connection.execute("DROP ROLE onlooker")


def test_what_lies_in_the_schema_of_our_name_and_is_not_ours_is_told(
    connection: Connection,
) -> None:
    connection.execute(MARKERS_SQL.encode())
    assert in_our_schema(connection) == []
    connection.execute('CREATE TABLE domicile."Off ices" (id int)')
    connection.execute("CREATE MATERIALIZED VIEW domicile.v AS SELECT 1")
    connection.execute("DROP TABLE domicile.copies")
    connection.execute("CREATE TABLE domicile.copies (id int)")
    found = in_our_schema(connection)
    assert [each.name for each in found] == ['domicile."Off ices"', "domicile.copies", "domicile.v"]
    assert "move it into a schema of another name" in found[0].sentence
