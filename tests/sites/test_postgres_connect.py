from __future__ import annotations

import os
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from domicile.charter.model import PostgresSiteConfig
from domicile.errors import CharterError, SiteError, SiteMissing, SiteRefused, SiteUnreachable
from domicile.sites.postgres import (
    Connection,
    PostgresSite,
    lineage,
    not_replayed,
    open_postgres_site,
    read_database,
    remains,
    site_errors,
    written_until,
)
from tests.services.postgres import (
    PASSWORD_VARIABLE,
    PostgresServer,
    debian_15,
    fresh_database,
    standby_of,
)


def config(url: str, **more: str) -> PostgresSiteConfig:
    return PostgresSiteConfig.model_validate(
        {"kind": "postgres", "country": "US", "provider": "P", "url": url, **more}
    )


def opened(url: str, environ: dict[str, str] | None = None, **more: str) -> PostgresSite:
    return open_postgres_site("virginia", config(url, **more), Path(), environ or {})


def shown(connection: Connection, setting: str) -> str:
    row = connection.execute("SELECT pg_catalog.current_setting(%s)", (setting,)).fetchone()
    assert row is not None
    return str(row[0])


def test_sessions_read_alike_whatever_the_database_configures(
    postgres_server: PostgresServer,
) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        for setting in (
            "datestyle = 'German'",
            "intervalstyle = 'iso_8601'",
            "timezone = 'Asia/Tokyo'",
            "bytea_output = 'escape'",
            "extra_float_digits = 0",
            "search_path = 'public'",
            "statement_timeout = '300ms'",
            "lock_timeout = '300ms'",
        ):
            name = connection.info.dbname
            connection.execute(f"ALTER DATABASE {name} SET {setting}")
    with site.connect() as connection:
        row = connection.execute(
            "SELECT '2024-01-02 03:04:05+00'::timestamptz::text, '1 mon'::interval::text,"
            " '\\xff'::bytea::text, 0.1::float8 + 0.2::float8 || '', pg_sleep(0.5)::text"
        ).fetchone()
        assert row == ("2024-01-02 03:04:05+00", "1 mon", "\\xff", "0.30000000000000004", "")
        assert shown(connection, "search_path") == "pg_catalog, pg_temp"
        assert not connection.autocommit


@contextmanager
def pooler_before(server: PostgresServer) -> Iterator[int]:
    """The port of what answers as a pooler does: under a process number of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_pool, args=(listening, server), daemon=True).start()
        yield int(listening.getsockname()[1])


def _pool(listening: socket.socket, server: PostgresServer) -> None:
    client, _ = listening.accept()
    with client, socket.create_connection((server.host, server.port)) as upstream:
        while True:
            readable, _, _ = select.select([client, upstream], [], [])
            for one in readable:
                data = one.recv(1 << 16)
                if not data:
                    return
                if one is upstream:
                    client.sendall(_KEY_DATA.sub(lambda found: found[1] + b"\0\0\0\7", data))
                else:
                    upstream.sendall(data)


_KEY_DATA = re.compile(rb"(K\x00\x00\x00\x0c)....", re.DOTALL)


def test_a_pooler_is_refused_with_what_to_name_instead(postgres15: PostgresServer) -> None:
    with pooler_before(postgres15) as port:
        site = replace(postgres15, port=port).site("postgres")
        with pytest.raises(SiteRefused, match=r"a connection pooler.*the server's own host"):
            site.connect()


def test_a_poolers_session_is_given_back_as_it_was(postgres15: PostgresServer) -> None:
    """Somebody else's statements come next on it."""
    with pooler_before(postgres15) as port:
        site = replace(postgres15, port=port).site("postgres")
        parameters = psycopg.conninfo.make_conninfo(**site.libpq_parameters())
        with psycopg.connect(parameters, autocommit=True) as connection:
            before = shown(connection, "search_path")
            with pytest.raises(SiteRefused, match="a connection pooler"):
                site._pin(connection, "on")
            assert shown(connection, "search_path") == before
            assert shown(connection, "default_transaction_read_only") == "off"


def test_pinned_settings_survive_a_rollback(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server).connect() as connection:
        connection.execute("SELECT 1")
        connection.rollback()
        assert shown(connection, "search_path") == "pg_catalog, pg_temp"


