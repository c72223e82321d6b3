from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from domicile.errors import OperatorError, SiteError
from domicile.sites.postgres import (
    Database,
    PostgresSite,
    TableName,
    apply_sql,
    dump,
    lacking_at,
    read_database,
    schema_sql,
    set_sequence,
)
from tests.services.postgres import ODD, PostgresServer, awkward_database, fresh_database

DIRECTIONS = [(15, 18), (18, 15), (18, 18), (15, 15)]


def read(site: PostgresSite) -> Database:
    with site.connect(read_only=True) as connection:
        return read_database(connection)


def apply(site: PostgresSite, text: str) -> None:
    with site.connect() as connection:
        apply_sql(connection, text)


@pytest.fixture(params=DIRECTIONS, ids=[f"{a} to {b}" for a, b in DIRECTIONS])
def ends(request: pytest.FixtureRequest) -> tuple[PostgresSite, PostgresSite]:
    servers: list[PostgresServer] = [
        request.getfixturevalue(f"postgres{version}") for version in request.param
    ]
    return awkward_database(servers[0]), fresh_database(servers[1])


def test_a_schema_arrives_in_two_sections(ends: tuple[PostgresSite, PostgresSite]) -> None:
    source, home = ends
    apply(home, schema_sql(source, "pre-data"))
    there, here = read(source), read(home)
    assert {n: t.columns for n, t in there.tables.items()} == {
        n: t.columns for n, t in here.tables.items()
    }
    assert here.foreign_keys == ()
    assert here.triggers == ()
    assert here.tables[ODD].primary_key == ()

    apply(home, schema_sql(source, "post-data"))
    here = read(home)
    assert here.foreign_keys == there.foreign_keys
    assert here.triggers == there.triggers
    for name, table in there.tables.items():
        assert here.tables[name].primary_key == table.primary_key
        assert set(here.tables[name].unique) == set(table.unique)
    described = {(s.name, s.increment, s.min_value, s.max_value) for s in there.sequences}
    assert described == {(s.name, s.increment, s.min_value, s.max_value) for s in here.sequences}


def test_a_functions_body_arrives_as_it_was(ends: tuple[PostgresSite, PostgresSite]) -> None:
    source, home = ends
    apply(home, schema_sql(source, "pre-data"))
    bodies = []
    for site in ends:
        with site.connect() as connection:
            row = connection.execute("SELECT prosrc FROM pg_proc WHERE proname = 'touch'")
            bodies.append(row.fetchone())
    assert bodies[0] == bodies[1]
    assert bodies[0] is not None
    assert "\\restrict and 100%" in bodies[0][0]


@pytest.mark.parametrize("section", ["pre-data", "post-data"])
def test_a_dump_has_no_commands_of_psql_and_no_settings(
    postgres_server: PostgresServer, section: dump.Section
) -> None:
    text = schema_sql(awkward_database(postgres_server), section)
    lines = text.splitlines()
    assert not [line for line in lines if line.startswith(("\\", "SET ", "SELECT "))]
    assert not [line for line in lines if "OWNER TO" in line or line.startswith("GRANT ")]


def test_domiciles_own_schema_stays_where_it_is(postgres_server: PostgresServer) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute("CREATE SCHEMA domicile")
        connection.execute("CREATE TABLE domicile.markers (id int)")
        connection.execute("CREATE SCHEMA domicile_of_theirs")
    text = schema_sql(site, "pre-data")
    assert "markers" not in text
    assert "domicile_of_theirs" in text


def test_a_schema_is_applied_whole_or_not_at_all(
    ends: tuple[PostgresSite, PostgresSite],
) -> None:
    source, home = ends
    text = schema_sql(source, "pre-data")
    with pytest.raises(SiteError, match=f"site {home.name}: "):
        apply(home, text + "\nCREATE TABLE public.log (again int);")
    assert read(home).tables == {}