def test_a_read_only_session_cannot_write(postgres_server: PostgresServer) -> None:
    site = fresh_database(postgres_server)
    with (
        site.connect(read_only=True) as connection,
        pytest.raises(SiteRefused, match="read-only"),
        site_errors(site.name),
    ):
        connection.execute("CREATE TABLE public.t ()")


def test_row_level_security_raises_instead_of_hiding_rows(
    postgres_server: PostgresServer,
) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute("CREATE TABLE public.t (a int)")
        connection.execute("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY")
        connection.execute("GRANT SELECT ON public.t TO public")
        connection.execute("SET LOCAL ROLE pg_monitor")
        with pytest.raises(SiteRefused, match="row-level security"), site_errors(site.name):
            connection.execute("SELECT * FROM public.t")


def test_check_passes_and_leaves_nothing_behind(postgres_server: PostgresServer) -> None:
    site = fresh_database(postgres_server)
    site.check(write=False)
    site.check(write=True)
    with site.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'domi'")
        assert row.fetchone() == (0,)


def test_check_for_writing_refuses_a_user_who_may_only_read(postgres15: PostgresServer) -> None:
    site = fresh_database(postgres15)
    with site.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'only reads'")
    url = site.config.url.replace("postgres@", "reader@")
    reader = opened(url, {"READER": "only reads"}, password_env="READER")
    reader.check(write=False)
    with pytest.raises(SiteRefused, match="virginia: permission denied for database"):
        reader.check(write=True)


def test_a_wrong_password_is_refused_and_not_repeated(postgres15: PostgresServer) -> None:
    url = fresh_database(postgres15).config.url
    site = opened(url, {"PW": "hunter2"}, password_env="PW")
    with pytest.raises(SiteRefused, match=r"virginia: .*password authentication failed") as caught:
        site.connect()
    assert "variable PW" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_that_nobody_named_is_asked_for(
    postgres15: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database(postgres15).config.url
    # Another site's password in libpq's own variable must not be sent here.
    monkeypatch.setitem(os.environ, "PGPASSWORD", postgres15.password)
    with pytest.raises(SiteRefused, match="password_env"):
        opened(url).connect()


def test_the_password_is_read_from_a_file_beside_the_charter(
    postgres15: PostgresServer, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{postgres15.password}\n")
    cfg = config(fresh_database(postgres15).config.url, password_file="secret")
    open_postgres_site("virginia", cfg, tmp_path, {}).check(write=False)


def test_a_missing_password_names_its_variable_or_file(tmp_path: Path) -> None:
    with pytest.raises(CharterError, match="DB_PASSWORD is not set"):
        opened("postgresql://u@h/d", password_env="DB_PASSWORD").connect()
    cfg = config("postgresql://u@h/d", password_file="gone")
    with pytest.raises(CharterError, match="password file gone cannot be read"):
        open_postgres_site("virginia", cfg, tmp_path, {}).connect()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@h/d",
        "postgresql://u@h/d?password=hunter2",
        "postgresql://u@h/d?sslpassword=hunter2",
    ],
)
def test_a_password_in_the_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(CharterError, match="the url holds a password") as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "mysql://u@h/d", "host=h password=hunter2", "postgresql://u:hunter2@h/d?x=1"]
)
def test_a_url_that_is_none_is_a_charter_error(url: str) -> None:
    with pytest.raises(CharterError) as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


def test_a_missing_database_is_missing(postgres_server: PostgresServer) -> None:
    with pytest.raises(SiteMissing, match='database "nowhere" does not exist'):
        postgres_server.site("nowhere").connect()


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(SiteUnreachable, match=r"virginia: .*refused"):
            opened(f"postgresql://u@127.0.0.1:{port}/d").connect()


def test_a_server_that_never_answers_is_unreachable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(SiteUnreachable, match="timeout"):
            opened(f"postgresql://u@127.0.0.1:{port}/d?connect_timeout=2").connect()


def test_an_unknown_host_is_unreachable() -> None:
    with pytest.raises(SiteUnreachable):
        opened("postgresql://u@no-such-host.invalid/d").connect()