def test_applying_joins_the_callers_transaction_and_leaves_settings_as_they_were(
    postgres_server: PostgresServer,
) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute("CREATE TABLE public.first (id int)")
        apply_sql(connection, "CREATE TABLE public.second (id int); CREATE TYPE public.t AS ();")
        row = connection.execute("SHOW search_path").fetchone()
        assert row == ("pg_catalog, pg_temp",)
        connection.rollback()
        assert connection.execute("SHOW search_path").fetchone() == ("pg_catalog, pg_temp",)
        assert connection.execute("SHOW check_function_bodies").fetchone() == ("on",)
    assert read(site).tables == {}


def test_a_table_that_may_not_be_read_fails_with_pg_dumps_words(
    postgres15: PostgresServer,
) -> None:
    site = fresh_database(postgres15)
    with site.connect() as connection:
        connection.execute("CREATE TABLE public.secret (id int)")
        connection.execute("DROP ROLE IF EXISTS outsider")
        connection.execute("CREATE ROLE outsider LOGIN PASSWORD 'out'")
    config = site.config.model_copy(
        update={"url": site.config.url.replace("postgres@", "outsider@"), "password_env": "OUT"}
    )
    outsider = PostgresSite("virginia", config, Path(), {"OUT": "out"})
    with pytest.raises(SiteError, match=r"virginia: pg_dump failed: .*permission denied"):
        schema_sql(outsider, "pre-data")


def test_the_password_is_in_no_argument_list(
    postgres15: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "arguments"
    spy = tmp_path / "pg_dump"
    real = dump.find_pg_dump(15)
    spy.write_text(f'#!/bin/sh\necho "$@" > {record}\nexec {real.path} "$@"\n')
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(dump, "find_pg_dump", lambda _: dump.PgDump(15, 0, spy))
    monkeypatch.setitem(os.environ, "PGPASSWORD", "another site's")
    assert "Odd Schema" in schema_sql(awkward_database(postgres15), "pre-data")
    assert "--section=pre-data" in record.read_text()
    assert postgres15.password not in record.read_text()


def test_the_oldest_pg_dump_that_reads_the_server_is_taken() -> None:
    newest = max(program.major for program in dump._installed())
    assert dump.find_pg_dump(newest).major == newest
    assert dump.find_pg_dump(9).major == min(p.major for p in dump._installed())


def test_a_server_newer_than_every_pg_dump_is_an_operators_error() -> None:
    with pytest.raises(OperatorError, match="no pg_dump here reads PostgreSQL 99"):
        dump.find_pg_dump(99)


def test_a_sequence_goes_on_after_the_value_that_was_set(
    postgres_server: PostgresServer,
) -> None:
    site = awkward_database(postgres_server)
    identity = next(s.name for s in read(site).sequences if s.name.schema == "Odd Schema")
    with site.connect() as connection:
        set_sequence(connection, TableName("public", "ticket"), 500)
        set_sequence(connection, identity, 41)
        assert connection.execute("SELECT nextval('public.ticket')").fetchone() == (505,)
        with pytest.raises(SiteError):
            set_sequence(connection, TableName("public", "ticket"), 5)  # below its minimum
    with site.connect() as connection:
        row = connection.execute(
            'INSERT INTO "Odd Schema"."Select ""from"" 表" ("Upper Case", "user")'
            " VALUES ('n', '@') RETURNING \"order\""
        ).fetchone()
    assert row == (42,)


def test_home_needs_the_roles_of_policies_and_a_user_who_sees_every_row(
    postgres_server: PostgresServer,
) -> None:
    source, home = fresh_database(postgres_server), fresh_database(postgres_server)
    with source.connect() as here, home.connect() as there:
        here.execute("CREATE ROLE only_here")
        here.execute("CREATE TABLE public.t (id int)")
        here.execute("CREATE POLICY p ON public.t TO only_here")
        (said,) = lacking_at(here, there)
        assert said.startswith("home's server has no role only_here, which the policy p on t names")
        here.execute("DROP POLICY p ON public.t")
        here.execute("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert list(lacking_at(here, there)) == []
        there.execute("CREATE ROLE someone")
        there.execute("SET LOCAL ROLE someone")
        (said,) = lacking_at(here, there)
        assert "row-level security of public.t is FORCEd" in said
        assert said.endswith("give that user BYPASSRLS")
        here.rollback()
        there.rollback()