def test_a_connection_that_is_cut_is_unreachable(postgres_server: PostgresServer) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as one, site.connect() as other:
        other.execute("SELECT pg_terminate_backend(%s)", (one.info.backend_pid,))
        with pytest.raises(SiteUnreachable), site_errors(site.name):
            one.execute("SELECT 1")
        with pytest.raises(SiteUnreachable), site_errors(site.name):
            one.execute("SELECT 1")


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT * FROM public.nothing", SiteMissing),
        ("SELECT nothing FROM pg_class", SiteMissing),
        ("SELECT pg_read_file('secret')", SiteError),
        ("SELECT 1 / 0", SiteError),
    ],
)
def test_statements_fail_as_site_errors(
    postgres_server: PostgresServer, statement: str, kind: type[SiteError]
) -> None:
    site = fresh_database(postgres_server)
    with (
        site.connect() as connection,
        pytest.raises(kind, match=f"site {site.name}: "),
        site_errors(site.name),
    ):
        connection.execute(statement)


def test_a_rows_content_is_not_in_the_error(postgres_server: PostgresServer) -> None:
    site = fresh_database(postgres_server)
    with site.connect() as connection:
        connection.execute("CREATE TABLE public.t (email text PRIMARY KEY)")
        with pytest.raises(SiteError) as caught, site_errors(site.name):
            connection.execute("INSERT INTO public.t VALUES ('ada@x'), ('ada@x')")
        assert "ada@x" not in str(caught.value)
        assert "t_pkey" in str(caught.value)
        assert caught.value.__suppress_context__
        connection.rollback()
        with pytest.raises(SiteError) as caught, site_errors(site.name):
            connection.execute("SELECT (email || 'ada@x')::int FROM (SELECT 'e') AS t(email)")
        assert "ada@x" not in str(caught.value)


def test_the_application_is_named_to_the_server(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server).connect(application="domicile scan") as connection:
        assert shown(connection, "application_name") == "domicile scan"


def test_the_password_stays_out_of_the_site_s_repr(postgres15: PostgresServer) -> None:
    site = fresh_database(postgres15)
    assert site.config.password_env == PASSWORD_VARIABLE
    assert postgres15.password not in repr(site)


def test_a_standby_is_read_and_refuses_to_be_written() -> None:
    with debian_15() as primary, standby_of(primary) as server:
        standby = server.site("postgres")
        standby.check(write=False)
        with pytest.raises(SiteRefused, match="is a standby and takes no writes"):
            standby.check(write=True)
        with standby.connect(read_only=True) as connection:
            assert read_database(connection).in_recovery
            assert any("its primary has the same rows" in line for line in remains(connection))
            mine = lineage(connection)
            with primary.site("postgres").connect() as beyond:
                assert mine.follows(lineage(beyond))
                assert not lineage(beyond).follows(mine)
                until = written_until(beyond)
            with primary.site("template1").connect() as beyond:
                assert not mine.follows(lineage(beyond))
            assert not_replayed(connection, until, patience_s=60) == ""
            behind = not_replayed(connection, "FFFF/0", patience_s=0)
            assert "behind its primary: see that it receives" in behind
            connection.execute("SELECT pg_wal_replay_pause()")
            assert "its replay is paused" in not_replayed(connection, "FFFF/0", patience_s=60)
            connection.execute("SELECT pg_wal_replay_resume()")
        with primary.site("postgres").connect() as connection:
            connection.autocommit = True
            deadline = time.monotonic() + 20  # it streams soon after it is ready
            while not any("a replica or subscriber (" in line for line in remains(connection)):
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_rows_do_not_cross_a_network_in_the_clear_by_default() -> None:
    def sslmode(url: str) -> str:
        return opened(url).libpq_parameters()["sslmode"]

    assert sslmode("postgresql://u@db.example/d") == "require"
    assert sslmode("postgresql://u@localhost,db.example/d") == "require"
    assert sslmode("postgresql://u@db.example/d?sslmode=disable") == "disable"
    assert sslmode("postgresql://u@db.example/d?sslmode=verify-full") == "verify-full"
    for url in ("postgresql://u@127.0.0.1/d", "postgresql://u@/d?host=/run/x", "postgresql:///d"):
        assert sslmode(url) == "prefer"


def test_a_server_without_tls_is_refused_with_the_way_out(postgres15: PostgresServer) -> None:
    url = fresh_database(postgres15).config.url + "&sslmode=require"
    site = opened(url, postgres15.environ, password_env=PASSWORD_VARIABLE)
    with pytest.raises(SiteRefused, match="sslmode=disable"):
        site.connect()
